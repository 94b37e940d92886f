//! What the learning half hears.

use proto::v1::{PatchChannelMessage, PatchControl, PublisherHello, PublisherPatch, patch_channel_message::Kind};

use super::stage::*;
use crate::room::{Input, Origin, PeerId, TrackKind};

fn message(stage: &mut Stage, peer: PeerId, kind: Option<Kind>) {
    stage.input(Input::PublisherMessage { peer, message: Box::new(PatchChannelMessage { kind }) });
}

fn hello() -> Option<Kind> {
    Some(Kind::Hello(PublisherHello::default()))
}

fn patch(sequence: u64, rtp_timestamp: u32) -> Option<Kind> {
    Some(Kind::Patch(PublisherPatch { sequence, rtp_timestamp, ..PublisherPatch::default() }))
}

#[test]
fn frames_are_told_whole_and_losses_too() {
    let mut stage = Stage::new();
    stage.input(Input::WallClock { unix_us: 1_000_000_000 }).publisher(SOURCE, Origin::Source);
    stage.at(100).packet(SOURCE, TrackKind::Video, 10, 90_000, false, KEY);
    stage.packet(SOURCE, TrackKind::Video, 11, 90_000, true, IDR);
    stage.input(Input::PublisherSenderReport {
        peer: SOURCE,
        kind: TrackKind::Video,
        ntp: (2_208_988_800 + 2_000) << 32,
        rtp_timestamp: 0,
    });
    stage.at(200).video(SOURCE, 13, 99_000, DELTA).video(SOURCE, 12, 96_000, DELTA);
    for newer in 0..130_u16 {
        stage.video(SOURCE, 15 + newer, 102_000, DELTA);
    }
    let expected = [
        "learn: session-1 started",
        "event: session-1 connected",
        "learn: frame @90000 captured 1000100000 key, 18 bytes",
        "learn: frame @96000 captured 2001066667, 6 bytes",
        "learn: frame @99000 captured 2001100000, 6 bytes",
        "learn: frames lost",
    ];
    assert_eq!(stage.said()[..6], expected);
}

#[test]
fn patches_are_told_in_stream_time() {
    let mut stage = Stage::new();
    stage.publisher(SOURCE, Origin::Source).at(50).video(SOURCE, 1, 90_000, KEY);
    stage.at(1_000).publisher(PeerId(3), Origin::Source).at(1_050).video(PeerId(3), 1, 3_000_000_000, KEY);
    message(&mut stage, PeerId(3), hello());
    stage.forget();
    message(&mut stage, PeerId(3), patch(5, 3_000_009_000));
    message(&mut stage, PeerId(3), patch(6, 2_999_991_000));
    let expected =
        ["learn: patch 5 of session-3 @189000 captured 1150000", "learn: patch 6 of session-3 @171000 captured 950000"];
    assert_eq!(stage.said(), expected);
}

#[test]
fn messages_that_make_no_sense_are_refused() {
    let mut stage = Stage::new();
    stage.publisher(SOURCE, Origin::Source).publisher(ENHANCER, Origin::Enhanced);
    stage.forget();
    message(&mut stage, SOURCE, patch(1, 90_000));
    message(&mut stage, SOURCE, hello());
    message(&mut stage, SOURCE, patch(2, 90_000));
    stage.video(SOURCE, 1, 90_000, KEY);
    message(&mut stage, SOURCE, patch(3, 90_000 + 180_001));
    message(&mut stage, SOURCE, patch(4, 90_000_u32.wrapping_sub(900_001)));
    message(&mut stage, SOURCE, Some(Kind::Control(PatchControl::default())));
    message(&mut stage, SOURCE, None);
    message(&mut stage, ENHANCER, hello());
    message(&mut stage, VIEWER, hello());
    let expected = [
        "learn: refused, patch before hello",
        "learn: session-1 says hello",
        "learn: refused, timestamp unknown",
        "event: session-1 connected",
        "learn: frame @90000 captured 0, 12 bytes",
        "learn: refused, timestamp unknown",
        "learn: refused, timestamp unknown",
        "learn: refused, message of the other direction",
        "learn: refused, empty message",
        "learn: refused, not a publisher of the source",
        "learn: refused, not a publisher of the source",
    ];
    assert_eq!(stage.said(), expected);
}
