//! Steps a second of the default network, batch 16, 96-pixel patches with their context, one thread; prints and
//! writes `target/bench/train_steps.json`.

mod figures;

use std::time::Duration;

use figures::{Figure, Taken, median, timed, write_figures};
use sr_model::{Batch, Device, Learner, Loss, Precision};
use sr_net::Network;

const ROUNDS: usize = 150;

fn main() {
    sr_model::tune_allocator();
    tch::set_num_threads(1);
    let tiles = batch(48 + 2 * 5);
    let [f32, bf16] = [Precision::F32, Precision::Bf16].map(|precision| step(&tiles, precision));
    let rate = |time: Duration| 1.0 / time.as_secs_f64();
    let (name, best, other_name, other) =
        if bf16.cpu < f32.cpu { ("bf16", bf16, "f32", f32) } else { ("f32", f32, "bf16", bf16) };
    let figure = Figure {
        name: format!("trainer, 16x5, batch 16, 96 px patches with 5 LR px of context, one thread, {name}"),
        value: rate(best.wall),
        unit: "steps/s",
        goal: ">= 40",
        compared_with: format!(
            "by CPU time {:.1} steps/s; {other_name} {:.1} steps/s (by CPU time {:.1})",
            rate(best.cpu),
            rate(other.wall),
            rate(other.cpu),
        ),
    };
    write_figures(&[figure], "train_steps");
}

fn batch(side: usize) -> Batch {
    let noise =
        |count: usize, range: f32| (0..count).map(|index| (index * 7919 % 1009) as f32 / 1009.0 * range).collect();
    let (coarse, fine) = (16 * side * side, 64 * side * side);
    Batch { side, lr: noise(coarse, 1.0), residual: noise(fine, 0.1), counts: vec![1.0; fine] }
}

fn step(batch: &Batch, precision: Precision) -> Taken {
    let mut learner = Learner::from_bicubic(Network::DEFAULT_X2, 1, Device::Cpu).with_precision(precision);
    let taken: Vec<_> = (0..ROUNDS).map(|_| timed(|| learner.train(batch, Loss::SquaredError, 5e-4))).collect();
    median(&taken)
}
