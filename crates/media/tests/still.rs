//! Stills keep luma as it is, and survive whatever bytes come.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use media::still::{MAX_BYTES, decode, encode};
use proto::v1::PixelCoding;
use sr_net::Plane;

const CODINGS: [PixelCoding; 5] =
    [PixelCoding::Raw, PixelCoding::RawZstd, PixelCoding::Png, PixelCoding::Jpeg, PixelCoding::Webp];

/// All 256 values, in a smooth picture.
fn ramp(width: usize, height: usize) -> Plane {
    let samples = (0..width * height).map(|i| ((i % width) * 255 / (width - 1)) as u8).collect();
    Plane::new(width, height, samples).unwrap()
}

fn textured(width: usize, height: usize) -> Plane {
    let at = |i: usize| 128.0 + 50.0 * ((i % width) as f32 / 5.0).sin() + 40.0 * ((i / width) as f32 / 6.0).cos();
    Plane::new(width, height, (0..width * height).map(|i| at(i) as u8).collect()).unwrap()
}

fn psnr_db(a: &Plane, b: &Plane) -> f64 {
    let squares: f64 = a.samples().iter().zip(b.samples()).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.samples().len() as f64 / squares.max(1e-9)).log10()
}

fn random_numbers(seed: u32) -> impl FnMut() -> usize {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    }
}

#[test]
fn lossless_codings_give_back_every_sample() {
    for coding in [PixelCoding::Raw, PixelCoding::RawZstd, PixelCoding::Png] {
        for (width, height) in [(96, 96), (97, 33), (2, 2)] {
            let plane = textured(width, height);
            let bytes = encode(&plane, coding, 1).unwrap();
            assert_eq!(decode(&bytes, coding, width, height).unwrap(), plane, "{coding:?}");
        }
    }
}

#[test]
fn lossy_codings_are_close_and_better_with_quality() {
    for coding in [PixelCoding::Jpeg, PixelCoding::Webp] {
        for (width, height) in [(96, 96), (97, 33)] {
            let plane = textured(width, height);
            let [(few, low), (many, high)] = [30, 95].map(|quality| {
                let bytes = encode(&plane, coding, quality).unwrap();
                (bytes.len(), psnr_db(&plane, &decode(&bytes, coding, width, height).unwrap()))
            });
            assert!(low > 28.0 && high > 40.0 && high > low, "{coding:?}: {low} dB, {high} dB");
            assert!(few < many, "{coding:?}: {few} and {many} bytes");
        }
    }
}

#[test]
fn no_coding_squeezes_the_range_of_luma() {
    for coding in CODINGS {
        for flat in [0, 1, 15, 16, 128, 235, 240, 255] {
            let bytes = encode(&Plane::filled(64, 64, flat), coding, 90).unwrap();
            let decoded = decode(&bytes, coding, 64, 64).unwrap();
            assert!(decoded.samples().iter().all(|sample| sample.abs_diff(flat) <= 1), "{coding:?}: {flat}");
        }
        let decoded = decode(&encode(&ramp(256, 64), coding, 95).unwrap(), coding, 256, 64).unwrap();
        for (given, sample) in ramp(256, 64).samples().iter().zip(decoded.samples()) {
            assert!(given.abs_diff(*sample) <= 4, "{coding:?}: {given} became {sample}");
        }
    }
}

#[test]
fn a_residual_patch_of_webp_costs_a_few_hundred_bytes() {
    let mut random = random_numbers(3);
    let samples = (0..96 * 96).map(|_| (126 + random() % 5) as u8).collect();
    let bytes = encode(&Plane::new(96, 96, samples).unwrap(), PixelCoding::Webp, 60).unwrap();
    assert!(bytes.len() < 600, "{} bytes", bytes.len());
}

#[test]
fn a_picture_of_another_size_is_refused() {
    for coding in CODINGS {
        let bytes = encode(&textured(96, 64), coding, 60).unwrap();
        for (width, height) in [(64, 95), (96, 63), (95, 64), (48, 48), (512, 512)] {
            assert!(decode(&bytes, coding, width, height).is_err(), "{coding:?} as {width}x{height}");
        }
    }
}

#[test]
fn sizes_and_lengths_have_bounds() {
    for coding in CODINGS {
        for (width, height) in [(0, 0), (0, 96), (100_000, 100_000), (usize::MAX, 2), (513, 512)] {
            assert!(decode(&[0; 64], coding, width, height).is_err(), "{coding:?} {width}x{height}");
        }
        assert!(decode(&vec![0; MAX_BYTES + 1], coding, 96, 96).is_err());
    }
    assert!(encode(&Plane::filled(1024, 1024, 0), PixelCoding::Raw, 60).is_err());
    let bomb = zstd_bomb();
    assert!(decode(&bomb, PixelCoding::RawZstd, 96, 96).is_err());
}

fn zstd_bomb() -> Vec<u8> {
    zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap()
}

#[test]
fn a_truncated_picture_is_an_error() {
    media::init();
    for coding in CODINGS {
        let bytes = encode(&textured(96, 96), coding, 60).unwrap();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], coding, 96, 96).is_err(), "{coding:?} cut at {length} of {}", bytes.len());
        }
    }
}

#[test]
fn flipped_bits_and_garbage_give_an_error_or_a_picture_of_the_size_due() {
    media::init();
    let mut random = random_numbers(42);
    for coding in CODINGS {
        let bytes = encode(&textured(96, 96), coding, 60).unwrap();
        for round in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + round % 8 {
                let at = if round % 3 == 0 { random() % damaged.len().min(64) } else { random() % damaged.len() };
                damaged[at] ^= 1 << (random() % 8);
            }
            if let Ok(plane) = decode(&damaged, coding, 96, 96) {
                assert_eq!((plane.width(), plane.height()), (96, 96));
            }
        }
        for length in 0..200 {
            let garbage: Vec<u8> = (0..length).map(|_| random() as u8).collect();
            let _ = decode(&garbage, coding, 96, 96);
        }
    }
}
