//! Measures weights on patches that they were not trained on, with the reference implementation.

use std::sync::Arc;

use proto::v1::Measurement;
use sr_net::{Weights, psnr_of_mse_db};

use crate::example::Example;

/// PSNR in dB of the mean squared error over `examples`; of bicubic without weights.
pub(crate) fn psnr_db(weights: Option<&Weights>, examples: &[Arc<Example>]) -> f64 {
    let mse = |example: &Arc<Example>| weights.map_or(example.pair.bicubic_mse(), |weights| example.pair.mse(weights));
    psnr_of_mse_db(examples.iter().map(mse).sum::<f64>() / examples.len().max(1) as f64)
}

/// Everything that a checkpoint claims of itself. `live` is what the trainer believes to be live.
pub(crate) fn measure(weights: &Weights, live: Option<&Weights>, examples: &[Arc<Example>]) -> Measurement {
    let (mut mse, mut ssim, mut bicubic_ssim) = (0.0, 0.0, 0.0);
    let count = examples.len().max(1) as f64;
    for pair in examples.iter().map(|example| &example.pair) {
        let enhanced = pair.enhanced(weights);
        mse += sr_net::mse(&enhanced, pair.hr()) / count;
        ssim += pair.ssim(&enhanced).unwrap_or(0.0) / count;
        bicubic_ssim += pair.ssim(&pair.bicubic()).unwrap_or(0.0) / count;
    }
    Measurement {
        patches: examples.len() as u32,
        bicubic_psnr_db: psnr_db(None, examples),
        psnr_db: psnr_of_mse_db(mse),
        live_psnr_db: live.map_or(0.0, |live| psnr_db(Some(live), examples)),
        bicubic_ssim,
        ssim,
    }
}
