//! How good weights are on pairs they were not trained on, by the reference.

use general_weights::Figure;
use sr_net::{Weights, psnr_of_mse_db};

use super::pairs::Codings;
use crate::example::Example;

pub(super) fn measure<'a>(coding: &str, examples: impl Iterator<Item = &'a Example>, weights: &Weights) -> Figure {
    let (mut pairs, mut bicubic_mse, mut mse) = (0, 0.0, 0.0);
    for Example { pair, .. } in examples {
        pairs += 1;
        bicubic_mse += pair.bicubic_mse();
        mse += pair.mse(weights);
    }
    let psnr_db = |total: f64| rounded(psnr_of_mse_db(total / f64::from(pairs.max(1))));
    Figure {
        coding: coding.to_owned(),
        pairs: pairs as usize,
        bicubic_psnr_db: psnr_db(bicubic_mse),
        psnr_db: psnr_db(mse),
    }
}

pub(super) fn measure_by_coding(codings: &Codings, weights: &Weights) -> Vec<Figure> {
    codings.0.iter().map(|(coding, examples)| measure(coding, examples.iter(), weights)).collect()
}

/// To a thousandth of a decibel.
fn rounded(psnr_db: f64) -> f64 {
    (psnr_db * 1000.0).round() / 1000.0
}
