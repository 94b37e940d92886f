//! Weights as safetensors: bounded, checked against the network, finite.

use crate::Network;

/// The weights of a collapsed network.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    pub network: Network,
    pub convolutions: Vec<Convolution>,
}

/// `weight` is [out, in, 3, 3] in torch's order, `bias` [out].
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    F32,
    F16,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error("weights are {bytes} bytes long: at most {limit} are taken")]
    TooLarge { bytes: usize, limit: usize },
    #[error("weights are no well-formed safetensors: {0}")]
    Malformed(String),
    #[error("weights do not fit the network: {0}")]
    Shape(String),
    #[error("weights hold a value that is not finite in {0}")]
    NotFinite(String),
}

impl Weights {
    /// Bound of a checkpoint's weights in bytes.
    pub const MAX_BYTES: usize = 16 << 20;

    /// All zero: the network is then exact bicubic.
    #[must_use]
    pub fn zero(_network: Network) -> Self {
        todo!()
    }

    /// # Errors
    /// When the bytes are too many, malformed, of another network (a tensor too many counts), or not finite.
    pub fn from_safetensors(_bytes: &[u8], _network: Network) -> Result<Self, WeightsError> {
        todo!()
    }

    #[must_use]
    pub fn to_safetensors(&self, _precision: Precision) -> Vec<u8> {
        todo!()
    }
}
