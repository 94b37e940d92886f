//! Encoder to decoder: what goes in comes out, at its time, at its rate, and damage is said.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use media::{AccessUnit, AudioSamples, Decoder, Encoder, EncoderSettings, MediaError, OpusEncoder, Picture};
use sr_net::Plane;
use std::time::Duration;

fn settings(width: usize, height: usize, bitrate_kbps: u32) -> EncoderSettings {
    EncoderSettings {
        encoder: "libx264".to_owned(),
        width,
        height,
        frame_rate: (30, 1),
        bitrate_kbps,
        preset: "superfast".to_owned(),
        threads: 1,
        keyframe_interval: None,
    }
}

/// A texture that moves; `noise` makes it hard to code.
fn picture(width: usize, height: usize, frame: usize, noise: u32) -> Picture {
    let mut state = 0x9e37_79b9u32.wrapping_mul(frame as u32 + 1) | 1;
    let mut plane = |width: usize, height: usize| {
        let samples = (0..width * height)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (x, y) = ((i % width + 2 * frame) as f32, (i / width) as f32);
                let wave = 128.0 + 60.0 * (x / 9.0).sin() + 40.0 * (y / 7.0).cos();
                (wave as u32 + if noise == 0 { 0 } else { (state >> 16) % noise }) as u8
            })
            .collect();
        Plane::new(width, height, samples).unwrap()
    };
    let y = plane(width, height);
    Picture { y, u: Plane::filled(width / 2, height / 2, 110), v: plane(width / 2, height / 2) }
}

fn psnr_db(a: &Plane, b: &Plane) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let squares: f64 = a.samples().iter().zip(b.samples()).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.samples().len() as f64 / squares.max(1e-9)).log10()
}

fn encode_all(encoder: &mut Encoder, pictures: &[Picture]) -> Vec<AccessUnit> {
    pictures
        .iter()
        .enumerate()
        .map(|(i, picture)| encoder.encode(picture, i as u64 * 3000, false).unwrap().expect("no delay"))
        .collect()
}

#[test]
fn each_access_unit_comes_out_as_its_picture_at_its_time_without_delay() {
    media::init();
    let mut encoder = Encoder::open(&settings(320, 180, 1500)).unwrap();
    let mut decoder = Decoder::h264(1).unwrap();
    for i in 0..20u64 {
        let picture = picture(320, 180, i as usize, 0);
        let timestamp = (7 << 32) + i * 3003 + i % 3;
        let unit = encoder.encode(&picture, timestamp, false).unwrap().unwrap();
        assert_eq!((unit.timestamp, unit.keyframe), (timestamp, i == 0));
        let frames = decoder.decode(&unit.data, unit.timestamp).unwrap();
        assert_eq!(frames.iter().map(|frame| frame.timestamp).collect::<Vec<_>>(), [timestamp]);
        let decoded = &frames[0].picture;
        assert!(psnr_db(&picture.y, &decoded.y) > 36.0, "luma {}", psnr_db(&picture.y, &decoded.y));
        assert!(psnr_db(&picture.u, &decoded.u) > 36.0 && psnr_db(&picture.v, &decoded.v) > 30.0);
    }
}

/// Stream time begins in a lap of 2^32 for each second since 2025.
#[test]
fn stream_times_of_decades_to_come_are_those_of_decoded_frames() {
    media::init();
    let mut encoder = Encoder::open(&settings(160, 96, 500)).unwrap();
    let mut decoder = Decoder::h264(1).unwrap();
    for i in 0..3u64 {
        let unit = encoder.encode(&picture(160, 96, i as usize, 0), i * 3000, false).unwrap().unwrap();
        let timestamp = (1 << 62) + u64::from(u32::MAX) + i * 3000;
        let frames = decoder.decode(&unit.data, timestamp).unwrap();
        assert_eq!(frames.iter().map(|frame| frame.timestamp).collect::<Vec<_>>(), [timestamp]);
    }
}

#[test]
fn a_key_frame_comes_when_asked_for_and_a_new_decoder_begins_there() {
    let mut encoder = Encoder::open(&settings(160, 96, 500)).unwrap();
    for i in 0..12u64 {
        let unit = encoder.encode(&picture(160, 96, i as usize, 0), i * 3000, i == 7).unwrap().unwrap();
        assert_eq!(unit.keyframe, i == 0 || i == 7, "frame {i}");
        if i == 7 {
            assert_eq!(Decoder::h264(2).unwrap().decode(&unit.data, i * 3000).unwrap().len(), 1);
        }
    }
}

