//! How close two planes of the same size are.

use crate::Plane;

/// Mean squared error. Panics when the sizes differ.
#[must_use]
pub fn mse(_a: &Plane, _b: &Plane) -> f64 {
    todo!()
}

/// 10·log10(255² / mse), capped at 100 dB.
#[must_use]
pub fn psnr_of_mse_db(_mse: f64) -> f64 {
    todo!()
}

/// PSNR of two planes in dB, capped at 100. Panics when the sizes differ.
#[must_use]
pub fn psnr_db(a: &Plane, b: &Plane) -> f64 {
    psnr_of_mse_db(mse(a, b))
}

/// Structural similarity (Wang et al. 2004): Gaussian window 11×11, σ 1.5, K1 0.01, K2 0.03, valid windows only.
/// Panics when the sizes differ or a side is under 11.
#[must_use]
pub fn ssim(_a: &Plane, _b: &Plane) -> f64 {
    todo!()
}
