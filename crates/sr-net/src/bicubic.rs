//! Exact bicubic: Keys' kernel with a = −0.5, half-pixel centres, edges replicated, f32, clamped, rounded half up.

use crate::Plane;

/// The weights of the 4 source samples around an output sample, for each of the `scale` phases, with the offset of
/// the first of them from the source sample `floor(output / scale)`.
#[must_use]
pub fn bicubic_kernel(scale: usize) -> Vec<(isize, [f32; 4])> {
    let phase_weights = |phase: usize| {
        let centre = (phase as f64 + 0.5) / scale as f64 - 0.5;
        let fraction = centre - centre.floor();
        let weights = [fraction + 1.0, fraction, 1.0 - fraction, 2.0 - fraction].map(|distance| keys(distance) as f32);
        (centre.floor() as isize - 1, weights)
    };
    (0..scale).map(phase_weights).collect()
}

/// Keys' cubic convolution kernel with a = −0.5 (IEEE Trans. ASSP 29, 1981, eq. 4) at a distance of 0 to 2 samples.
fn keys(distance: f64) -> f64 {
    const A: f64 = -0.5;
    let x = distance;
    if x <= 1.0 { ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0 } else { ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A }
}

/// `src` (`width * height`, any range) to `scale` times its size, neither clamped nor rounded.
///
/// # Panics
/// When `src` is not `width * height` long.
#[must_use]
pub fn upsample(src: &[f32], width: usize, height: usize, scale: usize) -> Vec<f32> {
    assert_eq!(src.len(), width * height, "samples of a {width}x{height} plane");
    if src.is_empty() {
        return Vec::new();
    }
    let kernel = bicubic_kernel(scale);
    let nearest =
        |position: usize, offset: isize, length: usize| position.saturating_add_signed(offset).min(length - 1);
    let mut output = vec![0.0; src.len() * scale * scale];
    // One output row between its source rows, with the edge samples repeated on both sides.
    const BORDER: usize = 2;
    let mut between = vec![0.0; width + 2 * BORDER];
    for (y, output_row) in output.chunks_exact_mut(width * scale).enumerate() {
        let (first, weights) = kernel[y % scale];
        let rows: [&[f32]; 4] =
            std::array::from_fn(|tap| &src[nearest(y / scale, first + tap as isize, height) * width..][..width]);
        for (x, sample) in between[BORDER..][..width].iter_mut().enumerate() {
            *sample = (0..4).map(|tap| weights[tap] * rows[tap][x]).sum();
        }
        let (left, right) = (between[BORDER], between[BORDER + width - 1]);
        between[..BORDER].fill(left);
        between[BORDER + width..].fill(right);
        for (phase, (first, weights)) in kernel.iter().enumerate() {
            let taps = &between[BORDER.saturating_add_signed(*first)..];
            for (x, sample) in output_row[phase..].iter_mut().step_by(scale).enumerate() {
                *sample = (0..4).map(|tap| weights[tap] * taps[x + tap]).sum();
            }
        }
    }
    output
}

/// `src` to `scale` times its size.
#[must_use]
pub fn bicubic(src: &Plane, scale: usize) -> Plane {
    let samples: Vec<f32> = src.samples().iter().map(|&sample| f32::from(sample)).collect();
    quantised(&upsample(&samples, src.width(), src.height(), scale), src.width() * scale, src.height() * scale)
}

/// Samples of 0 to 255, clamped and rounded half up.
pub(crate) fn quantised(samples: &[f32], width: usize, height: usize) -> Plane {
    let samples = samples.iter().map(|sample| (sample.clamp(0.0, 255.0) + 0.5) as u8).collect();
    Plane::new(width, height, samples).expect("the caller upsampled to this size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_of_two_is_the_known_one() {
        let [near, far] = [[-9.0, 111.0, 29.0, -3.0], [-3.0, 29.0, 111.0, -9.0]].map(|w| w.map(|w: f32| w / 128.0));
        assert_eq!(bicubic_kernel(2), [(-2, far), (-1, near)]);
    }

    #[test]
    fn weights_of_every_phase_sum_to_one() {
        for scale in 2..=4 {
            for (first, weights) in bicubic_kernel(scale) {
                assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                assert!((-2..=-1).contains(&first));
            }
        }
    }

    #[test]
    fn a_flat_plane_stays_flat_at_every_size() {
        for (width, height) in [(0, 0), (1, 1), (1, 7), (5, 2)] {
            for scale in 2..=4 {
                let upsampled = bicubic(&Plane::filled(width, height, 200), scale);
                assert_eq!(upsampled, Plane::filled(width * scale, height * scale, 200));
            }
        }
    }
}
