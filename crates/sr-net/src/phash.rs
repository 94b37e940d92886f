//! A 64-bit perceptual hash: tells a scene from another.

use std::f64::consts::PI;

use crate::Plane;

/// Side of the reduced picture, and of the block of its lowest frequencies.
const SIDE: usize = 32;
const KEPT: usize = 8;

/// 32×32 area mean, 2-D DCT-II, the 8×8 lowest frequencies without the constant one against their median.
/// Bit `8·v + u` stands for frequency (u, v); bit 0 is always clear. An empty plane hashes to 0.
#[must_use]
pub fn phash(plane: &Plane) -> u64 {
    if plane.samples().is_empty() {
        return 0;
    }
    let frequencies = lowest_frequencies(&area_means(plane));
    let mut sorted: Vec<f64> = frequencies[1..].to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    (1..KEPT * KEPT).filter(|&bit| frequencies[bit] > median).fold(0, |hash, bit| hash | 1 << bit)
}

/// Bits that differ, 0 to 64.
#[must_use]
pub fn hamming(a: u64, b: u64) -> u32 {
    (a ^ b).count_ones()
}

fn area_means(plane: &Plane) -> [[f64; SIDE]; SIDE] {
    // A cell is never empty, so that small planes repeat samples.
    let cell = |index: usize, length: usize| {
        let start = index * length / SIDE;
        start..((index + 1) * length / SIDE).max(start + 1)
    };
    std::array::from_fn(|v| {
        std::array::from_fn(|u| {
            let (columns, rows) = (cell(u, plane.width()), cell(v, plane.height()));
            let count = columns.len() * rows.len();
            let total: u64 = rows.flat_map(|y| &plane.row(y)[columns.clone()]).map(|&sample| u64::from(sample)).sum();
            total as f64 / count as f64
        })
    })
}

fn lowest_frequencies(means: &[[f64; SIDE]; SIDE]) -> [f64; KEPT * KEPT] {
    let waves: [[f64; SIDE]; KEPT] = std::array::from_fn(|frequency| {
        std::array::from_fn(|index| (PI * (index as f64 + 0.5) * frequency as f64 / SIDE as f64).cos())
    });
    let along = |samples: &[f64; SIDE], wave: &[f64; SIDE]| samples.iter().zip(wave).map(|(s, w)| s * w).sum::<f64>();
    let rows: [[f64; SIDE]; KEPT] = std::array::from_fn(|u| means.each_ref().map(|row| along(row, &waves[u])));
    std::array::from_fn(|bit| along(&rows[bit % KEPT], &waves[bit / KEPT]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: usize, height: usize, sample: impl Fn(f64, f64) -> f64) -> Plane {
        let at = |index: usize| sample((index % width) as f64 / width as f64, (index / width) as f64 / height as f64);
        Plane::new(width, height, (0..width * height).map(|index| at(index) as u8).collect()).unwrap()
    }

    #[test]
    fn brightness_and_size_hardly_change_a_hash() {
        let scene = |x: f64, y: f64| 100.0 + 60.0 * (7.0 * x + 3.0 * y * y).sin() + 20.0 * (11.0 * y).cos();
        let hash = phash(&drawn(64, 64, scene));
        assert!(hamming(hash, phash(&drawn(96, 80, scene))) <= 4);
        assert!(hamming(hash, phash(&drawn(64, 64, |x, y| scene(x, y) + 20.0))) <= 4);
    }

    #[test]
    fn another_scene_has_another_hash() {
        let a = phash(&drawn(64, 64, |x, y| 120.0 + 60.0 * (7.0 * x + 3.0 * y * y).sin() + 20.0 * (11.0 * y).cos()));
        let b = phash(&drawn(64, 64, |x, y| 120.0 + 60.0 * (9.0 * y - 5.0 * x * x).cos() + 20.0 * (13.0 * x).sin()));
        assert!(hamming(a, b) >= 16, "{} bits differ", hamming(a, b));
    }

    #[test]
    fn planes_smaller_than_the_reduced_picture_hash_too() {
        assert_eq!(phash(&Plane::filled(0, 0, 0)), 0);
        let _ = phash(&drawn(3, 5, |x, y| 100.0 * x + 50.0 * y));
    }
}
