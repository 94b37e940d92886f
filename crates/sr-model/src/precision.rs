//! f32 or bf16: what this machine is faster with.

use std::time::{Duration, Instant};

use sr_net::{Network, Plane, Weights};
use tch::Kind;

use crate::{Device, Inference, InferenceError};

/// How the network's body computes; bicubic is added in f32 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    F32,
    Bf16,
}

impl Precision {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// The faster precision for `network` on `device`, measured now in about 0.1 s. CPUs without bf16 instructions
/// emulate them slowly, and no flag of the CPU says how slowly.
///
/// # Errors
/// When the device cannot run the network at all.
pub fn choose_precision(network: Network, device: Device, threads: u32) -> Result<Precision, InferenceError> {
    let lr = Plane::filled(320, 180, 128);
    let mut fastest = [Duration::MAX; 2];
    let precisions = [Precision::F32, Precision::Bf16];
    let mut candidates = Vec::new();
    for precision in precisions {
        let mut inference = Inference::new(&Weights::zero(network), device, precision, threads)?;
        inference.run(&lr)?;
        candidates.push(inference);
    }
    // In turns, so that a busy moment of the machine hits both.
    for _ in 0..5 {
        for (inference, fastest) in candidates.iter_mut().zip(&mut fastest) {
            let start = Instant::now();
            inference.run(&lr)?;
            *fastest = start.elapsed().min(*fastest);
        }
    }
    let chosen = if fastest[1] < fastest[0] { Precision::Bf16 } else { Precision::F32 };
    tracing::info!(%chosen, f32 = ?fastest[0], bf16 = ?fastest[1], "measured the precisions");
    Ok(chosen)
}
