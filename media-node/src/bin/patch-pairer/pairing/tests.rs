use media::{Encoder, EncoderSettings, Picture, still};
use proptest::prelude::*;
use prost::Message;
use proto::v1::Selection;

use super::*;

const SCALE: u32 = 2;
const LR_SIZE: (usize, usize) = (160, 96);
const FRAME_TICKS: u64 = 3000;

/// A picture of drifting texture: no two frames alike, each like its neighbours.
fn hr_picture(index: usize) -> Picture {
    let (width, height) = (LR_SIZE.0 * 2, LR_SIZE.1 * 2);
    let luma = |x: usize, y: usize| {
        let (x, y) = ((x + 7 * index) as f64, y as f64);
        (128.0 + 50.0 * (x / 9.0).sin() + 30.0 * ((x + 2.0 * y) / 5.0).cos() + 20.0 * (y / 3.0).sin()) as u8
    };
    let samples = (0..height).flat_map(|y| (0..width).map(move |x| luma(x, y))).collect();
    let chroma = Plane::filled(width / 2, height / 2, 128);
    Picture { y: Plane::new(width, height, samples).unwrap(), u: chroma.clone(), v: chroma }
}

/// A publisher, and what its viewers decode.
struct Publisher {
    encoder: Encoder,
    decoder: Decoder,
    decoded: Vec<Plane>,
}

impl Publisher {
    fn new() -> Self {
        media::init();
        let settings = EncoderSettings {
            encoder: "libx264".to_owned(),
            width: LR_SIZE.0,
            height: LR_SIZE.1,
            frame_rate: (30, 1),
            bitrate_kbps: 2000,
            preset: "superfast".to_owned(),
            threads: 1,
            keyframe_interval: None,
        };
        Self { encoder: Encoder::open(&settings).unwrap(), decoder: Decoder::h264(1).unwrap(), decoded: Vec::new() }
    }

    fn access_unit(&mut self, index: usize, keyframe: bool) -> ToPairer {
        let lr = hr_picture(index).area_downscale(SCALE as usize);
        let unit = self.encoder.encode(&lr, index as u64 * FRAME_TICKS, keyframe).unwrap().unwrap();
        self.decoded
            .extend(self.decoder.decode(&unit.data, unit.timestamp).unwrap().into_iter().map(|frame| frame.picture.y));
        let unit = AccessUnit { stream_time: unit.timestamp, keyframe: unit.keyframe, data: unit.data };
        ToPairer { kind: Some(ToPairerKind::AccessUnit(unit)) }
    }

    fn hr(&self, index: usize, rect: Rect) -> Plane {
        let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(|side| side as usize);
        hr_picture(index).y.crop(x, y, width, height).unwrap()
    }

    fn bicubic(&self, index: usize, rect: Rect) -> Plane {
        let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(|side| side as usize);
        sr_net::bicubic(&self.decoded[index], SCALE as usize).crop(x, y, width, height).unwrap()
    }
}

const RECT: Rect = Rect { x: 96, y: 48, width: 96, height: 96 };

fn raw(rect: Rect, luma: &Plane) -> PublisherPatch {
    PublisherPatch {
        sequence: 5,
        rect: Some(rect),
        coding: PixelCoding::Raw.into(),
        luma: luma.samples().to_vec().into(),
        selection: Selection::Random.into(),
        ..Default::default()
    }
}

fn patch(index: usize, patch: PublisherPatch) -> ToPairer {
    patch_at(index as u64 * FRAME_TICKS, patch)
}

fn patch_at(stream_time: u64, patch: PublisherPatch) -> ToPairer {
    let session = "s".to_owned();
    let received = ReceivedPatch { session, stream_time, captured_at_unix_us: 7, scale: SCALE, patch: Some(patch) };
    ToPairer { kind: Some(ToPairerKind::Patch(received)) }
}

fn lost() -> ToPairer {
    ToPairer { kind: Some(ToPairerKind::FramesLost(Default::default())) }
}

/// A pairer that has decoded `count` frames of a publisher.
fn with_frames(count: usize) -> (Publisher, Pairer) {
    let (mut publisher, mut pairer) = (Publisher::new(), Pairer::new().unwrap());
    for index in 0..count {
        assert_eq!(pairer.handle(publisher.access_unit(index, false)), []);
    }
    (publisher, pairer)
}

