//! Training against the reference in plain Rust: what is published is what was trained.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use sr_model::{Batch, Device, Learner, Loss, StateError};
use sr_net::{Network, Plane, Precision, Weights, bicubic, enhance, forward, psnr_db, upsample};

const SIDE: usize = 24;
const SHAPES: [(u32, u32, u32, u32); 4] = [(2, 1, 16, 5), (3, 1, 8, 3), (2, 2, 12, 4), (4, 1, 8, 2)];

/// A picture with edges that bicubic blurs, and its area mean.
fn pair(scale: usize, phase: f32) -> (Plane, Plane) {
    let side = SIDE * scale;
    let sample = |index: usize| {
        let (x, y) = ((index % side) as f32 / scale as f32, (index / side) as f32 / scale as f32);
        let stripes = (0.9 * x + 0.4 * y + phase).sin() > 0.0;
        60.0 + 120.0 * f32::from(u8::from(stripes)) + 20.0 * (0.3 * y).cos()
    };
    let hr: Vec<u8> = (0..side * side).map(|index| sample(index) as u8).collect();
    let mean = |index: usize| {
        let (x, y) = (index % SIDE * scale, index / SIDE * scale);
        let cell = (0..scale * scale).map(|cell| usize::from(hr[(y + cell / scale) * side + x + cell % scale]));
        (cell.sum::<usize>() / (scale * scale)) as u8
    };
    let lr = Plane::new(SIDE, SIDE, (0..SIDE * SIDE).map(mean).collect()).unwrap();
    (lr, Plane::new(side, side, hr).unwrap())
}

fn unit(plane: &Plane) -> Vec<f32> {
    plane.samples().iter().map(|&sample| f32::from(sample) / 255.0).collect()
}

fn batch(scale: usize, count: usize) -> Batch {
    let mut batch = Batch { side: SIDE, ..Batch::default() };
    for index in 0..count {
        let (lr, hr) = pair(scale, index as f32);
        let (lr, hr) = (unit(&lr), unit(&hr));
        let bicubic = upsample(&lr, SIDE, SIDE, scale);
        batch.residual.extend(hr.iter().zip(bicubic).map(|(hr, bicubic)| hr - bicubic));
        batch.lr.extend(lr);
    }
    batch.counts = vec![1.0; batch.residual.len()];
    batch
}

fn trained(network: Network, steps: usize) -> (Learner, Vec<f64>) {
    let mut learner = Learner::from_bicubic(network, 1, Device::Cpu);
    let batch = batch(network.scale, 4);
    let losses = (0..steps).map(|_| learner.train(&batch, Loss::SquaredError, 2e-3)).collect();
    (learner, losses)
}

/// The loss by the reference, borders included.
fn reference_loss(weights: &Weights, batch: &Batch) -> f64 {
    let scale = weights.network.scale;
    let tiles = batch.lr.chunks(SIDE * SIDE).zip(batch.residual.chunks(SIDE * SIDE * scale * scale));
    let errors = tiles.flat_map(|(lr, residual)| {
        let enhanced = forward(weights, lr, SIDE, SIDE);
        let bicubic = upsample(lr, SIDE, SIDE, scale);
        let errors = enhanced.iter().zip(bicubic).zip(residual).map(|((e, b), r)| f64::from(e - b - r).powi(2));
        errors.collect::<Vec<_>>()
    });
    errors.sum::<f64>() / batch.residual.len() as f64
}

#[test]
fn a_new_learner_is_exact_bicubic() {
    for (scale, unshuffle, features, layers) in SHAPES {
        let learner = Learner::from_bicubic(Network::new(scale, unshuffle, features, layers).unwrap(), 3, Device::Cpu);
        let (lr, _) = pair(scale as usize, 0.0);
        assert_eq!(enhance(&learner.weights(), &lr), bicubic(&lr, scale as usize));
    }
}

#[test]
fn collapsed_weights_compute_what_was_trained_up_to_the_border() {
    for (scale, unshuffle, features, layers) in SHAPES {
        let network = Network::new(scale, unshuffle, features, layers).unwrap();
        let (mut learner, _) = trained(network, 20);
        let (weights, batch) = (learner.weights(), batch(network.scale, 4));
        let expected = reference_loss(&weights, &batch);
        let loss = learner.train(&batch, Loss::SquaredError, 1e-3);
        assert!((loss / expected - 1.0).abs() < 1e-4, "{network:?}: {loss} instead of {expected}");
    }
}

