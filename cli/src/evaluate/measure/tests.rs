//! Whole measurements of runs that are played on a stage, against what those on the stage saw.

mod ffmpeg;
mod stage;

use sr_net::{Plane, mse, psnr_of_mse_db, ssim};

use super::{
    super::{recording::Judged, report::ClipReport},
    measure,
};
use stage::{Play, Stage, Truth};

const MILLI: f64 = 1e-3;

fn measured(stage: &Stage) -> ClipReport {
    measure(&stage.recording, stage.folder.path(), false).unwrap()
}

/// PSNR of the mean squared error of these pictures, and their mean SSIM.
fn quality<'a>(frames: impl Iterator<Item = (&'a Plane, &'a Plane)>) -> (f64, f64) {
    let (mut errors, mut similarity, mut count) = (0.0, 0.0, 0.0);
    for (hr, picture) in frames {
        errors += mse(hr, picture);
        similarity += ssim(picture, hr);
        count += 1.0;
    }
    (psnr_of_mse_db(errors / count), similarity / count)
}

fn bicubic(lr: &Plane, scale: usize) -> Plane {
    sr_net::bicubic(lr, scale)
}

/// The report says of every second, of bicubic and enhanced, what the stage saw.
#[track_caller]
fn assert_true(stage: &Stage, report: &ClipReport) {
    let scale = usize::from(stage.recording.conditions.scale);
    let (mut on_source, mut on_enhanced): (Option<Plane>, Option<Plane>) = (None, None);
    for second in &report.seconds {
        let frames: Vec<&Truth> = stage.truth.iter().filter(|frame| frame.second == second.t as usize).collect();
        let both = frames
            .iter()
            .filter_map(|frame| Some((&frame.hr, bicubic(frame.source.as_ref()?, scale), frame.enhanced.as_ref()?)));
        let both: Vec<_> = both.collect();
        assert_eq!(second.frames_sent as usize, frames.iter().filter(|frame| frame.sent).count(), "{second:?}");
        assert_eq!(second.frames_compared as usize, both.len(), "{second:?}");
        let mut seen = (0.0, 0.0, 0.0);
        for frame in &frames {
            on_source = frame.source.as_ref().map(|lr| bicubic(lr, scale)).or(on_source);
            on_enhanced = frame.enhanced.clone().or(on_enhanced);
            seen.0 += mse(&frame.hr, on_source.as_ref().unwrap());
            seen.1 += mse(&frame.hr, on_enhanced.as_ref().unwrap());
            seen.2 += 1.0;
        }
        let as_seen = second.as_seen.unwrap();
        assert!((as_seen.source - psnr_of_mse_db(seen.0 / seen.2)).abs() < MILLI, "{second:?}");
        assert!((as_seen.enhanced - psnr_of_mse_db(seen.1 / seen.2)).abs() < MILLI, "{second:?}");
        let Some(compared) = second.compared else {
            assert!(both.is_empty(), "{second:?}");
            continue;
        };
        let (psnr, ssim) = quality(both.iter().map(|(hr, bicubic, _)| (*hr, bicubic)));
        assert!((compared.systems.bicubic.psnr_y_db - psnr).abs() < MILLI, "{second:?}: {psnr}");
        assert!((compared.systems.bicubic.ssim - ssim).abs() < MILLI, "{second:?}: {ssim}");
        let (psnr, ssim) = quality(both.iter().map(|(hr, _, enhanced)| (*hr, *enhanced)));
        assert!((compared.systems.enhanced.psnr_y_db - psnr).abs() < MILLI, "{second:?}: {psnr}");
        assert!((compared.systems.enhanced.ssim - ssim).abs() < MILLI, "{second:?}: {ssim}");
    }
}

#[track_caller]
fn assert_rivals_fill_the_uplink(report: &ClipReport) {
    assert!((report.rivals.overhead_bytes_a_packet - stage::OVERHEAD as f64).abs() < 1.0, "{:?}", report.rivals);
    for rival in [report.rivals.direct, report.rivals.bicubic_full] {
        let ratio = rival.total_kbps / report.uplink_kbps.total;
        assert!((0.985..1.015).contains(&ratio), "{:?} for {:?}", report.rivals, report.uplink_kbps);
    }
}