fn drop_reasons(answers: Vec<FromPairer>) -> Vec<DropReason> {
    let reason = |answer: FromPairer| match answer.kind {
        Some(FromPairerKind::Dropped(dropped)) => dropped.reason(),
        other => panic!("not dropped: {other:?}"),
    };
    answers.into_iter().map(reason).collect()
}

fn paired(answers: Vec<FromPairer>) -> Paired {
    match answers.as_slice() {
        [FromPairer { kind: Some(FromPairerKind::Pair(paired)) }] => paired.clone(),
        other => panic!("not one pair: {other:?}"),
    }
}

#[test]
fn a_patch_is_paired_with_the_decoded_frame_of_its_time() {
    let (publisher, mut pairer) = with_frames(6);
    let answer = paired(pairer.handle(patch(3, raw(RECT, &publisher.hr(3, RECT)))));
    let pair = answer.patch.unwrap();
    let lr = publisher.decoded[3].crop(48 - 8, 24 - 8, 48 + 16, 48 + 16).unwrap();
    assert_eq!(pair.lr_luma, lr.samples());
    assert_eq!(pair.hr_luma, publisher.hr(3, RECT).samples());
    assert_eq!([pair.margin_left, pair.margin_top, pair.margin_right, pair.margin_bottom], [8, 8, 8, 8]);
    assert_eq!(
        (pair.stream_time, pair.captured_at_unix_us, pair.scale, answer.sequence),
        (3 * FRAME_TICKS, 7, SCALE, 5)
    );
    assert_eq!(pair.phash, sr_net::phash(&publisher.decoded[3]));
    let psnr_db = sr_net::psnr_db(&publisher.hr(3, RECT), &publisher.bicubic(3, RECT));
    assert_eq!(pair.bicubic_psnr_millidecibels, (psnr_db * 1000.0).round() as u32);
    assert_eq!((answer.frame_width, answer.frame_height), (160, 96));
}

#[test]
fn at_the_edge_of_the_picture_the_margin_ends_and_bicubic_is_still_that_of_the_whole_frame() {
    let (publisher, mut pairer) = with_frames(3);
    for (rect, margins) in [
        (Rect { x: 0, y: 0, width: 96, height: 96 }, [0, 0, 8, 8]),
        (Rect { x: 224, y: 96, width: 96, height: 96 }, [8, 8, 0, 0]),
        (Rect { x: 4, y: 8, width: 304, height: 176 }, [2, 4, 6, 4]),
    ] {
        let pair = paired(pairer.handle(patch(1, raw(rect, &publisher.hr(1, rect))))).patch.unwrap();
        assert_eq!([pair.margin_left, pair.margin_top, pair.margin_right, pair.margin_bottom], margins);
        let psnr_db = sr_net::psnr_db(&publisher.hr(1, rect), &publisher.bicubic(1, rect));
        assert_eq!(pair.bicubic_psnr_millidecibels, (psnr_db * 1000.0).round() as u32);
    }
}

/// HR − bicubic + 128.
fn residual_of(hr: &Plane, bicubic: &Plane) -> Plane {
    let mut residual = bicubic.clone();
    for (sample, hr) in residual.samples_mut().iter_mut().zip(hr.samples()) {
        *sample = (i16::from(*hr) - i16::from(*sample) + 128).clamp(0, 255) as u8;
    }
    residual
}

#[test]
fn a_residual_is_added_to_bicubic_of_the_decoded_frame() {
    let (publisher, mut pairer) = with_frames(3);
    let hr = publisher.hr(1, RECT);
    let residual = residual_of(&hr, &publisher.bicubic(1, RECT));
    for (coding, least_psnr_db) in [(PixelCoding::Png, 99.0), (PixelCoding::Webp, 30.0), (PixelCoding::Jpeg, 30.0)] {
        let luma = still::encode(&residual, coding, 80).unwrap().into();
        let sent = PublisherPatch { residual: true, coding: coding.into(), luma, ..raw(RECT, &hr) };
        let pair = paired(pairer.handle(patch(1, sent))).patch.unwrap();
        let decoded = Plane::new(96, 96, pair.hr_luma.to_vec()).unwrap();
        assert!(sr_net::psnr_db(&decoded, &hr) > least_psnr_db, "{coding:?}: {}", sr_net::psnr_db(&decoded, &hr));
    }
}

