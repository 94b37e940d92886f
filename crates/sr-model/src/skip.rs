//! Exact bicubic as a convolution.

use sr_net::bicubic_kernel;
use tch::{Device, Kind, TchError, Tensor};

use crate::inference::channels_last;

/// `sr_net::upsample` on tensors: a 5×5 convolution to scale² channels over the edge-replicated picture.
#[derive(Debug)]
pub(crate) struct BicubicSkip {
    /// [scale², 1, 5, 5]
    kernel: Tensor,
    /// [scale²], all ½: cut off, the sum is rounded half up.
    half: Tensor,
}

/// The widest reach of a tap from its source sample.
const REACH: i64 = 2;

impl BicubicSkip {
    pub(crate) fn new(scale: usize, device: Device) -> Result<Self, TchError> {
        const SIDE: usize = 2 * REACH as usize + 1;
        let spread = |(first, weights): (isize, [f32; 4])| {
            let mut taps = [0.0; SIDE];
            taps[(first + REACH as isize) as usize..][..4].copy_from_slice(&weights);
            taps
        };
        let phases: Vec<[f32; SIDE]> = bicubic_kernel(scale).into_iter().map(spread).collect();
        let mut taps = Vec::with_capacity(scale * scale * SIDE * SIDE);
        for vertical in &phases {
            for horizontal in &phases {
                taps.extend(vertical.iter().flat_map(|v| horizontal.iter().map(move |h| v * h)));
            }
        }
        let shape = [(scale * scale) as i64, 1, SIDE as i64, SIDE as i64];
        let kernel = channels_last(&Tensor::f_from_slice(&taps)?.f_view(shape)?.f_to_device(device)?)?;
        let half = Tensor::f_full([shape[0]], 0.5, (Kind::Float, device))?;
        Ok(Self { kernel, half })
    }

    /// [1, 1, h, w] in f32 to [1, scale², h, w], with ½ added.
    pub(crate) fn apply(&self, lr: &Tensor) -> Result<Tensor, TchError> {
        lr.f_replication_pad2d([REACH; 4])?.f_conv2d(&self.kernel, Some(&self.half), 1, 0, 1, 1)
    }
}