#[test]
fn an_enhancer_that_passes_bicubic_on_gains_nothing_over_bicubic_through_its_encoder() {
    let mut stage = Play::default().run();
    let judged = |after_us, withdrawn| {
        let unix_us = stage.recording.began_unix_us + after_us;
        Judged { unix_us, live_version: 7, withdrawn, gain_db: None }
    };
    stage.recording.judged = vec![judged(900_000, false), judged(2_100_000, true)];
    let report = measured(&stage);
    assert_true(&stage, &report);
    assert_rivals_fill_the_uplink(&report);
    assert_eq!(report.seconds.iter().map(|second| second.checkpoint_version).collect::<Vec<_>>(), [7, 7, 0]);
    let gains = report.mean.gains;
    assert!(gains.gain_encoded_db.abs() < 0.01, "{gains:?}");
    assert!(report.worst_second.gain_encoded_db.abs() < 0.01, "{:?}", report.worst_second);
    assert!(gains.gain_db < 0.0, "its encoder costs something: {gains:?}");
    assert!(gains.gain_full_db < 0.0, "and so do patches: {gains:?}");
    assert_eq!(report.share_of_seconds_below.bicubic_encoded_by_0_05_db, 0.0);
    for (delivery, delay) in
        [(report.delivery.source, stage::SOURCE_DELAY), (report.delivery.enhanced, stage::ENHANCED_DELAY)]
    {
        assert_eq!((delivery.frames_sent, delivery.frames_shown, delivery.freezes), (45, 45, 0));
        let p50 = delivery.delay_ms.unwrap().p50;
        assert!((p50 - delay.as_secs_f64() * 1000.0).abs() < 15.0, "{p50} ms instead of {delay:?}");
    }
}

#[test]
fn an_enhancer_that_does_worse_is_found_out() {
    let darker = |mut plane: Plane| {
        plane.samples_mut().iter_mut().for_each(|sample| *sample = sample.saturating_sub(4));
        plane
    };
    let stage = Play { enhance: darker, ..Play::default() }.run();
    let report = measured(&stage);
    assert_true(&stage, &report);
    assert!(report.mean.gains.gain_encoded_db < -0.1, "{:?}", report.mean.gains);
    assert_eq!(report.share_of_seconds_below.bicubic_encoded_by_0_05_db, 1.0);
}

#[test]
fn frames_that_the_publisher_left_out_are_seen_as_the_picture_before() {
    let stage = Play { drop_every: Some(10), ..Play::default() }.run();
    let report = measured(&stage);
    assert_true(&stage, &report);
    assert_rivals_fill_the_uplink(&report);
    assert!(report.mean.gains.gain_encoded_db.abs() < 0.01, "{:?}", report.mean.gains);
    assert_eq!((report.delivery.source.frames_sent, report.delivery.source.frames_shown), (41, 41));
    assert!(report.mean.as_seen.source < report.mean.systems.bicubic.psnr_y_db - 0.1, "{:?}", report.mean);
}

#[test]
fn what_viewers_lost_is_compared_nowhere_and_frozen_on_their_screens() {
    let stage = Play { loss_per_mille: 30, seconds: 6, ..Play::default() }.run();
    let report = measured(&stage);
    assert_true(&stage, &report);
    let (source, enhanced) = (report.delivery.source, report.delivery.enhanced);
    assert!(source.frames_shown < source.frames_sent && enhanced.frames_shown < enhanced.frames_sent, "{source:?}");
    assert!(report.mean.gains.gain_encoded_db.abs() < 0.05, "{:?}", report.mean.gains);
    assert!(report.mean.as_seen.enhanced < report.mean.systems.enhanced.psnr_y_db, "{:?}", report.mean);
}

#[test]
fn odd_sizes_are_measured_on_their_crop_at_each_scale() {
    for (scale, size) in [(2, (320, 180)), (3, (318, 180)), (4, (320, 176))] {
        let clip = "testsrc2=size=323x181:rate=15:duration=2";
        let stage = Play { clip, scale, seconds: 2, ..Play::default() }.run();
        let report = measured(&stage);
        assert_eq!((report.width, report.height), size);
        assert_true(&stage, &report);
        assert!(report.mean.gains.gain_encoded_db.abs() < 0.01, "x{scale}: {:?}", report.mean.gains);
    }
}

#[test]
fn cuts_and_the_repetition_of_the_clip_are_matched_frame_by_frame() {
    let clip = "testsrc2=size=320x192:rate=15:duration=0.8[a];mandelbrot=size=320x192:rate=15[b];[b]trim=duration=0.6,setpts=PTS-STARTPTS[c];[a][c]concat[out0]";
    let stage = Play { clip, clip_frames: 21, seconds: 3, ..Play::default() }.run();
    let report = measured(&stage);
    assert_true(&stage, &report);
    assert!(report.mean.gains.gain_encoded_db.abs() < 0.01, "{:?}", report.mean.gains);
}
