//! How close two planes of the same size are.

mod reference;

use crate::Plane;

pub use reference::Reference;

/// So many squared errors are summed in 32 bits, which is quick.
const PART: usize = 1 << 12;

/// Mean squared error. Panics when the sizes differ.
#[must_use]
pub fn mse(a: &Plane, b: &Plane) -> f64 {
    assert_same_size(a, b);
    let squared = |(&a, &b): (&u8, &u8)| u32::from(a.abs_diff(b)).pow(2);
    let part = |(a, b): (&[u8], &[u8])| u64::from(a.iter().zip(b).map(squared).sum::<u32>());
    let total: u64 = a.samples().chunks(PART).zip(b.samples().chunks(PART)).map(part).sum();
    total as f64 / (a.samples().len() as f64).max(1.0)
}

/// 10·log10(255² / mse), capped at 100 dB.
#[must_use]
pub fn psnr_of_mse_db(mse: f64) -> f64 {
    (10.0 * (255.0 * 255.0 / mse).log10()).min(100.0)
}

/// PSNR of two planes in dB, capped at 100. Panics when the sizes differ.
#[must_use]
pub fn psnr_db(a: &Plane, b: &Plane) -> f64 {
    psnr_of_mse_db(mse(a, b))
}

/// Side of the window of [`ssim`].
pub(crate) const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// Structural similarity (Wang et al. 2004): Gaussian window 11×11, σ 1.5, K1 0.01, K2 0.03, valid windows only.
/// Panics when the sizes differ or a side is under 11.
#[must_use]
pub fn ssim(a: &Plane, b: &Plane) -> f64 {
    assert_same_size(a, b);
    let (width, height) = (a.width(), a.height());
    assert!(width >= WINDOW && height >= WINDOW, "{width}x{height} holds no window of {WINDOW}x{WINDOW}");
    let windowed = |product: fn(f64, f64) -> f64| {
        let samples = a.samples().iter().zip(b.samples()).map(|(&a, &b)| product(a.into(), b.into())).collect();
        gaussian_means(samples, width)
    };
    let (mean_a, mean_b) = (windowed(|a, _| a), windowed(|_, b| b));
    let (square_a, square_b, product) = (windowed(|a, _| a * a), windowed(|_, b| b * b), windowed(|a, b| a * b));
    let similarity = |index: usize| {
        let (mean_a, mean_b) = (mean_a[index], mean_b[index]);
        let covariance = product[index] - mean_a * mean_b;
        let variances = square_a[index] - mean_a * mean_a + square_b[index] - mean_b * mean_b;
        (2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2)
            / ((mean_a * mean_a + mean_b * mean_b + C1) * (variances + C2))
    };
    (0..mean_a.len()).map(similarity).sum::<f64>() / mean_a.len() as f64
}

/// The Gaussian-weighted mean of every window that lies inside.
fn gaussian_means(samples: Vec<f64>, width: usize) -> Vec<f64> {
    let bell = bell(SIGMA);
    let weigh = |taps: &[f64]| taps.iter().zip(bell).map(|(tap, weight)| tap * weight).sum::<f64>();
    let rows = samples.chunks_exact(width).flat_map(|row| row.windows(WINDOW).map(weigh));
    let (narrow, rows) = (width + 1 - WINDOW, rows.collect::<Vec<f64>>());
    let height = rows.len() / narrow;
    let column = |x: usize, y: usize| std::array::from_fn::<f64, WINDOW, _>(|tap| rows[(y + tap) * narrow + x]);
    (0..=height - WINDOW).flat_map(|y| (0..narrow).map(move |x| (x, y))).map(|(x, y)| weigh(&column(x, y))).collect()
}

/// Weights of a Gaussian around the middle of a window; they sum to one.
fn bell(sigma: f64) -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let bell: [f64; WINDOW] = std::array::from_fn(|tap| (-(tap as f64 - middle).powi(2) / (2.0 * sigma * sigma)).exp());
    let total: f64 = bell.iter().sum();
    bell.map(|weight| weight / total)
}

fn assert_same_size(a: &Plane, b: &Plane) {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()), "planes of one size are compared");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_planes_are_as_close_as_can_be() {
        let plane = Plane::new(16, 12, (0..192).map(|index| (index * 37 % 256) as u8).collect()).unwrap();
        assert_eq!(mse(&plane, &plane), 0.0);
        assert_eq!(psnr_db(&plane, &plane), 100.0);
        assert!((ssim(&plane, &plane) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn black_against_white_has_no_psnr() {
        assert_eq!(psnr_db(&Plane::filled(8, 8, 0), &Plane::filled(8, 8, 255)), 0.0);
    }
}
