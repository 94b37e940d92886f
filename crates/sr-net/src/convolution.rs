//! 3×3 convolution with zero padding in plain Rust.
//!
//! Products and sums are rounded one by one and in one order, never fused: the same input gives the same bits on
//! every machine, however wide its vectors are.

use crate::Convolution;

/// The most samples that one vector of any CPU holds: rows are padded to whole vectors.
const LANES: usize = 16;

/// Channels of one size, each with a border of zeros that a convolution may read.
#[derive(Clone)]
pub(crate) struct Channels {
    count: usize,
    width: usize,
    height: usize,
    stride: usize,
    samples: Vec<f32>,
}

impl Channels {
    pub(crate) fn zero(count: usize, width: usize, height: usize) -> Self {
        let stride = width.next_multiple_of(LANES) + 2;
        Self { count, width, height, stride, samples: vec![0.0; count * (height + 2) * stride] }
    }

    pub(crate) fn row(&self, channel: usize, y: usize) -> &[f32] {
        &self.samples[self.start(channel, y + 1) + 1..][..self.width]
    }

    pub(crate) fn row_mut(&mut self, channel: usize, y: usize) -> &mut [f32] {
        let start = self.start(channel, y + 1) + 1;
        &mut self.samples[start..][..self.width]
    }

    /// The row at `y` − 1 from the border on its left on, with its padding.
    fn bordered_row(&self, channel: usize, y: usize) -> &[f32] {
        &self.samples[self.start(channel, y)..][..self.stride]
    }

    fn start(&self, channel: usize, bordered_y: usize) -> usize {
        (channel * (self.height + 2) + bordered_y) * self.stride
    }
}

/// `input` convolved with `convolution`, negative values to zero when `relu`. Picks the widest vectors of this CPU.
///
/// # Panics
/// When `convolution` does not take as many channels as `input` has.
#[allow(unsafe_code, reason = "a function compiled for a CPU feature is unsafe to call where the CPU was not asked")]
pub(crate) fn convolve(input: &Channels, convolution: &Convolution, relu: bool) -> Channels {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU was asked in the line above.
            return unsafe { convolve_avx512(input, convolution, relu) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU was asked in the line above.
            return unsafe { convolve_avx2(input, convolution, relu) };
        }
    }
    convolve_portable(input, convolution, relu)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn convolve_avx512(input: &Channels, convolution: &Convolution, relu: bool) -> Channels {
    convolve_portable(input, convolution, relu)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn convolve_avx2(input: &Channels, convolution: &Convolution, relu: bool) -> Channels {
    convolve_portable(input, convolution, relu)
}

#[inline(always)]
fn convolve_portable(input: &Channels, convolution: &Convolution, relu: bool) -> Channels {
    let outputs = convolution.bias.len();
    let (kernels, _) = convolution.weight.as_chunks::<9>();
    assert_eq!(kernels.len(), outputs * input.count, "weights for {} input channels", input.count);
    let mut output = Channels::zero(outputs, input.width, input.height);
    let mut sums = vec![[0.0; LANES]; input.width.div_ceil(LANES)];
    for y in 0..input.height {
        for (channel, &bias) in convolution.bias.iter().enumerate() {
            sums.fill([bias; LANES]);
            for (source, kernel) in kernels[channel * input.count..][..input.count].iter().enumerate() {
                add_taps(&mut sums, std::array::from_fn(|row| input.bordered_row(source, y + row)), kernel);
            }
            for (sample, &sum) in output.row_mut(channel, y).iter_mut().zip(sums.as_flattened()) {
                *sample = if relu { sum.max(0.0) } else { sum };
            }
        }
    }
    output
}

/// Adds to a row of sums what one kernel makes of the three rows around it.
#[inline(always)]
fn add_taps(sums: &mut [[f32; LANES]], rows: [&[f32]; 3], kernel: &[f32; 9]) {
    for (index, sums) in sums.iter_mut().enumerate() {
        let rows: [&[f32; LANES + 2]; 3] =
            rows.map(|row| row[index * LANES..].first_chunk().expect("rows are padded to whole vectors"));
        // Arrays by value and three short sums instead of one long one: both keep the vector units busy.
        let mut total = *sums;
        for lane in 0..LANES {
            let tap = |tap: usize| kernel[tap] * rows[tap / 3][lane + tap % 3];
            total[lane] += (tap(0) + tap(1) + tap(2)) + (tap(3) + tap(4) + tap(5)) + (tap(6) + tap(7) + tap(8));
        }
        *sums = total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_width_gives_the_same_bits() {
        let number = |index: usize| (index * 7919 % 1009) as f32 / 733.0 - 0.7;
        for (width, height) in [(1, 1), (15, 3), (16, 2), (33, 5)] {
            let mut input = Channels::zero(3, width, height);
            for channel in 0..3 {
                for y in 0..height {
                    for (x, sample) in input.row_mut(channel, y).iter_mut().enumerate() {
                        *sample = number(channel + 5 * y + 31 * x);
                    }
                }
            }
            let (weight, bias) = ((0..5 * 27).map(number).collect(), (0..5).map(number).collect());
            let convolution = Convolution { weight, bias };
            for relu in [false, true] {
                let plain = convolve_portable(&input, &convolution, relu);
                assert_eq!(convolve(&input, &convolution, relu).samples, plain.samples);
            }
        }
    }
}
