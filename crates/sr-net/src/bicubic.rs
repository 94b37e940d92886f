//! Exact bicubic: Keys' kernel with a = −0.5, half-pixel centres, edges replicated, f32, clamped, rounded half up.

use crate::Plane;

/// The one a of everything here; see [`bicubic_of`] for others.
const A: f32 = -0.5;

/// The weights of the 4 source samples around an output sample, for each of the `scale` phases, with the offset of
/// the first of them from the source sample `floor(output / scale)`.
#[must_use]
pub fn bicubic_kernel(scale: usize) -> Vec<(isize, [f32; 4])> {
    kernel(scale, A)
}

fn kernel(scale: usize, a: f32) -> Vec<(isize, [f32; 4])> {
    let phase_weights = |phase: usize| {
        let centre = (phase as f64 + 0.5) / scale as f64 - 0.5;
        let fraction = centre - centre.floor();
        let weights =
            [fraction + 1.0, fraction, 1.0 - fraction, 2.0 - fraction].map(|distance| keys(distance, a.into()) as f32);
        (centre.floor() as isize - 1, weights)
    };
    (0..scale).map(phase_weights).collect()
}

/// Keys' cubic convolution kernel (IEEE Trans. ASSP 29, 1981, eq. 4) at a distance of 0 to 2 samples.
fn keys(distance: f64, a: f64) -> f64 {
    let x = distance;
    if x <= 1.0 { ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0 } else { ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a }
}

/// `src` (`width * height`, any range) to `scale` times its size, neither clamped nor rounded.
///
/// # Panics
/// When `src` is not `width * height` long.
#[must_use]
pub fn upsample(src: &[f32], width: usize, height: usize, scale: usize) -> Vec<f32> {
    upsample_by(src, width, height, &bicubic_kernel(scale))
}

/// `kernel` has as many phases as the output is larger.
fn upsample_by(src: &[f32], width: usize, height: usize, kernel: &[(isize, [f32; 4])]) -> Vec<f32> {
    assert_eq!(src.len(), width * height, "samples of a {width}x{height} plane");
    if src.is_empty() {
        return Vec::new();
    }
    let scale = kernel.len();
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
    bicubic_of(src, scale, A)
}

/// Another bicubic than the one of this system, with Keys' `a`: measurements say how it would have done.
#[must_use]
pub fn bicubic_of(src: &Plane, scale: usize, a: f32) -> Plane {
    let samples: Vec<f32> = src.samples().iter().map(|&sample| f32::from(sample)).collect();
    let upsampled = upsample_by(&samples, src.width(), src.height(), &kernel(scale, a));
    quantised(&upsampled, src.width() * scale, src.height() * scale)
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
    fn another_bicubic_is_another_and_flat_planes_stay_flat() {
        let edge = Plane::new(6, 1, vec![20, 20, 20, 200, 200, 200]).unwrap();
        let [plain, sharper] = [-0.5, -0.75].map(|a| bicubic_of(&edge, 2, a));
        assert_eq!(plain, bicubic(&edge, 2));
        assert!(sharper.samples().iter().max() > plain.samples().iter().max(), "it overshoots more");
        assert_eq!(bicubic_of(&Plane::filled(5, 4, 77), 3, -0.75), Plane::filled(15, 12, 77));
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
