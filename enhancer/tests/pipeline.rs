//! Access units in, access units out: enhanced, at the same times, whatever the stream does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use enhancer::{
    coder::{Coder, Coding},
    live::Change,
    model::Runtime,
    pipeline::{LrFrame, Pipeline},
};
use media::{AccessUnit, Decoder, Encoder, EncoderSettings, Picture};
use sr_model::{Device, Precision};
use sr_net::{Network, Plane, Weights};

const RUNTIME: Runtime = Runtime { device: Device::Cpu, precision: Precision::F32, threads: 1 };

const INTERVAL: Duration = Duration::from_micros(33_333);

/// A texture that moves, of the scene given.
fn picture(width: usize, height: usize, scene: usize, frame: usize) -> Picture {
    let wave = |x: usize, y: usize| {
        let (x, y) = ((x + 2 * frame) as f32, y as f32);
        120.0 + 60.0 * (x / 9.0 + scene as f32).sin() + 40.0 * (y / (7.0 + 9.0 * scene as f32)).cos()
    };
    let plane = |width: usize, height: usize| {
        let samples = (0..width * height).map(|i| wave(i % width, i / width) as u8).collect();
        Plane::new(width, height, samples).unwrap()
    };
    Picture { y: plane(width, height), u: plane(width / 2, height / 2), v: Plane::filled(width / 2, height / 2, 90) }
}

fn encoder(width: usize, height: usize) -> Encoder {
    Encoder::open(&EncoderSettings {
        encoder: "libx264".to_owned(),
        width,
        height,
        frame_rate: (30, 1),
        bitrate_kbps: 1500,
        preset: "superfast".to_owned(),
        threads: 1,
        keyframe_interval: None,
    })
    .unwrap()
}

/// A stream decoded, as the decode thread does.
struct Stream {
    encoder: Encoder,
    decoder: Decoder,
}

impl Stream {
    fn new(width: usize, height: usize) -> Self {
        Self { encoder: encoder(width, height), decoder: Decoder::h264(1).unwrap() }
    }

    fn frame(&mut self, picture: &Picture, timestamp: u64) -> LrFrame {
        let AccessUnit { data, .. } = self.encoder.encode(picture, timestamp, false).unwrap().unwrap();
        let mut frames = self.decoder.decode(&data, timestamp).unwrap();
        assert_eq!(frames.len(), 1);
        let frame = frames.remove(0);
        LrFrame { arrived: Instant::now(), timestamp: frame.timestamp, interval: INTERVAL, picture: frame.picture }
    }
}

fn coder(scale: usize, bitrate_kbps: u32) -> Coder {
    Coder::new(Coding { scale, encoder: "libx264".to_owned(), bitrate_kbps, preset: "superfast".to_owned() })
}

/// What the threads do, one after the other.
struct Enhancer {
    pipeline: Pipeline,
    coder: Coder,
}

/// An enhanced frame.
struct HrFrame {
    unit: AccessUnit,
    network_time: Option<Duration>,
}

impl Enhancer {
    fn new(scale: usize) -> Self {
        media::init();
        Self { pipeline: Pipeline::new(scale), coder: coder(scale, 8000) }
    }

    fn enhance(&mut self, frame: LrFrame, force_keyframe: bool) -> HrFrame {
        let enlarged = self.pipeline.enlarge(frame);
        let network_time = enlarged.network_time;
        let unit = self.coder.code(enlarged, force_keyframe).unwrap().expect("no delay");
        HrFrame { unit, network_time }
    }
}

/// Weights that add `brightness` to each sample.
fn brighten(brightness: f32) -> Weights {
    let mut weights = Weights::zero(Network::DEFAULT_X2);
    weights.convolutions.last_mut().unwrap().bias.fill(brightness / 255.0);
    weights
}

fn swap_in(enhancer: &mut Enhancer, version: u64, weights: &Weights) {
    let model = RUNTIME.prepare(weights, None).unwrap();
    enhancer.pipeline.handle_change(Change::Use { version, model });
}

/// Plenty of time, however busy the machine.
fn in_time(frame: LrFrame) -> LrFrame {
    LrFrame { arrived: Instant::now() + Duration::from_secs(60), ..frame }
}

fn mean(plane: &Plane) -> f64 {
    plane.samples().iter().map(|&sample| f64::from(sample)).sum::<f64>() / plane.samples().len() as f64
}

#[test]
fn without_weights_the_stream_comes_out_as_its_bicubic_at_the_same_times() {
    let (mut stream, mut enhancer, mut shown) = (Stream::new(160, 90), Enhancer::new(2), Decoder::h264(1).unwrap());
    for frame in 0..20u64 {
        let timestamp = (3 << 32) - 20_000 + 3000 * frame;
        let lr = stream.frame(&picture(160, 90, 0, frame as usize), timestamp);
        let expected = [&lr.picture.y, &lr.picture.u, &lr.picture.v].map(|plane| sr_net::bicubic(plane, 2));
        let hr = enhancer.enhance(lr, false);
        assert_eq!((hr.unit.timestamp, hr.unit.keyframe, hr.network_time), (timestamp, frame == 0, None));
        let decoded = shown.decode(&hr.unit.data, timestamp).unwrap().remove(0).picture;
        for (plane, expected) in [&decoded.y, &decoded.u, &decoded.v].into_iter().zip(&expected) {
            let psnr_db = sr_net::psnr_db(plane, expected);
            assert!(psnr_db > 38.0, "frame {frame}: {psnr_db} dB to bicubic");
        }
    }
}