/// HR is made of the frame that it is compared with, so no likeness tells that it is the wrong one.
#[test]
fn a_residual_of_another_frame_is_dropped() {
    let (publisher, mut pairer) = with_frames(8);
    let (hr, bicubic) = (publisher.hr(3, RECT), publisher.bicubic(3, RECT));
    let luma = residual_of(&hr, &bicubic);
    let unchecked = PublisherPatch { residual: true, ..raw(RECT, &luma) };
    let sent = PublisherPatch { base_digest: Some(sr_net::digest(&bicubic)), ..unchecked.clone() };
    for index in [2, 4, 6] {
        assert_eq!(drop_reasons(pairer.handle(patch(index, sent.clone()))), [DropReason::OtherBase], "frame {index}");
    }
    assert_eq!(paired(pairer.handle(patch(3, sent.clone()))).patch.unwrap().hr_luma, hr.samples());
    assert_eq!(paired(pairer.handle(patch(3, unchecked))).sequence, 5, "a publisher that says nothing is believed");
    let whole = PublisherPatch { base_digest: Some(0), ..raw(RECT, &hr) };
    assert_eq!(paired(pairer.handle(patch(3, whole))).sequence, 5, "a patch that is no residual has no base");
}

#[test]
fn a_patch_may_come_before_its_frame() {
    let (mut publisher, mut pairer) = with_frames(2);
    let hr = publisher.hr(2, RECT);
    assert_eq!(pairer.handle(patch(2, raw(RECT, &hr))), []);
    assert_eq!(pairer.handle(publisher.access_unit(2, false)), [], "the frame after it is compared too");
    assert_eq!(paired(pairer.handle(publisher.access_unit(3, false))).sequence, 5);
}

#[test]
fn a_rectangle_off_the_grid_or_the_picture_is_dropped() {
    let (publisher, mut pairer) = with_frames(3);
    let sent = |rect| raw(rect, &publisher.hr(1, RECT));
    for (rect, reason) in [
        (Rect { x: 98, ..RECT }, DropReason::BadRect),
        (Rect { width: 0, ..RECT }, DropReason::BadRect),
        (Rect { x: 228, ..RECT }, DropReason::BadRect),
        (Rect { x: u32::MAX - 3, ..RECT }, DropReason::BadRect),
        (Rect { width: u32::MAX - 3, height: u32::MAX - 3, ..RECT }, DropReason::BadRect),
    ] {
        assert_eq!(drop_reasons(pairer.handle(patch(1, sent(rect)))), [reason], "{rect:?}");
    }
    let without = PublisherPatch { rect: None, ..sent(RECT) };
    assert_eq!(drop_reasons(pairer.handle(patch(1, without))), [DropReason::BadRect]);
}

#[test]
fn garbage_in_any_coding_is_dropped() {
    let (publisher, mut pairer) = with_frames(3);
    let (hr, small) = (publisher.hr(1, RECT), Plane::filled(32, 32, 128));
    let garbage: Vec<u8> = (0..4000_u32).map(|index| (index * index % 251) as u8).collect();
    for coding in [PixelCoding::Raw, PixelCoding::RawZstd, PixelCoding::Png, PixelCoding::Jpeg, PixelCoding::Webp] {
        let right = still::encode(&hr, coding, 80).unwrap();
        let cut_short = right[..right.len() / 3].to_vec();
        let other_size = still::encode(&small, coding, 80).unwrap();
        for luma in [garbage.clone(), cut_short, other_size, Vec::new()] {
            let sent = PublisherPatch { coding: coding.into(), luma: luma.into(), ..raw(RECT, &hr) };
            assert_eq!(drop_reasons(pairer.handle(patch(1, sent))), [DropReason::BadCoding], "{coding:?}");
        }
    }
    for coding in [0, 77] {
        let sent = PublisherPatch { coding, ..raw(RECT, &hr) };
        assert_eq!(drop_reasons(pairer.handle(patch(1, sent))), [DropReason::BadCoding]);
    }
    assert_eq!(paired(pairer.handle(patch(1, raw(RECT, &hr)))).sequence, 5, "a good one is still paired");
}

