//! The tensors against the reference in plain Rust.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use sr_model::{Device, Inference, Precision};
use sr_net::{Network, Plane, Weights, bicubic, enhance};

/// Pseudo-random numbers of -1 to 1, the same in each run.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Weights that keep the activations of each layer about as large as its input, and add some detail at the end.
fn random_weights(network: Network) -> Weights {
    let (mut weights, mut noise) = (Weights::zero(network), noise(7));
    for (index, (convolution, (input, _))) in weights.convolutions.iter_mut().zip(network.convolutions()).enumerate() {
        let last = index + 1 == network.layers;
        let spread = (6.0 / (9 * input) as f32).sqrt() * if last { 0.1 } else { 1.0 };
        convolution.weight.iter_mut().for_each(|value| *value = spread * noise());
        convolution.bias.iter_mut().for_each(|value| *value = 0.02 * noise());
    }
    weights
}

fn picture(width: usize, height: usize) -> Plane {
    let mut noise = noise((width * 4096 + height) as u64);
    let sample = |index: usize| {
        let (x, y) = ((index % width) as f32, (index / width) as f32);
        128.0 + 70.0 * (0.31 * x + 0.17 * y).sin() + 40.0 * noise()
    };
    Plane::new(width, height, (0..width * height).map(sample).map(|sample| sample as u8).collect()).unwrap()
}

fn furthest(a: &Plane, b: &Plane) -> u8 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    a.samples().iter().zip(b.samples()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

const SHAPES: [(u32, u32, u32, u32); 5] = [(2, 1, 16, 5), (3, 1, 8, 3), (4, 1, 5, 2), (2, 2, 32, 6), (3, 2, 8, 4)];
const SIZES: [(usize, usize); 5] = [(64, 48), (33, 17), (2, 2), (1, 1), (64, 48)];

#[test]
fn one_network_follows_every_size_of_the_picture() {
    for (scale, unshuffle, features, layers) in SHAPES {
        let weights = random_weights(Network::new(scale, unshuffle, features, layers).unwrap());
        let run = |precision| {
            let mut inference = Inference::new(&weights, Device::Cpu, precision, 1).unwrap();
            SIZES.map(|(width, height)| {
                let lr = picture(width, height);
                furthest(&inference.run(&lr).unwrap(), &enhance(&weights, &lr))
            })
        };
        assert!(run(Precision::F32).iter().all(|&apart| apart <= 1), "f32 {:?}", weights.network);
        assert!(run(Precision::Bf16).iter().all(|&apart| apart <= 2), "bf16 {:?}", weights.network);
    }
}

#[test]
fn the_random_weights_do_change_the_picture() {
    let (weights, lr) = (random_weights(Network::DEFAULT_X2), picture(64, 48));
    assert!(furthest(&enhance(&weights, &lr), &bicubic(&lr, 2)) > 20);
}

#[test]
fn zero_weights_are_bicubic() {
    for (scale, unshuffle) in [(2, 1), (3, 1), (4, 1), (2, 2)] {
        let weights = Weights::zero(Network::new(scale, unshuffle, 16, 5).unwrap());
        for precision in [Precision::F32, Precision::Bf16] {
            let lr = picture(50, 40);
            let enhanced = Inference::new(&weights, Device::Cpu, precision, 1).unwrap().run(&lr).unwrap();
            // Sums of x3 and x4 are not exact in f32: a half may round either way.
            assert!(furthest(&enhanced, &bicubic(&lr, scale as usize)) <= u8::from(scale > 2));
        }
    }
}

#[test]
fn an_empty_plane_stays_empty() {
    let mut inference = Inference::new(&Weights::zero(Network::DEFAULT_X2), Device::Cpu, Precision::F32, 1).unwrap();
    assert_eq!(inference.run(&Plane::filled(0, 0, 0)).unwrap(), Plane::filled(0, 0, 0));
}

#[test]
fn a_precision_is_chosen_by_measuring() {
    let chosen = sr_model::choose_precision(Network::DEFAULT_X2, Device::Cpu, 1).unwrap();
    assert!([Precision::F32, Precision::Bf16].contains(&chosen));
}
