//! A checkpoint at work: frames in, enhanced frames out.

use sr_net::{Network, Plane, Weights};
use tch::{Kind, TchError, Tensor};

use crate::{Device, Precision, skip::BicubicSkip};

/// The network could not be run: use bicubic for this frame.
#[derive(Debug, thiserror::Error)]
#[error("the network could not be run: {0}")]
pub struct InferenceError(#[from] TchError);

/// One network with its weights on a device. Frames may change their size at any time.
#[derive(Debug)]
pub struct Inference {
    network: Network,
    device: Device,
    kind: Kind,
    threads: i32,
    /// Weight [out, in, 3, 3] with the channels last in memory, bias [out].
    convolutions: Vec<(Tensor, Tensor)>,
    skip: BicubicSkip,
}

impl Inference {
    /// `threads` are those of one frame on the CPU; they belong to the thread that calls [`Self::run`].
    ///
    /// # Errors
    /// When the device has no room for it.
    ///
    /// # Panics
    /// When the weights are not those of their network.
    pub fn new(weights: &Weights, device: Device, precision: Precision, threads: u32) -> Result<Self, InferenceError> {
        let (network, kind) = (weights.network, precision.kind());
        let load = |((input, output), convolution): ((usize, usize), &sr_net::Convolution)| {
            let shape = [output as i64, input as i64, 3, 3];
            let weight = Tensor::f_from_slice(&convolution.weight)?.f_view(shape)?;
            let weight = channels_last(&weight.f_to_device(device)?.f_to_kind(kind)?)?;
            let bias = Tensor::f_from_slice(&convolution.bias)?.f_to_device(device)?.f_to_kind(kind)?;
            Ok((weight, bias))
        };
        let convolutions =
            network.convolutions().zip(&weights.convolutions).map(load).collect::<Result<_, TchError>>()?;
        let skip = BicubicSkip::new(network.scale, device)?;
        Ok(Self {
            network,
            device,
            kind,
            threads: i32::try_from(threads.max(1)).unwrap_or(i32::MAX),
            convolutions,
            skip,
        })
    }

    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// `lr` enhanced: `scale` times its size.
    ///
    /// # Errors
    /// When the device fails, for example for want of memory.
    pub fn run(&mut self, lr: &Plane) -> Result<Plane, InferenceError> {
        let (width, height) = (lr.width() * self.network.scale, lr.height() * self.network.scale);
        if lr.samples().is_empty() {
            return Ok(Plane::filled(width, height, 0));
        }
        if self.device == Device::Cpu {
            tch::set_num_threads(self.threads);
        }
        let enhanced = tch::no_grad(|| self.enhance(lr))?;
        let mut output = Plane::filled(width, height, 0);
        enhanced.f_copy_data_u8(output.samples_mut(), width * height)?;
        Ok(output)
    }

    /// [h·scale, w·scale] bytes. Bicubic is added in f32 at full range, so that zero weights give exact bicubic.
    fn enhance(&self, lr: &Plane) -> Result<Tensor, TchError> {
        let size = [1, lr.height() as i64, lr.width() as i64, 1];
        let bytes = Tensor::f_from_data_size(lr.samples(), &size, Kind::Uint8)?.f_to_device(self.device)?;
        let picture = bytes.f_to_kind(Kind::Float)?.f_permute([0, 3, 1, 2])?;
        let skip = self.skip.apply(&picture)?;
        let mut detail = self.detail(&picture.f_div_scalar(255.0)?)?.f_to_kind(Kind::Float)?;
        let enhanced = if self.network.unshuffle == 1 {
            skip.f_add(&detail.f_mul_scalar_(255.0)?)?.f_pixel_shuffle(self.network.scale as i64)?
        } else {
            let skip = skip.f_pixel_shuffle(self.network.scale as i64)?;
            let detail = detail.f_pixel_shuffle((self.network.scale * self.network.unshuffle) as i64)?;
            let (height, width) = (skip.size()[2], skip.size()[3]);
            skip.f_add(&detail.f_narrow(2, 0, height)?.f_narrow(3, 0, width)?.f_mul_scalar(255.0)?)?
        };
        enhanced.f_add_scalar(0.5)?.f_clamp(0.0, 255.0)?.f_to_kind(Kind::Uint8)?.f_contiguous()
    }

    /// What the network adds to bicubic, in its own layout: [1, (scale·unshuffle)², h/unshuffle, w/unshuffle].
    fn detail(&self, unit: &Tensor) -> Result<Tensor, TchError> {
        let factor = self.network.unshuffle as i64;
        let mut channels = if factor == 1 {
            unit.f_to_kind(self.kind)?
        } else {
            let missing = |length: i64| (factor - length % factor) % factor;
            let (height, width) = (unit.size()[2], unit.size()[3]);
            let whole = unit.f_replication_pad2d([0, missing(width), 0, missing(height)])?;
            channels_last(&whole.f_pixel_unshuffle(factor)?.f_to_kind(self.kind)?)?
        };
        for (index, (weight, bias)) in self.convolutions.iter().enumerate() {
            channels = channels.f_conv2d(weight, Some(bias), 1, 1, 1, 1)?;
            if index + 1 < self.convolutions.len() {
                channels = channels.f_relu_()?;
            }
        }
        Ok(channels)
    }
}

/// The same tensor [n, c, h, w], stored as [n, h, w, c]: the order in which the CPU's convolutions are fastest.
pub(crate) fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}
