//! Writes the figures of a benchmark to `target/bench/` of the workspace, and says them.

#![allow(clippy::unwrap_used, reason = "a benchmark may end where it fails")]

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

/// One run of one thread. On a busy machine its CPU time tells more than its wall time.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> Taken {
    let (start, cpu) = (Instant::now(), thread_cpu_time());
    std::hint::black_box(run());
    Taken { wall: start.elapsed(), cpu: thread_cpu_time() - cpu }
}

/// Of both times on their own.
pub(crate) fn median(taken: &[Taken]) -> Taken {
    let middle = |time: fn(&Taken) -> Duration| {
        let mut times: Vec<_> = taken.iter().map(time).collect();
        times.sort();
        times[times.len() / 2]
    };
    Taken { wall: middle(|taken| taken.wall), cpu: middle(|taken| taken.cpu) }
}

#[allow(unsafe_code, reason = "clock_gettime is a C function")]
fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux, and the target is a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) goal: &'static str,
    /// Measured in the same run.
    pub(crate) compared_with: String,
}

pub(crate) fn write_figures(figures: &[Figure], file: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");
    let machine = machine();
    let objects = figures.iter().map(|figure| {
        let Figure { name, value, unit, goal, compared_with } = figure;
        println!("{name}: {value:.1} {unit} (goal {goal}; {compared_with})");
        json!({"name": name, "value": value, "unit": unit, "goal": goal, "machine": machine, "compared_with": compared_with})
    });
    let text = serde_json::to_string_pretty(&objects.collect::<Vec<_>>()).unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::write(format!("{folder}/{file}.json"), text).unwrap();
}

/// The CPU's name, how many of them, and what is said of their vectors.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(": ").nth(1));
    let flags = field("flags").unwrap_or_default();
    let known: Vec<_> = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"]
        .into_iter()
        .filter(|flag| flags.split(' ').any(|one| one == *flag))
        .collect();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} x{cpus}, {}", field("model name").unwrap_or("unknown CPU"), known.join(" "))
}
