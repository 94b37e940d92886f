//! 3×3 convolution with zero padding in plain Rust.
//!
//! Products and sums are rounded one by one and in one order, never fused: the same input gives the same bits on
//! every machine, however wide its vectors are.

use crate::Convolution;

/// Output channels computed together.
const BLOCK: usize = 8;

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
    /// The most samples that one vector of any CPU holds: rows are padded to whole vectors.
    const LANES: usize = 16;

    pub(crate) fn zero(count: usize, width: usize, height: usize) -> Self {
        let stride = width.next_multiple_of(Self::LANES) + 2;
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

/// `input` convolved with `convolution`, negative values to zero when `relu`.
pub(crate) fn convolve(input: &Channels, convolution: &Convolution, relu: bool) -> Channels {
    let outputs = convolution.bias.len();
    assert_eq!(convolution.weight.len(), outputs * input.count * 9, "weights of {} input channels", input.count);
    let mut output = Channels::zero(outputs, input.width, input.height);
    for first in (0..outputs).step_by(BLOCK) {
        convolve_block(input, &BlockWeights::new(convolution, first), relu, &mut output);
    }
    output
}

/// The weights of up to [`BLOCK`] output channels, `first` and those after it, for each input channel and tap.
struct BlockWeights {
    first: usize,
    count: usize,
    taps: Vec<[f32; BLOCK]>,
    bias: [f32; BLOCK],
}

impl BlockWeights {
    fn new(convolution: &Convolution, first: usize) -> Self {
        let outputs = convolution.bias.len();
        let count = BLOCK.min(outputs - first);
        let taps_per_output = convolution.weight.len() / outputs;
        let gather = |values: &[f32], step: usize, offset: usize| {
            std::array::from_fn(|output| if output < count { values[(first + output) * step + offset] } else { 0.0 })
        };
        let taps = (0..taps_per_output).map(|tap| gather(&convolution.weight, taps_per_output, tap)).collect();
        Self { first, count, taps, bias: gather(&convolution.bias, 1, 0) }
    }
}

/// Picks the widest vectors that this CPU has.
#[allow(unsafe_code, reason = "a function compiled for a CPU feature is unsafe to call where the CPU was not asked")]
fn convolve_block(input: &Channels, weights: &BlockWeights, relu: bool, output: &mut Channels) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU was asked in the line above.
            return unsafe { convolve_block_avx512(input, weights, relu, output) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU was asked in the line above.
            return unsafe { convolve_block_avx2(input, weights, relu, output) };
        }
    }
    convolve_block_in_lanes::<4>(input, weights, relu, output);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn convolve_block_avx512(input: &Channels, weights: &BlockWeights, relu: bool, output: &mut Channels) {
    convolve_block_in_lanes::<16>(input, weights, relu, output);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn convolve_block_avx2(input: &Channels, weights: &BlockWeights, relu: bool, output: &mut Channels) {
    convolve_block_in_lanes::<8>(input, weights, relu, output);
}

/// `LANES` neighbouring samples at a time: all sums of a block of output channels stay in registers.
#[inline(always)]
fn convolve_block_in_lanes<const LANES: usize>(
    input: &Channels,
    weights: &BlockWeights,
    relu: bool,
    output: &mut Channels,
) {
    for y in 0..input.height {
        for x in (0..input.width).step_by(LANES) {
            let mut sums: [[f32; LANES]; BLOCK] = weights.bias.map(|bias| [bias; LANES]);
            for (channel, taps) in weights.taps.chunks_exact(9).enumerate() {
                for (row, taps) in taps.chunks_exact(3).enumerate() {
                    let source = &input.bordered_row(channel, y + row)[x..][..LANES + 2];
                    for (column, tap) in taps.iter().enumerate() {
                        let samples: &[f32; LANES] = source[column..].first_chunk().expect("a vector and its border");
                        for (sum, weight) in sums.iter_mut().zip(tap) {
                            for (sum, sample) in sum.iter_mut().zip(samples) {
                                *sum += weight * sample;
                            }
                        }
                    }
                }
            }
            let inside = LANES.min(input.width - x);
            for (index, sum) in sums.iter().take(weights.count).enumerate() {
                for (sample, &sum) in output.row_mut(weights.first + index, y)[x..][..inside].iter_mut().zip(sum) {
                    *sample = if relu { sum.max(0.0) } else { sum };
                }
            }
        }
    }
}
