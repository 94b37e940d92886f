//! What one frame of 640x360 costs on one thread, and how soon a checkpoint is in use.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::{
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use enhancer::{
    coder::{Coder, Coding},
    live::Change,
    model::Runtime,
    pipeline::{LrFrame, Pipeline},
};
use media::Picture;
use sr_net::{Network, Plane, Weights};

const ROUNDS: usize = 60;
const NETWORK: Network = Network::DEFAULT_X2;

fn main() {
    sr_model::tune_allocator();
    media::init();
    let runtime = Runtime::open("cpu", "auto", NETWORK, 1).unwrap();
    let frames: Vec<Picture> = (0..ROUNDS).map(picture).collect();
    let mut figures = Vec::new();
    let mut figure = |name: &str, goal: Option<f64>, time: Duration| {
        let milliseconds = (time.as_secs_f64() * 1e5).round() / 100.0;
        println!("{name:<48} {milliseconds:>8} ms");
        figures.push(serde_json::json!({
            "name": name,
            "value": milliseconds,
            "unit": "ms",
            "goal": goal.map_or_else(|| "none".to_owned(), |goal| format!("<= {goal}")),
            "machine": format!("1 thread of {} CPUs, {}", std::thread::available_parallelism().map_or(0, Into::into), runtime.precision),
            "compared_with": null,
        }));
    };

    let mut model = runtime.prepare(&weights(), Some((640, 360))).unwrap();
    figure("360p frame: network", Some(24.0), median(|i| drop(black_box(model.run(&frames[i].y).unwrap()))));
    figure("360p frame: bicubic of luma", None, median(|i| drop(black_box(sr_net::bicubic(&frames[i].y, 2)))));
    figure(
        "360p frame: bicubic of one chroma plane",
        None,
        median(|i| drop(black_box(sr_net::bicubic(&frames[i].u, 2)))),
    );
    figure("360p frame: in all, with weights", None, whole_frame(&frames, Some(model)));
    figure("360p frame: in all, bicubic", None, whole_frame(&frames, None));
    let checkpoint = weights().to_safetensors(sr_net::Precision::F16);
    let prepare = median(|_| {
        let weights = Weights::from_safetensors(&checkpoint, NETWORK).unwrap();
        drop(black_box(runtime.prepare(&weights, Some((640, 360))).unwrap()));
    });
    // and then at most one frame of 30 a second
    figure("accepted checkpoint to in use", Some(100.0), prepare + Duration::from_millis(34));

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("enhancer.json"), serde_json::to_string_pretty(&figures).unwrap()).unwrap();
}

fn whole_frame(frames: &[Picture], model: Option<sr_model::Inference>) -> Duration {
    let mut pipeline = Pipeline::new(2);
    let mut coder = Coder::new(Coding {
        scale: 2,
        encoder: "libx264".to_owned(),
        bitrate_kbps: 6000,
        preset: "superfast".to_owned(),
    });
    if let Some(model) = model {
        pipeline.handle_change(Change::Use { version: 1, model });
    }
    median(|i| {
        let arrived = Instant::now() + Duration::from_secs(60);
        let frame = LrFrame {
            arrived,
            timestamp: i as u64 * 3000,
            interval: Duration::from_millis(33),
            picture: frames[i].clone(),
        };
        drop(black_box(coder.code(pipeline.enlarge(frame), false).unwrap()));
    })
}

fn median(mut work: impl FnMut(usize)) -> Duration {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|i| {
            let begun = Instant::now();
            work(i);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

fn weights() -> Weights {
    let mut weights = Weights::zero(NETWORK);
    for convolution in &mut weights.convolutions {
        for (i, value) in convolution.weight.iter_mut().enumerate() {
            *value = ((i * 7919 % 101) as f32 / 101.0 - 0.5) * 0.1;
        }
    }
    weights
}

/// Moving texture with grain.
fn picture(frame: usize) -> Picture {
    let mut state = frame as u32 + 1;
    let mut plane = |width: usize, height: usize| {
        let samples = (0..width * height).map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = ((i % width + 2 * frame) as f32, (i / width) as f32);
            (120.0 + 60.0 * (x / 9.0).sin() + 40.0 * (y / 7.0).cos()) as u8 + (state >> 24) as u8 % 8
        });
        Plane::new(width, height, samples.collect()).unwrap()
    };
    Picture { y: plane(640, 360), u: plane(320, 180), v: plane(320, 180) }
}
