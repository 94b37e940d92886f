//! One 640×360 → 1280×720 frame through the default network on one thread; prints and writes
//! `target/bench/enhance_frame.json`.

#![allow(clippy::unwrap_used, reason = "a benchmark may end where it fails")]

mod figures;

use std::time::Duration;

use figures::{Figure, median, timed, write_figures};
use sr_model::{Device, Inference, Precision};
use sr_net::{Network, Plane, Weights};

const ROUNDS: usize = 60;

fn main() {
    sr_model::tune_allocator();
    let mut weights = Weights::zero(Network::DEFAULT_X2);
    for convolution in &mut weights.convolutions {
        for (index, value) in convolution.weight.iter_mut().enumerate() {
            *value = ((index * 7919 % 101) as f32 / 101.0 - 0.5) * 0.1;
        }
    }
    let (width, height) = (640, 360);
    let lr = Plane::new(width, height, (0..width * height).map(|index| (index * index % 251) as u8).collect()).unwrap();

    let mut run = [Precision::F32, Precision::Bf16].map(|precision| {
        let mut inference = Inference::new(&weights, Device::Cpu, precision, 1).unwrap();
        inference.run(&lr).unwrap();
        inference
    });
    let mut taken = [Vec::new(), Vec::new()];
    // In turns, so that a busy moment of the machine hits both.
    for _ in 0..ROUNDS {
        for (inference, taken) in run.iter_mut().zip(&mut taken) {
            taken.push(timed(|| inference.run(&lr).unwrap()));
        }
    }
    let reference = timed(|| sr_net::enhance(&weights, &lr));
    let [f32, bf16] = taken.map(|taken| median(&taken));
    let (name, best, other_name, other) =
        if bf16.cpu < f32.cpu { ("bf16", bf16, "f32", f32) } else { ("f32", f32, "bf16", bf16) };
    let figure = Figure {
        name: format!("frame 640x360 to 1280x720, 16x5, one thread, {name}"),
        value: ms(best.wall),
        unit: "ms",
        goal: "<= 24",
        compared_with: format!(
            "CPU time {:.1} ms; {other_name} {:.1} ms (CPU {:.1}); plain Rust {:.1} ms (CPU {:.1})",
            ms(best.cpu),
            ms(other.wall),
            ms(other.cpu),
            ms(reference.wall),
            ms(reference.cpu),
        ),
    };
    write_figures(&[figure], "enhance_frame");
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
