//! Weights as safetensors: bounded, checked against the network, finite.

use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

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
    /// Bound of the JSON header inside them, in bytes: 16 convolutions need under 4 KiB.
    pub const MAX_HEADER_BYTES: usize = 64 << 10;

    /// All zero: the network is then exact bicubic.
    #[must_use]
    pub fn zero(network: Network) -> Self {
        let convolution =
            |(input, output)| Convolution { weight: vec![0.0; output * input * 9], bias: vec![0.0; output] };
        Self { network, convolutions: network.convolutions().map(convolution).collect() }
    }

    /// # Errors
    /// When the bytes are too many, malformed, of another network (a tensor too many counts), or not finite.
    pub fn from_safetensors(bytes: &[u8], network: Network) -> Result<Self, WeightsError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(WeightsError::TooLarge { bytes: bytes.len(), limit: Self::MAX_BYTES });
        }
        check_header_length(bytes)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| WeightsError::Malformed(error.to_string()))?;
        if tensors.len() != 2 * network.layers {
            let text = format!("{} tensors instead of {}", tensors.len(), 2 * network.layers);
            return Err(WeightsError::Shape(text));
        }
        let read = |(index, (input, output))| {
            Ok(Convolution {
                weight: read_tensor(&tensors, &format!("conv.{index}.weight"), &[output, input, 3, 3])?,
                bias: read_tensor(&tensors, &format!("conv.{index}.bias"), &[output])?,
            })
        };
        let convolutions = network.convolutions().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { network, convolutions })
    }

    /// The same weights give the same bytes.
    ///
    /// # Panics
    /// When the weights are not those of their network.
    #[must_use]
    pub fn to_safetensors(&self, precision: Precision) -> Vec<u8> {
        let shapes = self.network.convolutions();
        assert_eq!(self.convolutions.len(), shapes.len(), "one convolution per layer");
        let (mut named, dtype) = (Vec::with_capacity(2 * shapes.len()), dtype_of(precision));
        for (index, ((input, output), convolution)) in shapes.zip(&self.convolutions).enumerate() {
            let weight = encode(&convolution.weight, precision);
            named.push((format!("conv.{index}.weight"), vec![output, input, 3, 3], weight));
            named.push((format!("conv.{index}.bias"), vec![output], encode(&convolution.bias, precision)));
        }
        let views = named.iter().map(|(name, shape, bytes)| {
            (name, TensorView::new(dtype, shape.clone(), bytes).expect("a convolution has the network's shape"))
        });
        safetensors::serialize(views, None).expect("views of the right length always serialise")
    }
}

/// Refused before the header is parsed: parsing costs several times the header's length.
fn check_header_length(bytes: &[u8]) -> Result<(), WeightsError> {
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    match length {
        None => Err(WeightsError::Malformed("shorter than 8 bytes".to_owned())),
        Some(length) if length > Weights::MAX_HEADER_BYTES as u64 => {
            let limit = Weights::MAX_HEADER_BYTES;
            Err(WeightsError::Malformed(format!("the header is {length} bytes long: at most {limit} are taken")))
        }
        Some(_) => Ok(()),
    }
}

fn read_tensor(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
    let tensor = tensors.tensor(name).map_err(|_| WeightsError::Shape(format!("no tensor {name}")))?;
    if tensor.shape() != shape {
        return Err(WeightsError::Shape(format!("{name} is {:?} instead of {shape:?}", tensor.shape())));
    }
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Dtype::F16 => tensor.data().as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        other => return Err(WeightsError::Shape(format!("{name} is of type {other:?} instead of F32 or F16"))),
    };
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err(WeightsError::NotFinite(name.to_owned()))
    }
}

fn dtype_of(precision: Precision) -> Dtype {
    match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    }
}

fn encode(values: &[f32], precision: Precision) -> Vec<u8> {
    match precision {
        Precision::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Precision::F16 => values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
    }
}
