//! The network as it is trained: each convolution is a wide 3×3 followed by a 1×1, with nothing between them
//! (SESR, Bhardwaj et al. 2022). Both collapse into the one 3×3 that is published, at every step, and the picture is
//! convolved with the collapsed kernel: training wide costs next to nothing.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use sr_net::{Convolution, Network, Weights};
use tch::{Device, Kind, Tensor};

/// Channels between the 3×3 and the 1×1 of each convolution.
const WIDTH: usize = 64;

/// All parameters in one flat leaf; per convolution `expand` [WIDTH, in·9], `squeeze` [out, WIDTH], `bias` [out].
#[derive(Debug)]
pub(crate) struct WideNetwork {
    pub(crate) network: Network,
    pub(crate) parameters: Tensor,
}

impl WideNetwork {
    /// Exact bicubic to begin with: the last convolution's `squeeze` is zero. The others start at half He scale.
    pub(crate) fn random(network: Network, seed: u64, device: Device) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(parameter_count(network));
        for (index, (input, output)) in network.convolutions().enumerate() {
            let squeeze_spread = if index + 1 == network.layers { 0.0 } else { (1.0 / WIDTH as f32).sqrt() };
            values.extend(noise(&mut random, half_he(input)).take(WIDTH * input * 9));
            values.extend(noise(&mut random, squeeze_spread).take(output * WIDTH));
            values.extend(std::iter::repeat_n(0.0, output));
        }
        Self::from_values(network, &values, device)
    }

    /// Collapses to exactly `weights`: the first wide channels carry them, the rest is random and switched off.
    pub(crate) fn from_weights(weights: &Weights, seed: u64, device: Device) -> Self {
        let (network, mut random) = (weights.network, StdRng::seed_from_u64(seed));
        let mut values = Vec::with_capacity(parameter_count(network));
        for (index, ((input, output), convolution)) in network.convolutions().zip(&weights.convolutions).enumerate() {
            values.extend(&convolution.weight);
            values.extend(noise(&mut random, half_he(input)).take((WIDTH - output) * input * 9));
            values.extend((0..output).flat_map(|row| (0..WIDTH).map(move |column| f32::from(u8::from(row == column)))));
            let centre = |(bias, kernel): (&f32, &[f32])| {
                if index == 0 { bias + 0.5 * kernel.iter().sum::<f32>() } else { *bias }
            };
            values.extend(convolution.bias.iter().zip(convolution.weight.chunks_exact(input * 9)).map(centre));
        }
        Self::from_values(network, &values, device)
    }

    pub(crate) fn from_values(network: Network, values: &[f32], device: Device) -> Self {
        let parameters = Tensor::from_slice(values).to_device(device).set_requires_grad(true);
        Self { network, parameters }
    }

    /// (weight [out, in, 3, 3], bias [out]) of each convolution, as published, for luma from 0 to 1 and zero padding.
    ///
    /// Training wants centred luma, x − ½. For the first convolution that is Σ w·(x − ½) + b with a padding of
    /// −½, which is Σ w·x + (b − ½·Σ w) with a padding of zero: folded into the bias, exact to the very border.
    pub(crate) fn collapse(&self) -> Vec<(Tensor, Tensor)> {
        let sizes: Vec<i64> = block_sizes(self.network).flatten().map(|size| size as i64).collect();
        let parts = self.parameters.split_with_sizes(&sizes[..], 0);
        let collapse = |(index, (input, output)): (usize, (usize, usize))| {
            let [expand, squeeze, bias] = [&parts[3 * index], &parts[3 * index + 1], &parts[3 * index + 2]];
            let weight =
                squeeze.view([output as i64, WIDTH as i64]).matmul(&expand.view([WIDTH as i64, input as i64 * 9]));
            let bias = if index == 0 {
                bias - 0.5 * weight.sum_dim_intlist(1, false, Kind::Float)
            } else {
                bias.shallow_clone()
            };
            (weight.view([output as i64, input as i64, 3, 3]), bias)
        };
        self.network.convolutions().enumerate().map(collapse).collect()
    }

    pub(crate) fn weights(&self) -> Weights {
        let collapsed = tch::no_grad(|| self.collapse());
        let convolution =
            |(weight, bias): &(Tensor, Tensor)| Convolution { weight: values(weight), bias: values(bias) };
        Weights { network: self.network, convolutions: collapsed.iter().map(convolution).collect() }
    }
}

/// The numbers of an f32 tensor in order.
pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().contiguous().view(-1)).expect("f32 tensors are lists of f32")
}

pub(crate) fn parameter_count(network: Network) -> usize {
    block_sizes(network).flatten().sum()
}

fn block_sizes(network: Network) -> impl Iterator<Item = [usize; 3]> {
    network.convolutions().map(|(input, output)| [WIDTH * input * 9, output * WIDTH, output])
}

/// Half the spread of He et al. 2015: √2 / √fan-in halved.
fn half_he(input: usize) -> f32 {
    0.5 * (2.0 / (9 * input) as f32).sqrt()
}

/// Uniform numbers of mean 0 and standard deviation `spread`.
fn noise(random: &mut impl Rng, spread: f32) -> impl Iterator<Item = f32> {
    let bound = spread * 3f32.sqrt();
    std::iter::repeat_with(move || bound * (2.0 * random.random::<f32>() - 1.0))
}
