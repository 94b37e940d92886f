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
        // Bytes go in and come out: 1/255 and 255 are part of the first and the last convolution.
        let load = |(index, ((input, output), convolution)): (usize, ((usize, usize), &sr_net::Convolution))| {
            let last = if index + 1 == network.layers { 255.0 } else { 1.0 };
            let scaled =
                |values: &[f32], by: f32| Tensor::f_from_slice(&values.iter().map(|v| v * by).collect::<Vec<_>>());
            let shape = [output as i64, input as i64, 3, 3];
            let weight = scaled(&convolution.weight, if index == 0 { 1.0 / 255.0 } else { last })?.f_view(shape)?;
            let weight = channels_last(&weight.f_to_device(device)?.f_to_kind(kind)?)?;
            let bias = scaled(&convolution.bias, last)?.f_to_device(device)?.f_to_kind(kind)?;
            Ok((weight, bias))
        };
        let convolutions =
            network.convolutions().zip(&weights.convolutions).enumerate().map(load).collect::<Result<_, TchError>>()?;
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
        sr_net::limit(&mut output, lr);
        Ok(output)
    }

    /// [h·scale, w·scale] bytes, not limited yet. Bicubic is added in f32, so that zero weights give exact bicubic.
    fn enhance(&self, lr: &Plane) -> Result<Tensor, TchError> {
        let size = [1, lr.height() as i64, lr.width() as i64, 1];
        let bytes = Tensor::f_from_data_size(lr.samples(), &size, Kind::Uint8)?.f_to_device(self.device)?;
        let picture = bytes.f_permute([0, 3, 1, 2])?;
        let mut skip = self.skip.apply(&picture.f_to_kind(Kind::Float)?)?;
        let detail = self.detail(&picture)?;
        let scale = self.network.scale as i64;
        if self.network.unshuffle == 1 {
            return shuffled(&bytes_of(&mut skip.f_add_(&detail)?)?, scale);
        }
        let mut skip = skip.f_pixel_shuffle(scale)?;
        let detail = detail.f_pixel_shuffle(scale * self.network.unshuffle as i64)?;
        let (height, width) = (skip.size()[2], skip.size()[3]);
        bytes_of(&mut skip.f_add_(&detail.f_narrow(2, 0, height)?.f_narrow(3, 0, width)?)?)?.f_contiguous()
    }

    /// What the network adds to bicubic, in its own layout: [1, (scale·unshuffle)², h/unshuffle, w/unshuffle].
    fn detail(&self, picture: &Tensor) -> Result<Tensor, TchError> {
        let factor = self.network.unshuffle as i64;
        let mut channels = picture.f_to_kind(self.kind)?;
        if factor > 1 {
            let missing = |length: i64| (factor - length % factor) % factor;
            let (height, width) = (picture.size()[2], picture.size()[3]);
            let whole = channels.f_replication_pad2d([0, missing(width), 0, missing(height)])?;
            channels = channels_last(&whole.f_pixel_unshuffle(factor)?)?;
        }
        for (index, (weight, bias)) in self.convolutions.iter().enumerate() {
            channels = channels.f_conv2d(weight, Some(bias), 1, 1, 1, 1)?;
            if index + 1 < self.convolutions.len() {
                relu_(&mut channels)?;
            }
        }
        Ok(channels)
    }
}

/// Clamped and cut off: bicubic comes with the half that makes it rounding.
fn bytes_of(samples: &mut Tensor) -> Result<Tensor, TchError> {
    samples.f_clamp_(0.0, 255.0)?.f_to_kind(Kind::Uint8)
}

/// PixelShuffle of [1, factor², h, w], stored with the channels last: libtorch's own takes five times as long.
fn shuffled(channels: &Tensor, factor: i64) -> Result<Tensor, TchError> {
    let (height, width) = (channels.size()[2], channels.size()[3]);
    let cells = channels.f_permute([0, 2, 3, 1])?.f_reshape([height, width, factor, factor])?;
    cells.f_permute([0, 2, 1, 3])?.f_contiguous()
}

fn relu_(channels: &mut Tensor) -> Result<(), TchError> {
    if channels.kind() == Kind::BFloat16 {
        // Negative in bf16 is negative as an integer of the same bits, and libtorch is three times as fast with those.
        let _ = channels.f_view_dtype(Kind::Int16)?.f_clamp_min_(0)?;
    } else {
        let _ = channels.f_relu_()?;
    }
    Ok(())
}

/// The same tensor [n, c, h, w], stored as [n, h, w, c]: the order in which the CPU's convolutions are fastest.
pub(crate) fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}
