//! Weights made ready for frames: built on the device, and compared with the reference before a frame sees them.

use sr_model::{Device, Inference, Precision};
use sr_net::{Network, Plane, Weights};

/// What networks run on here.
#[derive(Clone, Copy, Debug)]
pub struct Runtime {
    pub device: Device,
    pub precision: Precision,
    /// Of one frame, on the CPU.
    pub threads: u32,
}

/// Why weights are not used; the ones before them stay.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("{0}")]
    Inference(#[from] sr_model::InferenceError),
    #[error("the golden tile is off the reference by a mean square of {mse:.2}, on {device} in {precision}")]
    Differs { mse: f64, device: String, precision: Precision },
}

/// The most that the golden tile may be off the reference, in levels squared: 51 dB, which nobody sees. A sample in bf16 is at
/// times 3 levels off where a network does much; a wrong layout or border costs tens of this.
pub const MOST_OFF: f64 = 0.5;

impl Runtime {
    /// A model of `weights` that is near enough to `sr-net`'s, and warm for frames of `frame_size`.
    ///
    /// # Errors
    /// When the device fails, or computes something else than the reference.
    pub fn prepare(&self, weights: &Weights, frame_size: Option<(usize, usize)>) -> Result<Inference, Unfit> {
        let mut model = Inference::new(weights, self.device, self.precision, self.threads)?;
        let tile = golden_tile();
        let mse = sr_net::mse(&model.run(&tile)?, &sr_net::enhance(weights, &tile));
        if mse > MOST_OFF {
            let device = sr_model::device_name(self.device);
            return Err(Unfit::Differs { mse, device, precision: self.precision });
        }
        if let Some((width, height)) = frame_size {
            model.run(&Plane::filled(width, height, 128))?;
        }
        Ok(model)
    }

    /// # Errors
    /// When there is no such device or precision, or the device cannot run the network.
    pub fn open(device: &str, precision: &str, network: Network, threads: u32) -> anyhow::Result<Self> {
        let device = sr_model::open_device(device)?;
        let precision = match precision {
            "f32" => Precision::F32,
            "bf16" => Precision::Bf16,
            "auto" => sr_model::choose_precision(network, device, threads)?,
            other => anyhow::bail!("precision {other:?} is not auto, f32 or bf16"),
        };
        Ok(Self { device, precision, threads })
    }
}

/// Edges, a ramp and texture: what a wrong layout, border or precision shows on.
fn golden_tile() -> Plane {
    const SIDE: usize = 48;
    let sample = |i: usize| {
        let (x, y) = (i % SIDE, i / SIDE);
        match (x / 24, y / 24) {
            (0, 0) => 16 + 4 * (x + y),
            (1, 0) => 40 + (x * x * 31 + y * 17) % 170,
            (0, 1) => {
                if (x / 5 + y / 3) % 2 == 0 {
                    16
                } else {
                    235
                }
            }
            _ => 128 + (x * 7 + y * 13) % 24,
        }
    };
    let samples = (0..SIDE * SIDE).map(|i| sample(i) as u8).collect();
    Plane::new(SIDE, SIDE, samples).expect("a tile has its size")
}

#[cfg(test)]
mod tests {
    use sr_net::Convolution;

    use super::*;

    fn weights(size: f32) -> Weights {
        let mut weights = Weights::zero(Network::DEFAULT_X2);
        let mut state = 5u32;
        for Convolution { weight, .. } in &mut weights.convolutions {
            for value in weight {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value = ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * size;
            }
        }
        weights
    }

    #[test]
    fn weights_that_compute_what_the_reference_does_are_taken() {
        let runtime = Runtime { device: Device::Cpu, precision: Precision::F32, threads: 1 };
        assert!(runtime.prepare(&weights(0.1), Some((64, 36))).is_ok());
    }

    #[test]
    fn weights_that_this_precision_cannot_carry_are_refused() {
        let runtime = Runtime { device: Device::Cpu, precision: Precision::Bf16, threads: 1 };
        let refused = runtime.prepare(&weights(1.0), None);
        assert!(matches!(refused, Err(Unfit::Differs { .. })), "{refused:?}");
    }

    #[test]
    fn settings_that_name_nothing_are_refused() {
        for (device, precision) in [("tpu", "f32"), ("cpu", "f16")] {
            assert!(Runtime::open(device, precision, Network::DEFAULT_X2, 1).is_err());
        }
    }
}