#[test]
fn one_batch_is_learnt_by_heart() {
    let (learner, losses) = trained(Network::new(2, 1, 16, 4).unwrap(), 250);
    assert!(losses[249] < 0.3 * losses[0], "from {} to {}", losses[0], losses[249]);
    let (lr, hr) = pair(2, 1.0);
    let gain = psnr_db(&enhance(&learner.weights(), &lr), &hr) - psnr_db(&bicubic(&lr, 2), &hr);
    assert!(gain > 3.0, "{gain} dB over bicubic");
}

#[test]
fn bf16_learns_as_well_as_f32() {
    let (network, batch) = (Network::new(2, 1, 16, 4).unwrap(), batch(2, 4));
    let last_loss = |precision| {
        let mut learner = Learner::from_bicubic(network, 1, Device::Cpu).with_precision(precision);
        let losses = (0..80).map(|_| learner.train(&batch, Loss::SquaredError, 2e-3));
        losses.last().unwrap()
    };
    let (f32, bf16) = (last_loss(sr_model::Precision::F32), last_loss(sr_model::Precision::Bf16));
    assert!((bf16 / f32 - 1.0).abs() < 0.15, "{bf16} against {f32}");
}

#[test]
fn every_loss_goes_down() {
    for loss in [Loss::SquaredError, Loss::AbsoluteError, Loss::Charbonnier] {
        let (mut learner, batch) =
            (Learner::from_bicubic(Network::new(2, 1, 8, 3).unwrap(), 1, Device::Cpu), batch(2, 4));
        let losses: Vec<f64> = (0..60).map(|_| learner.train(&batch, loss, 2e-3)).collect();
        assert!(losses[59] < 0.95 * losses[0], "{loss:?}: from {} to {}", losses[0], losses[59]);
    }
}

#[test]
fn samples_that_do_not_count_change_nothing() {
    let network = Network::new(2, 1, 8, 3).unwrap();
    let (mut whole, mut spoilt) = (batch(2, 2), batch(2, 2));
    let half = whole.residual.len() / 2;
    for batch in [&mut whole, &mut spoilt] {
        batch.counts[half..].fill(0.0);
    }
    spoilt.residual[half..].fill(0.9);
    let step = |batch| {
        let mut learner = Learner::from_bicubic(network, 1, Device::Cpu);
        learner.train(batch, Loss::SquaredError, 1e-3);
        learner.weights()
    };
    assert_eq!(step(&whole), step(&spoilt));
}

#[test]
fn a_learner_goes_on_from_its_state_as_if_nothing_had_happened() {
    let network = Network::new(2, 1, 8, 3).unwrap();
    let (mut learner, _) = trained(network, 5);
    let mut resumed = Learner::from_state(&learner.state(), Device::Cpu).unwrap();
    assert_eq!((resumed.step(), resumed.state()), (5, learner.state()));
    let batch = batch(2, 4);
    assert_eq!(resumed.train(&batch, Loss::SquaredError, 1e-3), learner.train(&batch, Loss::SquaredError, 1e-3));
    assert_eq!(resumed.weights(), learner.weights());
}

#[test]
fn a_state_of_another_network_or_not_finite_is_refused() {
    let mut state = Learner::from_bicubic(Network::new(2, 1, 8, 3).unwrap(), 1, Device::Cpu).state();
    state.second_moment[7] = f32::NAN;
    assert_eq!(Learner::from_state(&state, Device::Cpu).unwrap_err(), StateError::NotFinite("second moments"));
    state.network = Network::DEFAULT_X2;
    assert!(matches!(Learner::from_state(&state, Device::Cpu), Err(StateError::Length { part: "parameters", .. })));
}

#[test]
fn published_weights_are_taken_up_again_and_go_on_learning() {
    for (scale, unshuffle, features, layers) in SHAPES {
        let network = Network::new(scale, unshuffle, features, layers).unwrap();
        let (learner, _) = trained(network, 20);
        let published = Weights::from_safetensors(&learner.weights().to_safetensors(Precision::F16), network).unwrap();
        let mut again = Learner::from_weights(&published, 9, Device::Cpu);
        for (a, b) in again.weights().convolutions.iter().zip(&published.convolutions) {
            assert!(a.weight.iter().zip(&b.weight).all(|(a, b)| (a - b).abs() < 1e-5), "{network:?}");
            assert!(a.bias.iter().zip(&b.bias).all(|(a, b)| (a - b).abs() < 1e-5), "{network:?}");
        }
        let batch = batch(network.scale, 4);
        let losses: Vec<f64> = (0..30).map(|_| again.train(&batch, Loss::SquaredError, 1e-3)).collect();
        assert!(losses[29] < losses[0], "{network:?}: from {} to {}", losses[0], losses[29]);
    }
}
