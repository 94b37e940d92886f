//! Where a viewer begins, and how publishers are asked for that.

use super::stage::*;
use crate::room::{Input, Origin, PeerId, Rendition, TrackKind};

#[test]
fn video_begins_at_a_key_frame_and_sound_at_once() {
    let mut stage = Stage::with_source();
    stage.viewer(VIEWER, Rendition::Source);
    stage.video(SOURCE, 11, 93_000, DELTA).audio(SOURCE, 500, 960).audio(SOURCE, 501, 1_920);
    stage.video(SOURCE, 12, 96_000, KEY).video(SOURCE, 13, 99_000, DELTA);
    let expected =
        ["key frame of 1", "7: audio #1 @960", "7: audio #2 @1920", "7: video #1 @96000 key", "7: video #2 @99000"];
    assert_eq!(stage.sent(), expected);
}

#[test]
fn neither_a_later_slice_of_a_key_frame_nor_one_without_its_parameter_sets_is_a_beginning() {
    let mut stage = Stage::with_source();
    stage.viewer(VIEWER, Rendition::Source);
    stage.packet(SOURCE, TrackKind::Video, 11, 93_000, false, &[0x68, 2]);
    stage.packet(SOURCE, TrackKind::Video, 12, 93_000, false, IDR);
    stage.packet(SOURCE, TrackKind::Video, 13, 93_000, true, IDR);
    // 14, perhaps with parameter sets, is missing.
    stage.video(SOURCE, 15, 96_000, IDR);
    stage.video(SOURCE, 16, 99_000, IDR);
    assert_eq!(stage.sent(), ["key frame of 1", "7: video #1 @99000 key"]);
}

#[test]
fn gaps_stay_gaps_repairs_find_their_place_and_duplicates_go_nowhere() {
    let mut stage = Stage::new();
    stage.publisher(SOURCE, Origin::Source).viewer(VIEWER, Rendition::Source).video(SOURCE, 65_535, 93_000, KEY);
    stage.forget();
    for (sequence, timestamp) in [(2, 102_000), (2, 102_000), (0, 96_000), (65_534, 90_500), (0, 96_000), (3, 105_000)]
    {
        stage.video(SOURCE, sequence, timestamp, DELTA);
    }
    let expected = ["7: video #4 @102000", "7: video #2 @96000", "7: video #5 @105000"];
    assert_eq!(stage.sent(), expected);
    assert_eq!(stage.room.statistics(stage.now).packets_dropped_duplicate, 2);
}

#[test]
fn a_publisher_is_asked_at_most_twice_a_second_and_nobody_is_forgotten() {
    let mut stage = Stage::with_source();
    stage.at(100).viewer(VIEWER, Rendition::Source);
    stage.at(150).viewer(PeerId(8), Rendition::Auto);
    stage.at(200).input(Input::PairerKeyframeRequest);
    assert_eq!(stage.at(599).sent(), ["key frame of 1"]);
    assert_eq!(stage.at(600).sent(), ["key frame of 1"]);
    assert_eq!(stage.at(1_900).sent(), [""; 0], "nothing came from the publisher that anybody could wait at");
    stage.video(SOURCE, 11, 93_000, DELTA);
    assert_eq!(stage.sent(), ["key frame of 1"], "both still wait");
    stage.at(2_000).input(Input::KeyframeRequest { peer: VIEWER }).video(SOURCE, 12, 96_000, KEY);
    stage.at(3_000);
    let expected = ["7: video #1 @96000 key", "8: video #1 @96000 key"];
    assert_eq!(stage.sent(), expected, "the key frame answers the request that was not sent yet");
}

#[test]
fn a_publisher_without_video_so_far_is_asked_when_it_sends_some() {
    let mut stage = Stage::new();
    stage.viewer(VIEWER, Rendition::Source).publisher(SOURCE, Origin::Source);
    assert_eq!(stage.at(1_000).sent(), [""; 0]);
    stage.video(SOURCE, 1, 0, DELTA);
    assert_eq!(stage.sent(), ["key frame of 1"]);
}

#[test]
fn a_viewer_that_left_gets_nothing() {
    let mut stage = Stage::with_source();
    stage.viewer(VIEWER, Rendition::Source).input(Input::ViewerLeft { peer: VIEWER });
    stage.input(Input::KeyframeRequest { peer: VIEWER }).video(SOURCE, 11, 93_000, KEY);
    assert_eq!(stage.sent(), ["key frame of 1"]);
}