#[test]
fn a_hard_cut_does_not_make_a_key_frame_but_an_interval_does() {
    let settings = EncoderSettings { keyframe_interval: Some(10), ..settings(160, 96, 2000) };
    let mut encoder = Encoder::open(&settings).unwrap();
    let pictures: Vec<_> = (0..20).map(|i| picture(160, 96, if i < 5 { i } else { 40 * i }, 90)).collect();
    let keyframes: Vec<_> = encode_all(&mut encoder, &pictures).iter().map(|unit| unit.keyframe).collect();
    assert_eq!(keyframes, (0..20).map(|i| i % 10 == 0).collect::<Vec<_>>());
}

#[test]
fn one_thread_makes_one_slice_in_constrained_baseline() {
    let mut encoder = Encoder::open(&settings(320, 180, 1000)).unwrap();
    let unit = encoder.encode(&picture(320, 180, 0, 0), 0, true).unwrap().unwrap();
    let units: Vec<_> = unit
        .data
        .windows(7)
        .filter(|bytes| bytes[..3] == [0, 0, 1])
        .map(|bytes| [bytes[3] & 0x1f, bytes[4], bytes[5]])
        .collect();
    assert_eq!(units.iter().filter(|unit| unit[0] == 5).count(), 1, "slices");
    let parameters = units.iter().find(|unit| unit[0] == 7).expect("a sequence parameter set");
    assert_eq!(parameters[1], 66, "profile");
    assert_ne!(parameters[2] & 0x40, 0, "constraint_set1: constrained baseline");
}

#[test]
fn the_rate_is_kept_and_follows_a_change_without_a_key_frame() {
    media::init();
    let mut encoder = Encoder::open(&settings(320, 180, 800)).unwrap();
    let pictures: Vec<_> = (0..120).map(|i| picture(320, 180, i, 40)).collect();
    let kbps = |units: &[AccessUnit]| {
        units.iter().map(|unit| unit.data.len() * 8).sum::<usize>() as f64 / units.len() as f64 * 0.03
    };
    let before = encode_all(&mut encoder, &pictures);
    encoder.set_bitrate_kbps(200);
    let after: Vec<_> = (0..180u64)
        .map(|i| encoder.encode(&pictures[i as usize % 120], (120 + i) * 3000, false).unwrap().unwrap())
        .collect();
    assert!(after.iter().all(|unit| !unit.keyframe));
    let (fast, slow) = (kbps(&before[30..]), kbps(&after[60..]));
    assert!((600.0..1000.0).contains(&fast), "{fast} kbit/s of 800");
    assert!((140.0..260.0).contains(&slow), "{slow} kbit/s of 200");
}

#[test]
fn a_change_of_size_is_followed() {
    let mut decoder = Decoder::h264(1).unwrap();
    for (i, (width, height)) in [(320, 180), (160, 96), (322, 182)].into_iter().enumerate() {
        let mut encoder = Encoder::open(&settings(width, height, 800)).unwrap();
        for unit in encode_all(&mut encoder, &[picture(width, height, i, 0), picture(width, height, i + 1, 0)]) {
            let frames = decoder.decode(&unit.data, unit.timestamp).unwrap();
            assert_eq!(frames.len(), 1);
            assert_eq!((frames[0].picture.width(), frames[0].picture.height()), (width, height));
            assert_eq!(frames[0].picture.u.width(), width / 2);
        }
    }
}

#[test]
fn after_damage_nothing_comes_out_until_the_next_key_frame() {
    media::init();
    let mut encoder = Encoder::open(&settings(320, 180, 1500)).unwrap();
    let mut units: Vec<_> = (0..12u64)
        .map(|i| encoder.encode(&picture(320, 180, i as usize, 20), i * 3000, i == 8).unwrap().unwrap())
        .collect();
    let cut = units[3].data.slice(..units[3].data.len() / 3);
    units[3].data = cut;
    let mut decoder = Decoder::h264(1).unwrap();
    let shown: Vec<_> = units
        .iter()
        .map(|unit| decoder.decode(&unit.data, unit.timestamp).is_ok_and(|frames| frames.len() == 1))
        .collect();
    let expected: Vec<_> = (0..12).map(|i| !(3..8).contains(&i)).collect();
    assert_eq!(shown, expected);
}

