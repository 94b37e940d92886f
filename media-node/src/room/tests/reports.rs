//! Sender reports of outgoing tracks.

use super::stage::*;
use crate::room::{Input, Origin, PeerId, Rendition, TrackKind};

/// The publisher says that `rtp_timestamp` was at `seconds` of NTP time.
fn report(stage: &mut Stage, peer: PeerId, kind: TrackKind, seconds: u64, rtp_timestamp: u32) {
    stage.input(Input::PublisherSenderReport { peer, kind, ntp: seconds << 32, rtp_timestamp });
}

#[test]
fn a_report_follows_the_first_packet_and_then_every_second() {
    let mut stage = Stage::with_source();
    report(&mut stage, SOURCE, TrackKind::Video, 1_000, 90_000);
    stage.viewer(VIEWER, Rendition::Source);
    stage.forget();
    stage.at(100).video(SOURCE, 11, 99_000, KEY);
    stage.at(600).video(SOURCE, 12, 144_000, DELTA);
    stage.at(1_099).video(SOURCE, 13, 188_910, DELTA);
    stage.at(1_100).video(SOURCE, 14, 189_000, DELTA);
    let expected = [
        "7: video #1 @99000 key",
        "7: Video report 1000.100 s @99000, 1 packets, 9 bytes",
        "7: video #2 @144000",
        "7: video #3 @188910",
        "7: video #4 @189000",
        "7: Video report 1001.100 s @189000, 4 packets, 15 bytes",
    ];
    assert_eq!(stage.sent(), expected);
}

#[test]
fn without_a_report_of_this_session_for_this_track_there_is_none() {
    let mut stage = Stage::with_source();
    stage.viewer(VIEWER, Rendition::Source);
    report(&mut stage, SOURCE, TrackKind::Audio, 1_000, 0);
    stage.video(SOURCE, 11, 93_000, KEY).audio(SOURCE, 1, 960);
    report(&mut stage, SOURCE, TrackKind::Audio, 1_000, 960);
    stage.audio(SOURCE, 2, 1_920);
    let expected = [
        "key frame of 1",
        "7: video #1 @93000 key",
        "7: audio #1 @960",
        "7: audio #2 @1920",
        "7: Audio report 1000.020 s @1920, 2 packets, 2 bytes",
    ];
    assert_eq!(stage.sent(), expected);
    stage.at(1_500).publisher(PeerId(3), Origin::Source).audio(PeerId(3), 1, 0);
    assert_eq!(stage.sent(), ["7: audio #3 @73920"], "another session may be of another clock");
}

#[test]
fn enhanced_video_has_the_clock_of_the_source() {
    let mut stage = Stage::with_source();
    stage.publisher(ENHANCER, Origin::Enhanced).viewer(VIEWER, Rendition::Enhanced);
    report(&mut stage, SOURCE, TrackKind::Video, 1_000, 0);
    report(&mut stage, ENHANCER, TrackKind::Video, 5, 0);
    stage.video(ENHANCER, 1, 90_000, KEY);
    let expected = ["7: video #1 @90000 key", "7: Video report 1001.000 s @90000, 1 packets, 9 bytes"];
    assert_eq!(stage.sent(), expected);
}
