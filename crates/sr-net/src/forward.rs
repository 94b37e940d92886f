//! The forward pass in f32.

use crate::{
    Plane, Weights,
    bicubic::{quantised, upsample},
    convolution::{Channels, convolve},
    limit,
};

/// `lr` through the network: `scale` times its size, luma/255 inside, clamped, rounded half up, and within [`limit`].
/// With unshuffle 2 an odd side is replicated by one sample for the network and cut off again.
///
/// # Panics
/// When the weights are not those of their network.
#[must_use]
pub fn enhance(weights: &Weights, lr: &Plane) -> Plane {
    // Bicubic is added at full range, so that zero weights give `bicubic` to the bit.
    let samples: Vec<f32> = lr.samples().iter().map(|&sample| f32::from(sample)).collect();
    let unit: Vec<f32> = samples.iter().map(|sample| sample / 255.0).collect();
    let scale = weights.network.scale;
    let mut enhanced = upsample(&samples, lr.width(), lr.height(), scale);
    for (sample, detail) in enhanced.iter_mut().zip(detail(weights, &unit, lr.width(), lr.height())) {
        *sample += 255.0 * detail;
    }
    let mut enhanced = quantised(&enhanced, lr.width() * scale, lr.height() * scale);
    limit(&mut enhanced, lr);
    enhanced
}

/// The same without clamp, rounding and limit; input and output are luma/255.
///
/// # Panics
/// When the weights are not those of their network, or `lr` is not `width * height` long.
#[must_use]
pub fn forward(weights: &Weights, lr: &[f32], width: usize, height: usize) -> Vec<f32> {
    let mut enhanced = upsample(lr, width, height, weights.network.scale);
    for (sample, detail) in enhanced.iter_mut().zip(detail(weights, lr, width, height)) {
        *sample += detail;
    }
    enhanced
}

/// What the network adds to bicubic.
fn detail(weights: &Weights, lr: &[f32], width: usize, height: usize) -> Vec<f32> {
    if lr.is_empty() {
        return Vec::new();
    }
    let network = weights.network;
    let mut channels = unshuffle(lr, width, height, network.unshuffle);
    for (index, convolution) in weights.convolutions.iter().enumerate() {
        channels = convolve(&channels, convolution, index + 1 < network.layers);
    }
    shuffle(&channels, network.scale * network.unshuffle, width * network.scale, height * network.scale)
}

/// torch's PixelUnshuffle: sample (x, y) goes to channel `(y % factor) * factor + x % factor`.
fn unshuffle(plane: &[f32], width: usize, height: usize, factor: usize) -> Channels {
    let (columns, rows) = (width.div_ceil(factor), height.div_ceil(factor));
    let mut channels = Channels::zero(factor * factor, columns, rows);
    for y in 0..rows * factor {
        let source = &plane[y.min(height - 1) * width..][..width];
        for column in 0..factor {
            let target = channels.row_mut(y % factor * factor + column, y / factor);
            for (x, sample) in target.iter_mut().enumerate() {
                *sample = source[(x * factor + column).min(width - 1)];
            }
        }
    }
    channels
}

/// torch's PixelShuffle to one plane, of which `width * height` are kept.
fn shuffle(channels: &Channels, factor: usize, width: usize, height: usize) -> Vec<f32> {
    let mut plane = vec![0.0; width * height];
    for (y, target) in plane.chunks_exact_mut(width).enumerate() {
        for column in 0..factor {
            let source = channels.row(y % factor * factor + column, y / factor);
            for (sample, &value) in target[column.min(width)..].iter_mut().step_by(factor).zip(source) {
                *sample = value;
            }
        }
    }
    plane
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, bicubic};

    fn textured(width: usize, height: usize) -> Plane {
        let samples = (0..width * height).map(|index| (index * index % 251) as u8).collect();
        Plane::new(width, height, samples).unwrap()
    }

    #[test]
    fn zero_weights_are_bicubic_to_the_bit() {
        for (scale, unshuffle) in [(2, 1), (3, 1), (4, 1), (2, 2), (3, 2), (4, 2)] {
            let network = Network::new(scale, unshuffle, 5, 3).unwrap();
            for (width, height) in [(1, 1), (2, 3), (17, 9), (40, 33)] {
                let lr = textured(width, height);
                assert_eq!(enhance(&Weights::zero(network), &lr), bicubic(&lr, network.scale));
            }
        }
    }

    #[test]
    fn an_empty_plane_stays_empty() {
        let weights = Weights::zero(Network::DEFAULT_X2);
        assert_eq!(enhance(&weights, &Plane::filled(0, 0, 0)), Plane::filled(0, 0, 0));
    }

    #[test]
    fn shuffling_undoes_unshuffling() {
        let plane: Vec<f32> = (0..5 * 7).map(|index| index as f32).collect();
        assert_eq!(shuffle(&unshuffle(&plane, 5, 7, 2), 2, 5, 7), plane);
    }
}
