//! The process `patch-pairer`: its memory, its end, what it cannot do.

#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use media::{Encoder, EncoderSettings, Picture};
use media_node::learning::wire::{AccessUnit, FromPairer, FromPairerKind, ReceivedPatch, ToPairer, ToPairerKind};
use prost::Message;
use proto::v1::{PixelCoding, PublisherPatch, Rect};
use rustix::process::{Pid, Signal, kill_process};
use sr_net::Plane;

const PROGRAM: &str = env!("CARGO_BIN_EXE_patch-pairer");
const DEADLINE: Duration = Duration::from_secs(20);
const LR_SIZE: (usize, usize) = (640, 360);
const FRAMES: usize = 120;

struct Pairer {
    child: Child,
    input: Option<ChildStdin>,
}

impl Pairer {
    fn start() -> Self {
        let mut child = Command::new(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        Self { child, input }
    }

    fn send(&mut self, kind: ToPairerKind) {
        let bytes = ToPairer { kind: Some(kind) }.encode_length_delimited_to_vec();
        self.input.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    /// Ends the input; everything the pairer said.
    fn finish(&mut self) -> Vec<FromPairerKind> {
        self.input = None;
        let mut bytes = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
        assert!(self.child.wait().unwrap().success());
        let mut rest = bytes.as_slice();
        std::iter::from_fn(|| {
            (!rest.is_empty()).then(|| FromPairer::decode_length_delimited(&mut rest).unwrap().kind.unwrap())
        })
        .collect()
    }
}

impl Drop for Pairer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn picture(index: usize) -> Picture {
    let (width, height) = LR_SIZE;
    let samples = (0..width * height).map(|at| ((at % width + index) * 3 % 200 + at / width % 50) as u8).collect();
    let chroma = Plane::filled(width / 2, height / 2, 128);
    Picture { y: Plane::new(width, height, samples).unwrap(), u: chroma.clone(), v: chroma }
}

fn access_units(count: usize) -> Vec<AccessUnit> {
    media::init();
    let settings = EncoderSettings {
        encoder: "libx264".to_owned(),
        width: LR_SIZE.0,
        height: LR_SIZE.1,
        frame_rate: (30, 1),
        bitrate_kbps: 1500,
        preset: "ultrafast".to_owned(),
        threads: 1,
        keyframe_interval: None,
    };
    let mut encoder = Encoder::open(&settings).unwrap();
    let unit = |index| encoder.encode(&picture(index), index as u64 * 3000, index == 0).unwrap().unwrap();
    let units = (0..count).map(unit);
    units.map(|unit| AccessUnit { stream_time: unit.timestamp, keyframe: unit.keyframe, data: unit.data }).collect()
}

fn patch(stream_time: u64) -> ToPairerKind {
    let patch = PublisherPatch {
        rect: Some(Rect { x: 96, y: 96, width: 96, height: 96 }),
        coding: PixelCoding::Raw.into(),
        luma: vec![128; 96 * 96].into(),
        residual: true,
        ..Default::default()
    };
    ToPairerKind::Patch(ReceivedPatch { stream_time, scale: 2, patch: Some(patch), ..Default::default() })
}

fn status_kilobytes(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn at_work_on_360p_it_stays_within_sixty_megabytes() {
    let mut pairer = Pairer::start();
    let (pid, mut output) = (pairer.child.id(), BufReader::new(pairer.child.stdout.take().unwrap()));
    let units = access_units(FRAMES);
    let writer = std::thread::spawn(move || {
        for unit in units {
            let stream_time = unit.stream_time;
            pairer.send(ToPairerKind::AccessUnit(unit));
            pairer.send(patch(stream_time));
        }
        pairer
    });
    // The last patch waits for the frame after its own.
    for _ in 1..FRAMES {
        let length = prost::decode_length_delimiter(output.fill_buf().unwrap()).unwrap();
        let mut bytes = vec![0; length + prost::length_delimiter_len(length)];
        output.read_exact(&mut bytes).unwrap();
        let answer = FromPairer::decode_length_delimited(&*bytes).unwrap().kind;
        assert!(matches!(answer, Some(FromPairerKind::Pair(_))), "{answer:?}");
    }
    let peak = status_kilobytes(pid, "VmHWM");
    drop(writer.join().unwrap());
    assert!(peak <= 60_000, "{peak} kB");
}

#[test]
fn it_ends_when_its_input_ends() {
    let mut pairer = Pairer::start();
    pairer.send(patch(0));
    let answers = pairer.finish();
    assert!(matches!(answers.as_slice(), [FromPairerKind::Dropped(_)]), "{answers:?}");
}

#[test]
fn it_dies_with_its_parent_also_when_its_input_stays_open() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("input");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let script = r#""$0" < "$1" > /dev/null & echo $!; wait"#;
    let mut parent =
        Command::new("sh").arg("-c").arg(script).arg(PROGRAM).arg(&fifo).stdout(Stdio::piped()).spawn().unwrap();
    let _input = fs::File::create(&fifo).unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    let limits = || fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    wait_until("its start", || limits().lines().any(|line| line.starts_with("Max open files") && line.contains(" 3 ")));
    kill_process(Pid::from_child(&parent), Signal::KILL).unwrap();
    parent.wait().unwrap();
    let gone = || fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
    wait_until("its end", gone);
}

#[test]
fn it_can_open_neither_files_nor_sockets_and_its_memory_is_limited() {
    let mut pairer = Pairer::start();
    let pid = pairer.child.id();
    let limits = || fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    wait_until("its limits", || {
        limits().lines().any(|line| line.starts_with("Max open files") && line.contains(" 3 "))
    });
    assert!(limits().lines().any(|line| line.starts_with("Max address space") && !line.contains("unlimited")));
    pairer.finish();
}

#[test]
fn nonsense_on_its_input_ends_it() {
    for nonsense in [&[0xff; 16][..], &[0xff, 0xff, 0xff, 0x7f], &[4, 0xff, 0xff, 0xff, 0xff], &[9, 1]] {
        let mut pairer = Pairer::start();
        pairer.input.as_mut().unwrap().write_all(nonsense).unwrap();
        pairer.input = None;
        assert!(!pairer.child.wait().unwrap().success(), "{nonsense:?}");
    }
}