#[test]
fn a_black_picture_stays_black() {
    let (mut stream, mut enhancer) = (Stream::new(160, 90), Enhancer::new(2));
    swap_in(&mut enhancer, 1, &brighten(20.0));
    let mut black = picture(160, 90, 0, 0);
    black.y = Plane::filled(160, 90, 16);
    let enlarged = enhancer.pipeline.enlarge(in_time(stream.frame(&black, 0)));
    assert!(enlarged.network_time.is_some());
    assert_eq!(enlarged.luma, Plane::filled(320, 180, 16));
}

#[test]
fn weights_change_hands_between_two_frames_and_back_to_bicubic_at_once() {
    let (mut stream, mut enhancer, mut shown) = (Stream::new(160, 90), Enhancer::new(2), Decoder::h264(1).unwrap());
    let picture = picture(160, 90, 0, 0);
    let mut brightness = |enhancer: &mut Enhancer, frame: u64| {
        let lr = in_time(stream.frame(&picture, frame * 3000));
        let before = mean(&lr.picture.y);
        let hr = enhancer.enhance(lr, false);
        let decoded = shown.decode(&hr.unit.data, 0).unwrap().remove(0).picture;
        (hr.network_time.is_some(), (mean(&decoded.y) - before).round())
    };
    assert_eq!(brightness(&mut enhancer, 0), (false, 0.0));
    swap_in(&mut enhancer, 1, &brighten(10.0));
    assert_eq!(brightness(&mut enhancer, 1), (true, 10.0));
    swap_in(&mut enhancer, 2, &brighten(20.0));
    assert_eq!(brightness(&mut enhancer, 2), (true, 20.0));
    enhancer.pipeline.handle_change(Change::Withdraw { version: 2 });
    assert_eq!(brightness(&mut enhancer, 3), (false, 0.0));
    enhancer.pipeline.handle_change(Change::Restore { version: 2 });
    assert_eq!(brightness(&mut enhancer, 4), (true, 20.0));
}

#[test]
fn a_late_frame_gets_bicubic_instead_of_the_network() {
    let (mut stream, mut enhancer) = (Stream::new(160, 90), Enhancer::new(2));
    swap_in(&mut enhancer, 1, &brighten(10.0));
    let first = in_time(stream.frame(&picture(160, 90, 0, 0), 0));
    assert!(enhancer.enhance(first, false).network_time.is_some());
    let late =
        LrFrame { arrived: Instant::now() - Duration::from_millis(70), ..stream.frame(&picture(160, 90, 0, 1), 3000) };
    assert!(enhancer.enhance(late, false).network_time.is_none());
}

#[test]
fn a_change_of_size_begins_with_a_key_frame_of_the_new_size() {
    let (mut enhancer, mut shown) = (Enhancer::new(3), Decoder::h264(1).unwrap());
    for (width, height) in [(160, 90), (96, 64), (98, 66)] {
        let mut stream = Stream::new(width, height);
        for frame in 0..2 {
            let hr = enhancer.enhance(stream.frame(&picture(width, height, 0, frame), 3000 * frame as u64), false);
            assert_eq!(hr.unit.keyframe, frame == 0);
            let decoded = shown.decode(&hr.unit.data, 0).unwrap().remove(0).picture;
            assert_eq!((decoded.width(), decoded.height()), (3 * width, 3 * height));
        }
    }
}

#[test]
fn a_key_frame_comes_when_it_is_asked_for() {
    let (mut stream, mut enhancer) = (Stream::new(160, 90), Enhancer::new(2));
    let keyframes: Vec<bool> = (0..6)
        .map(|frame| {
            let lr = stream.frame(&picture(160, 90, 0, frame), 3000 * frame as u64);
            enhancer.enhance(lr, frame == 4).unit.keyframe
        })
        .collect();
    assert_eq!(keyframes, [true, false, false, false, true, false]);
}

#[test]
fn times_that_jump_back_are_kept() {
    let (mut stream, mut enhancer) = (Stream::new(160, 90), Enhancer::new(2));
    for (frame, timestamp) in [900_000, 903_000, 4000, 7000, 7000].into_iter().enumerate() {
        let lr = LrFrame { timestamp, ..stream.frame(&picture(160, 90, 0, frame), 3000 * frame as u64) };
        assert_eq!(enhancer.enhance(lr, false).unit.timestamp, timestamp);
    }
}

#[test]
fn the_bit_rate_is_kept_at_any_frame_rate_without_key_frames() {
    let grain = |frame: usize| {
        let mut picture = picture(160, 90, 0, frame);
        let mut state = frame as u32 + 1;
        for sample in picture.y.samples_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = sample.saturating_add((state >> 26) as u8);
        }
        picture
    };
    for frames_per_second in [10u32, 60] {
        let (mut stream, interval) = (Stream::new(160, 90), Duration::from_secs(1) / frames_per_second);
        let mut enhancer = Enhancer { coder: coder(2, 300), ..Enhancer::new(2) };
        let bytes: Vec<usize> = (0..8 * frames_per_second as usize)
            .map(|frame| {
                let lr = stream.frame(&grain(frame), frame as u64 * u64::from(90_000 / frames_per_second));
                let unit = enhancer.enhance(LrFrame { interval, ..lr }, false).unit;
                assert_eq!(unit.keyframe, frame == 0);
                unit.data.len()
            })
            .collect();
        let last = &bytes[bytes.len() / 2..];
        let kbps = last.iter().sum::<usize>() as f64 * 8.0 / 1000.0 / (last.len() as f64 * interval.as_secs_f64());
        assert!((200.0..400.0).contains(&kbps), "{kbps} kbit/s of 300 at {frames_per_second} frames a second");
    }
}