#[test]
fn mistimed_patches_are_dropped() {
    let (publisher, mut pairer) = with_frames(70);
    let sent = || raw(RECT, &publisher.hr(60, RECT));
    assert_eq!(
        drop_reasons(pairer.handle(patch_at(60 * FRAME_TICKS + 1, sent()))),
        [DropReason::FrameGone],
        "between frames"
    );
    assert_eq!(drop_reasons(pairer.handle(patch(2, sent()))), [DropReason::FrameGone], "older than 2 s");
    assert_eq!(drop_reasons(pairer.handle(patch(61, sent()))), [DropReason::Misaligned], "a frame too late");
    let inverted = Plane::new(96, 96, sent().luma.iter().map(|sample| 255 - sample).collect()).unwrap();
    assert_eq!(drop_reasons(pairer.handle(patch(60, raw(RECT, &inverted)))), [DropReason::Unlike]);
}

#[test]
fn after_a_loss_nothing_is_paired_until_the_next_key_frame() {
    let (mut publisher, mut pairer) = with_frames(3);
    let _never_arrives = publisher.access_unit(3, false);
    pairer.handle(lost());
    pairer.handle(publisher.access_unit(4, false));
    let hr = |publisher: &Publisher, index| raw(RECT, &publisher.hr(index, RECT));
    assert_eq!(drop_reasons(pairer.handle(patch(4, hr(&publisher, 4)))), [DropReason::NoKeyframe]);
    assert_eq!(paired(pairer.handle(patch(1, hr(&publisher, 1)))).sequence, 5, "what was decoded before is right");
    pairer.handle(publisher.access_unit(5, true));
    pairer.handle(publisher.access_unit(6, false));
    assert_eq!(paired(pairer.handle(patch(5, hr(&publisher, 5)))).sequence, 5);
}

#[test]
fn a_damaged_access_unit_asks_for_a_key_frame() {
    let (mut publisher, mut pairer) = with_frames(2);
    let damaged =
        AccessUnit { stream_time: 2 * FRAME_TICKS, keyframe: false, data: vec![0, 0, 0, 1, 0x65, 1, 2, 3].into() };
    let answers = pairer.handle(ToPairer { kind: Some(ToPairerKind::AccessUnit(damaged)) });
    assert!(
        matches!(answers.as_slice(), [FromPairer { kind: Some(FromPairerKind::KeyframeWanted(_)) }]),
        "{answers:?}"
    );
    for index in 2..5 {
        pairer.handle(publisher.access_unit(index, index == 3));
    }
    assert_eq!(paired(pairer.handle(patch(3, raw(RECT, &publisher.hr(3, RECT))))).sequence, 5);
}

#[test]
fn patches_that_wait_for_a_frame_are_bounded() {
    let (publisher, mut pairer) = with_frames(2);
    let answers: Vec<_> = (0..200).flat_map(|_| pairer.handle(patch(9, raw(RECT, &publisher.hr(1, RECT))))).collect();
    assert_eq!(drop_reasons(answers), [DropReason::TooManyWaiting; 200 - MAX_WAITING]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a publisher writes: an answer, and no more than a patch's memory.
    #[test]
    fn no_message_of_a_publisher_breaks_the_pairer(
        side in prop::array::uniform4(prop_oneof![Just(0_u32), Just(96), Just(u32::MAX), any::<u32>()]),
        coding in 0_i32..7,
        residual: bool,
        scale in 0_u32..6,
        luma in prop::collection::vec(any::<u8>(), 0..2000),
        stream_time in prop_oneof![Just(FRAME_TICKS), any::<u64>()],
    ) {
        let (_, mut pairer) = with_frames(3);
        let [x, y, width, height] = side;
        let rect = Some(Rect { x, y, width, height });
        let sent = PublisherPatch { rect, coding, residual, luma: luma.clone().into(), ..Default::default() };
        let received = ReceivedPatch { scale, stream_time, patch: Some(sent), ..Default::default() };
        pairer.handle(ToPairer { kind: Some(ToPairerKind::Patch(received)) });
        if let Ok(message) = ToPairer::decode(&*luma) {
            pairer.handle(message);
        }
        let unit = AccessUnit { stream_time, keyframe: true, data: luma.into() };
        pairer.handle(ToPairer { kind: Some(ToPairerKind::AccessUnit(unit)) });
    }
}
