//! Publisher sessions that come, go and take over.

use proto::status::FramesPerSecond;

use super::stage::*;
use crate::room::{Input, Origin, PeerId, Rendition, RoomStatistics, TrackKind};

#[test]
fn a_session_begins_to_be_live_with_its_first_packet_and_ends_two_seconds_after_its_last() {
    let mut stage = Stage::new();
    stage.publisher(SOURCE, Origin::Source);
    assert_eq!(stage.said(), ["learn: session-1 started"]);
    assert!(!stage.is_live(Origin::Source));
    stage.at(1_000).audio(SOURCE, 1, 0);
    assert_eq!(stage.said(), ["event: session-1 connected"]);
    assert!(stage.at(2_999).is_live(Origin::Source));
    assert_eq!(stage.said(), [""; 0]);
    assert!(!stage.at(3_000).is_live(Origin::Source));
    assert_eq!(stage.said(), ["event: session-1 gone, no packet for 2 s"]);
    stage.at(4_000).audio(SOURCE, 2, 960);
    assert_eq!(stage.said(), ["event: session-1 connected"], "the same session, live again");
    stage.input(Input::PublisherLeft { peer: SOURCE, reason: "deleted".to_owned() });
    assert_eq!(stage.said(), ["event: session-1 gone, deleted", "learn: session-1 ended"]);
    stage.audio(SOURCE, 3, 1_920);
    assert_eq!(stage.said(), [""; 0], "packets of a session that ended");
}

#[test]
fn another_session_takes_over_and_viewers_time_goes_on() {
    const NEXT: PeerId = PeerId(3);
    let mut stage = Stage::with_source();
    stage.viewer(VIEWER, Rendition::Source);
    stage.at(1_000).video(SOURCE, 11, 180_000, KEY).audio(SOURCE, 700, 48_000);
    stage.forget();
    stage.at(1_500).publisher(NEXT, Origin::Source);
    let takes_over =
        ["event: session-1 gone, another session took over", "learn: session-1 ended", "learn: session-3 started"];
    assert_eq!(stage.said(), takes_over);
    stage.input(Input::PublisherLeft { peer: SOURCE, reason: "late".to_owned() });
    stage.at(2_000).video(NEXT, 40_000, 7, KEY).audio(NEXT, 9, 1_234);
    stage.at(2_033).video(SOURCE, 12, 183_000, DELTA).video(NEXT, 40_001, 3_007, DELTA).audio(NEXT, 10, 2_194);
    let expected = ["7: video #2 @270000 key", "7: audio #2 @96000", "7: video #3 @273000", "7: audio #3 @96960"];
    assert_eq!(stage.sent(), expected);
}

#[test]
fn another_enhancer_takes_over_with_its_first_key_frame_and_until_then_the_one_before_is_shown() {
    const NEXT: PeerId = PeerId(3);
    let mut stage = Stage::with_source();
    stage.publisher(ENHANCER, Origin::Enhanced).viewer(VIEWER, Rendition::Enhanced);
    stage.at(20).video(ENHANCER, 1, 90_000, KEY);
    stage.at(33).publisher(NEXT, Origin::Enhanced).video(SOURCE, 11, 93_000, DELTA);
    stage.forget();
    stage.at(50).video(NEXT, 500, 93_000, DELTA).video(ENHANCER, 2, 93_000, DELTA);
    assert_eq!(stage.said(), ["key frame of 3", "7: video #2 @93000"]);
    stage.at(66).video(SOURCE, 12, 96_000, DELTA).video(NEXT, 501, 96_000, KEY).video(ENHANCER, 3, 96_000, DELTA);
    let handed_over = ["event: EnhancerGone", "end of 2", "event: EnhancerConnected", "7: video #3 @96000 key"];
    assert_eq!(stage.said()[1..], handed_over);
    stage.input(Input::PublisherLeft { peer: ENHANCER, reason: "closed".to_owned() });
    stage.at(100).video(SOURCE, 13, 99_000, DELTA).video(NEXT, 502, 99_000, DELTA);
    assert_eq!(stage.sent(), ["7: video #4 @99000"]);
}

#[test]
fn a_contender_that_goes_changes_nothing() {
    const NEXT: PeerId = PeerId(3);
    let mut stage = Stage::with_source();
    stage.publisher(ENHANCER, Origin::Enhanced).video(ENHANCER, 1, 90_000, KEY).publisher(NEXT, Origin::Enhanced);
    stage.forget();
    stage.input(Input::PublisherLeft { peer: NEXT, reason: "closed".to_owned() });
    assert!(stage.room.shows(ENHANCER) && !stage.room.shows(NEXT));
    assert_eq!(stage.said(), [""; 0]);
}

#[test]
fn enhanced_frames_must_be_of_times_that_the_source_had_within_two_seconds() {
    let mut stage = Stage::with_source();
    stage.publisher(ENHANCER, Origin::Enhanced).viewer(VIEWER, Rendition::Enhanced);
    assert_eq!(stage.said(), [""; 0]);
    stage.at(100).video(ENHANCER, 1, 90_000, KEY);
    stage.video(ENHANCER, 2, 93_000, DELTA);
    stage.at(1_900).video(SOURCE, 11, 96_000, DELTA);
    stage.at(2_001).video(ENHANCER, 3, 90_000, DELTA).video(ENHANCER, 4, 96_000, DELTA);
    assert_eq!(stage.sent(), ["7: video #1 @90000 key", "7: video #4 @96000"]);
    assert_eq!(stage.room.statistics(stage.now).packets_dropped_foreign_timestamp, 2);
}

#[test]
fn sound_comes_from_the_source_whatever_the_rendition() {
    let mut stage = Stage::with_source();
    stage.publisher(ENHANCER, Origin::Enhanced);
    stage.viewer(VIEWER, Rendition::Enhanced);
    stage.input(Input::ViewerJoined { peer: PeerId(8), rendition: Rendition::Auto, audio: false, internal: true });
    stage.forget();
    stage.audio(ENHANCER, 1, 0).audio(SOURCE, 5, 960);
    assert_eq!(stage.sent(), ["7: audio #1 @960"]);
}

#[test]
fn statistics_count_what_there_is() {
    let mut stage = Stage::with_source();
    stage.viewer(VIEWER, Rendition::Source);
    stage.input(Input::ViewerJoined { peer: PeerId(8), rendition: Rendition::Source, audio: false, internal: true });
    for frame in 1..=30_u16 {
        stage.at(u64::from(frame) * 40);
        let payload = if frame == 1 { KEY } else { DELTA };
        stage.video(SOURCE, 10 + frame, 90_000 + u32::from(frame) * 3_600, payload);
    }
    stage.packet(SOURCE, TrackKind::Video, 41, 207_600, false, DELTA).video(SOURCE, 41, 207_600, DELTA);
    let expected = RoomStatistics {
        publishing: true,
        enhanced_live: false,
        viewers: 1,
        frames_per_second: FramesPerSecond { source: 25.0, enhanced: 0.0 },
        packets_received: 33,
        packets_forwarded: 62,
        packets_dropped_duplicate: 1,
        packets_dropped_foreign_timestamp: 0,
        keyframe_requests: 1,
    };
    assert_eq!(stage.room.statistics(stage.now), expected);
}
