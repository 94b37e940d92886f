//! The shape of a network, as in `proto/acuity/v1/checkpoint.proto`.

use proto::v1;

/// PixelUnshuffle(u) → conv3x3 → ReLU → … → conv3x3 to (scale·u)² channels, plus exact bicubic, → PixelShuffle(scale·u).
/// Convolutions are zero-padded; channel order is torch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// 2, 3 or 4
    pub scale: usize,
    /// 1 (full LR resolution) or 2 (half; the LR size must then be even)
    pub unshuffle: usize,
    /// Channels between the convolutions, 1 ..= 64.
    pub features: usize,
    /// Convolutions in all, 2 ..= 16.
    pub layers: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("network kind {0} is not supported: use KIND_PLAIN3X3")]
    Kind(i32),
    #[error("network {field} is {value}: use {allowed}")]
    Bounds { field: &'static str, value: u32, allowed: &'static str },
}

impl Network {
    /// What a stream runs when nothing else is said: 16 features, 5 layers, at LR resolution (7.7 k weights for x2).
    pub const DEFAULT_X2: Self = Self { scale: 2, unshuffle: 1, features: 16, layers: 5 };

    /// # Errors
    /// When a number is out of its bounds.
    pub fn new(scale: u32, unshuffle: u32, features: u32, layers: u32) -> Result<Self, NetworkError> {
        let bound = |field, value: u32, range: std::ops::RangeInclusive<u32>, allowed| {
            if range.contains(&value) {
                Ok(value as usize)
            } else {
                Err(NetworkError::Bounds { field, value, allowed })
            }
        };
        Ok(Self {
            scale: bound("scale", scale, 2..=4, "2, 3 or 4")?,
            unshuffle: bound("unshuffle", unshuffle, 1..=2, "1 or 2")?,
            features: bound("features", features, 1..=64, "1 to 64")?,
            layers: bound("layers", layers, 2..=16, "2 to 16")?,
        })
    }

    /// (input channels, output channels) of each convolution, first to last.
    pub fn convolutions(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + use<> {
        let (features, layers) = (self.features, self.layers);
        let (input, output) = (self.unshuffle.pow(2), (self.scale * self.unshuffle).pow(2));
        (0..layers).map(move |index| {
            (if index == 0 { input } else { features }, if index + 1 == layers { output } else { features })
        })
    }

    #[must_use]
    pub fn to_proto(&self) -> v1::Network {
        v1::Network {
            kind: v1::network::Kind::Plain3x3.into(),
            scale: self.scale as u32,
            unshuffle: self.unshuffle as u32,
            features: self.features as u32,
            layers: self.layers as u32,
        }
    }
}

impl TryFrom<&v1::Network> for Network {
    type Error = NetworkError;

    fn try_from(network: &v1::Network) -> Result<Self, NetworkError> {
        if network.kind() != v1::network::Kind::Plain3x3 {
            return Err(NetworkError::Kind(network.kind));
        }
        Self::new(network.scale, network.unshuffle, network.features, network.layers)
    }
}
