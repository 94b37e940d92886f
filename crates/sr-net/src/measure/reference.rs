//! MSE and SSIM at the pace of video: one picture that several are compared with.

use super::{C1, C2, SIGMA, WINDOW, assert_same_size, bell, mse};
use crate::Plane;

/// A plane that others are compared with. What SSIM needs of it alone is computed once.
///
/// SSIM is that of [`super::ssim`] in f32: at most 1e-5 apart.
#[derive(Debug)]
pub struct Reference {
    plane: Plane,
    /// The mean of each window, less [`CENTRE`]; empty when the plane holds none.
    means: Vec<f32>,
}

/// Taken off all samples: squares stay small, and f32 holds them well.
const CENTRE: f32 = 128.0;

impl Reference {
    #[must_use]
    pub fn new(plane: Plane) -> Self {
        let means = if holds_a_window(&plane) { window_means(&plane) } else { Vec::new() };
        Self { plane, means }
    }

    #[must_use]
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Panics when the sizes differ.
    #[must_use]
    pub fn mse(&self, other: &Plane) -> f64 {
        mse(&self.plane, other)
    }

    /// Panics when the sizes differ or a side is under 11.
    #[must_use]
    pub fn ssim(&self, other: &Plane) -> f64 {
        assert_same_size(&self.plane, other);
        let (width, height) = (other.width(), other.height());
        assert!(holds_a_window(other), "{width}x{height} holds no window of {WINDOW}x{WINDOW}");
        let windows = width + 1 - WINDOW;
        // Of the other plane itself, of the sum of both squares, and of the product.
        let mut maps = [(); 3].map(|()| Smoothed::new(width));
        let mut total = 0.0;
        for y in 0..height {
            let (a, b) = (self.plane.row(y), other.row(y));
            maps[0].push(y, b.iter().map(|&b| centred(b)));
            let pairs = || a.iter().zip(b).map(|(&a, &b)| (centred(a), centred(b)));
            maps[1].push(y, pairs().map(|(a, b)| a * a + b * b));
            maps[2].push(y, pairs().map(|(a, b)| a * b));
            if let Some(top) = (y + 1).checked_sub(WINDOW) {
                let [means, squares, products] = maps.each_mut().map(Smoothed::means);
                total += row_similarity(&self.means[top * windows..][..windows], means, squares, products);
            }
        }
        total / self.means.len() as f64
    }
}

/// Sum of the similarities of one row of windows.
fn row_similarity(means_a: &[f32], means_b: &[f32], squares: &[f32], products: &[f32]) -> f64 {
    let (c1, c2) = (C1 as f32, C2 as f32);
    let moments = means_a.iter().zip(means_b).zip(squares.iter().zip(products));
    let similarities = moments.map(|((&a, &b), (&squares, &products))| {
        let (covariance, variances) = (products - a * b, squares - a * a - b * b);
        let (a, b) = (a + CENTRE, b + CENTRE);
        (2.0 * a * b + c1) * (2.0 * covariance + c2) / ((a * a + b * b + c1) * (variances + c2))
    });
    similarities.map(f64::from).sum()
}

fn window_means(plane: &Plane) -> Vec<f32> {
    let mut means = Vec::with_capacity((plane.width() + 1 - WINDOW) * (plane.height() + 1 - WINDOW));
    let mut map = Smoothed::new(plane.width());
    for y in 0..plane.height() {
        map.push(y, plane.row(y).iter().map(|&sample| centred(sample)));
        if y + 1 >= WINDOW {
            means.extend_from_slice(map.means());
        }
    }
    means
}

/// The Gaussian-weighted means of the windows that end in the newest row.
struct Smoothed {
    bell: [f32; WINDOW],
    row: Vec<f32>,
    /// The newest rows, weighted horizontally; row y is at y mod 11.
    rows: [Vec<f32>; WINDOW],
    newest: usize,
    means: Vec<f32>,
}

impl Smoothed {
    fn new(width: usize) -> Self {
        let windows = width + 1 - WINDOW;
        Self {
            bell: bell(SIGMA).map(|weight| weight as f32),
            row: Vec::with_capacity(width),
            rows: std::array::from_fn(|_| vec![0.0; windows]),
            newest: 0,
            means: vec![0.0; windows],
        }
    }

    fn push(&mut self, y: usize, samples: impl Iterator<Item = f32>) {
        self.row.clear();
        self.row.extend(samples);
        self.newest = y;
        let windows = self.means.len();
        let taps = std::array::from_fn(|tap| &self.row[tap..tap + windows]);
        weigh(&self.bell, taps, &mut self.rows[y % WINDOW]);
    }

    /// Right from the eleventh row on.
    fn means(&mut self) -> &[f32] {
        let taps = std::array::from_fn(|tap| self.rows[(self.newest + 1 + tap) % WINDOW].as_slice());
        weigh(&self.bell, taps, &mut self.means);
        &self.means
    }
}

/// The weighted sum of the taps, position by position; the bell is symmetric.
fn weigh(bell: &[f32; WINDOW], taps: [&[f32]; WINDOW], output: &mut [f32]) {
    const MIDDLE: usize = WINDOW / 2;
    let length = output.len();
    let taps = taps.map(|tap| &tap[..length]);
    for (x, output) in output.iter_mut().enumerate() {
        let mut sum = bell[MIDDLE] * taps[MIDDLE][x];
        for side in 0..MIDDLE {
            sum += bell[side] * (taps[side][x] + taps[WINDOW - 1 - side][x]);
        }
        *output = sum;
    }
}

fn centred(sample: u8) -> f32 {
    f32::from(sample) - CENTRE
}

fn holds_a_window(plane: &Plane) -> bool {
    plane.width() >= WINDOW && plane.height() >= WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssim;

    /// Smooth, flat and noisy parts, as pictures have.
    fn picture(width: usize, height: usize, noise: u32) -> Plane {
        let mut seed = 1_u32;
        let samples = (0..width * height).map(|index| {
            let (x, y) = (index % width, index / width);
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let smooth = if x < width / 3 { 235 } else { (40 + x * 3 / 2 + y) as u32 % 200 };
            (smooth + (seed >> 24) % noise).min(255) as u8
        });
        Plane::new(width, height, samples.collect()).unwrap()
    }

    #[test]
    fn it_says_what_the_plain_measures_say() {
        for (width, height) in [(11, 11), (12, 40), (97, 53), (160, 96)] {
            let reference = Reference::new(picture(width, height, 7));
            for other in [picture(width, height, 1), picture(width, height, 60), Plane::filled(width, height, 0)] {
                let (fast, plain) = (reference.ssim(&other), ssim(&other, reference.plane()));
                assert!((fast - plain).abs() < 1e-5, "{width}x{height}: {fast} instead of {plain}");
                assert_eq!(reference.mse(&other), mse(reference.plane(), &other));
            }
        }
    }

    #[test]
    fn a_flat_picture_against_itself_is_the_same() {
        for sample in [0, 128, 255] {
            let flat = Plane::filled(64, 32, sample);
            assert!((Reference::new(flat.clone()).ssim(&flat) - 1.0).abs() < 1e-5, "{sample}");
        }
    }
}
