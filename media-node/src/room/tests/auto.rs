//! Viewers of `auto`, on their ways between source and enhanced.

use super::stage::*;
use crate::room::{Input, Origin, Rendition};

/// A viewer of `auto` that gets the source, whose last frame was at 180,000 and 1 s.
fn watching_source() -> Stage {
    let mut stage = Stage::with_source();
    stage.viewer(VIEWER, Rendition::Auto);
    stage.at(1_000).video(SOURCE, 11, 180_000, KEY);
    stage.publisher(ENHANCER, Origin::Enhanced);
    stage.forget();
    stage
}

/// The same viewer, on enhanced from 186,000 on, at 1,120 ms.
fn watching_enhanced() -> Stage {
    let mut stage = watching_source();
    stage.at(1_020).video(ENHANCER, 1, 180_000, KEY);
    stage.at(1_033).video(SOURCE, 12, 183_000, DELTA);
    stage.at(1_066).video(SOURCE, 13, 186_000, DELTA).video(ENHANCER, 2, 183_000, DELTA);
    stage.at(1_120).video(ENHANCER, 3, 186_000, KEY);
    stage.forget();
    stage
}

#[test]
fn it_stops_at_a_source_frame_until_an_enhanced_key_frame_is_later() {
    let mut stage = watching_source();
    stage.at(1_020).video(ENHANCER, 1, 180_000, KEY);
    assert_eq!(stage.sent(), [""; 0], "not later than what was sent");
    stage.at(1_033).video(SOURCE, 12, 183_000, DELTA);
    assert_eq!(stage.sent(), [""; 0], "held: the enhancer could never be later otherwise");
    stage.at(1_066).video(ENHANCER, 2, 183_000, DELTA);
    assert_eq!(stage.sent(), ["key frame of 2"], "its next frame is late enough");
    stage.at(1_067).video(SOURCE, 13, 186_000, DELTA);
    stage.at(1_100).video(ENHANCER, 3, 186_000, KEY).video(SOURCE, 14, 189_000, DELTA);
    stage.at(1_133).video(ENHANCER, 4, 189_000, DELTA);
    assert_eq!(stage.sent(), ["7: video #2 @186000 key", "7: video #3 @189000"]);
}

#[test]
fn it_begins_with_enhanced_where_that_is_live() {
    let mut stage = Stage::with_source();
    stage.publisher(ENHANCER, Origin::Enhanced).video(ENHANCER, 1, 90_000, KEY);
    stage.forget();
    stage.viewer(VIEWER, Rendition::Auto).at(33).video(SOURCE, 11, 93_000, KEY);
    stage.at(60).video(ENHANCER, 2, 93_000, KEY);
    assert_eq!(stage.sent(), ["key frame of 2", "7: video #1 @93000 key"]);
}

#[test]
fn it_goes_back_when_enhanced_is_dead_for_half_a_second() {
    let mut stage = watching_enhanced();
    stage.at(1_619).video(SOURCE, 20, 234_000, KEY);
    assert_eq!(stage.sent(), [""; 0]);
    stage.at(1_620).video(SOURCE, 21, 237_000, DELTA);
    assert_eq!(stage.sent(), ["key frame of 1"]);
    stage.at(1_700).video(SOURCE, 22, 240_000, KEY).video(SOURCE, 23, 243_000, DELTA);
    assert_eq!(stage.sent(), ["7: video #3 @240000 key", "7: video #4 @243000"]);
}

#[test]
fn it_goes_back_at_once_when_the_enhancer_leaves() {
    let mut stage = watching_enhanced();
    stage.input(Input::PublisherLeft { peer: ENHANCER, reason: "gone".to_owned() });
    stage.at(1_133).video(SOURCE, 14, 189_000, DELTA);
    stage.at(1_166).video(SOURCE, 15, 192_000, KEY);
    assert_eq!(stage.sent(), ["key frame of 1", "7: video #3 @192000 key"]);
}

#[test]
fn it_does_not_wait_longer_for_enhanced_than_a_moment() {
    let mut stage = watching_source();
    stage.at(1_020).video(ENHANCER, 1, 180_000, KEY);
    let mut sequence = 11;
    for frame in 1..=30_u16 {
        stage.at(1_000 + u64::from(frame) * 33);
        sequence += 1;
        let timestamp = 180_000 + u32::from(frame) * 3_000;
        stage.video(SOURCE, sequence, timestamp, if frame == 28 { KEY } else { DELTA });
        stage.video(ENHANCER, 1 + frame, timestamp - 3_000, DELTA);
    }
    let expected = [
        "key frame of 2",
        "key frame of 2",
        "key frame of 1",
        "7: video #2 @264000 key",
        "7: video #3 @267000",
        "7: video #4 @270000",
    ];
    assert_eq!(stage.sent(), expected);
}

#[test]
fn it_does_not_change_to_an_enhancer_far_behind() {
    let mut stage = watching_source();
    stage.at(1_100).video(SOURCE, 12, 189_000, DELTA).video(SOURCE, 13, 216_000, DELTA);
    stage.video(ENHANCER, 1, 180_000, KEY).video(SOURCE, 14, 219_000, DELTA);
    assert_eq!(stage.sent(), ["7: video #2 @189000", "7: video #3 @216000", "7: video #4 @219000"]);
}