#[test]
fn a_lost_access_unit_that_the_caller_reports_is_waited_out() {
    let mut encoder = Encoder::open(&settings(160, 96, 800)).unwrap();
    let units = encode_all(&mut encoder, &(0..4).map(|i| picture(160, 96, i, 0)).collect::<Vec<_>>());
    let mut decoder = Decoder::h264(1).unwrap();
    assert_eq!(decoder.decode(&units[0].data, 0).unwrap().len(), 1);
    decoder.lost();
    assert!(matches!(decoder.decode(&units[2].data, 6000), Err(MediaError::Damaged(_))));
    let again = encoder.encode(&picture(160, 96, 9, 0), 40_000, true).unwrap().unwrap();
    assert_eq!(decoder.decode(&again.data, 40_000).unwrap().len(), 1);
}

#[test]
fn garbage_neither_crashes_the_decoder_nor_stops_it() {
    media::init();
    let mut encoder = Encoder::open(&settings(160, 96, 800)).unwrap();
    let units: Vec<_> = (0..40u64)
        .map(|i| encoder.encode(&picture(160, 96, i as usize, 30), i * 3000, i % 4 == 0).unwrap().unwrap())
        .collect();
    let mut decoder = Decoder::h264(1).unwrap();
    let mut state = 7u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for unit in &units {
        let mut bytes = unit.data.to_vec();
        for _ in 0..8 {
            let at = random() % bytes.len();
            bytes[at] ^= 1 << (random() % 8);
        }
        bytes.truncate(bytes.len() - random() % (bytes.len() / 2));
        let _ = decoder.decode(&bytes, unit.timestamp);
    }
    let _ = decoder.decode(&[], 0);
    let unit = encoder.encode(&picture(160, 96, 0, 0), 1_000_000, true).unwrap().unwrap();
    assert_eq!(decoder.decode(&unit.data, unit.timestamp).unwrap().len(), 1);
}

#[test]
fn settings_that_cannot_be_coded_are_refused() {
    media::init();
    for (width, height) in [(0, 0), (321, 180), (320, 181), (8, 8), (100_000, 16)] {
        assert!(Encoder::open(&settings(width, height, 800)).is_err(), "{width}x{height}");
    }
    assert!(Encoder::open(&EncoderSettings { encoder: "none".to_owned(), ..settings(320, 180, 800) }).is_err());
    assert!(Encoder::open(&EncoderSettings { preset: "none".to_owned(), ..settings(320, 180, 800) }).is_err());
    let mut encoder = Encoder::open(&settings(320, 180, 800)).unwrap();
    assert!(encoder.encode(&picture(160, 96, 0, 0), 0, false).is_err());
}

#[test]
fn x264_takes_the_place_of_an_encoder_that_is_not_there() {
    media::init();
    let settings = EncoderSettings { encoder: "h264_nobody".to_owned(), ..settings(320, 180, 800) };
    let mut encoder = Encoder::open_or_x264(&settings).unwrap();
    assert!(encoder.encode(&picture(320, 180, 0, 0), 0, false).unwrap().unwrap().keyframe);
    assert!(Encoder::open_or_x264(&EncoderSettings { width: 321, ..settings }).is_err());
}

#[test]
fn opus_packets_count_samples_whatever_the_lengths_that_come() {
    let mut encoder = OpusEncoder::open(64).unwrap();
    let mut times = Vec::new();
    let mut sent = 0;
    for length in [1, 333, 2000, 960, 5, 4801, 1900] {
        let samples = (0..length * 2).map(|i| ((sent * 2 + i) as f32 / 20.0).sin() * 0.5).collect();
        let at = Duration::from_secs_f64(1.0 + f64::from(sent) / 48_000.0);
        times.extend(encoder.encode(&AudioSamples { at, samples }).unwrap().into_iter().map(|(time, packet)| {
            assert!(!packet.is_empty() && packet.len() < 1000);
            time
        }));
        sent += length;
    }
    assert_eq!(times, (0..10).map(|i| 48_000 + i * 960).collect::<Vec<u64>>());
}

#[test]
fn a_jump_in_the_sound_is_followed() {
    let mut encoder = OpusEncoder::open(64).unwrap();
    let mut at = |seconds: f64| {
        let samples = AudioSamples { at: Duration::from_secs_f64(seconds), samples: vec![0.1; 1920] };
        encoder.encode(&samples).unwrap().iter().map(|(time, _)| *time).collect::<Vec<_>>()
    };
    assert_eq!(at(0.0), [0]);
    assert_eq!(at(0.021), [960]);
    assert_eq!(at(5.0), [240_000]);
}
