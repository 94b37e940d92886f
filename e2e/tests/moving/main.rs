//! A stream moves from one media-node to another, and nobody who watches notices.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod follower;
mod front;
mod page;
mod stage;

use std::time::{Duration, Instant};

use e2e::{Publisher, Viewer, alone, clip, eventually, within};
use follower::Follower;
use stage::Stage;
use webrtc_client::{ViewOptions, ViewerEvent};

const RATES: [&str; 4] = ["--video-kbps", "360", "--patch-kbps", "40"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_goes_on_when_the_media_node_is_asked_to_end() {
    let _alone = alone().await;
    let (stage, mut old) = Stage::with_node().await;
    let log = stage.folder.path().join("frames.csv");
    let options = [&RATES[..], &["--frame-log", log.to_str().unwrap()]].concat();
    let publisher = Publisher::start(&stage.public.url("/whip"), &clip(), &options);
    let follower = Follower::start(&stage.public.url("/whep"));
    let viewer = Viewer::start(&stage.public.url("/whep"), "source");
    viewer.shows(30, 24).await;
    follower.shows(30, 24).await;
    stage.status_where(30, "patches are paired", |status| status.learning.patches_accepted > 0).await;

    let successor = stage.node().await;
    old.part.terminate();
    viewer.shows(10, 24).await;
    stage.lead_to(&successor);
    let switched = Instant::now();
    old.part.ends_well(10).await;
    eprintln!("the old one ended {:?} after the switch", switched.elapsed());
    viewer.shows(10, 48).await;
    follower.shows(10, 48).await;
    stage.status_where(10, "patches are paired again", |status| status.learning.patches_accepted > 0).await;

    let shown = follower.end().await;
    let gap = shown.longest_gap(&log);
    eprintln!(
        "{} of {} frames missing, {:?} without any",
        gap.frames_missing, gap.frames_published, gap.longest_silence
    );
    assert!(gap.seconds < 5.0, "{gap:?}");
    let (published, watched) = (publisher.stats(), viewer.stats());
    assert_eq!((published.sessions, published.moves), (2, 1));
    assert_eq!((watched.moves, watched.reconnects), (1, 0));
    viewer.end().await;
    publisher.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_follow_is_closed_and_finds_the_same_address_working() {
    let _alone = alone().await;
    let (stage, mut old) = Stage::with_node().await;
    let _publisher = stage.publish().await;
    let options =
        || ViewOptions { url: stage.public.url("/whep"), token: None, audio: false, timeout: Duration::from_secs(5) };
    let (viewer, mut events) = webrtc_client::Viewer::connect(options()).await.unwrap();
    let successor = stage.node().await;
    stage.lead_to(&successor);
    old.part.terminate();
    old.part.ends_well(10).await;
    let ended = Instant::now();
    while !matches!(events.recv().await, Some(ViewerEvent::Closed { .. }) | None) {}
    let closed = ended.elapsed();
    drop(viewer);
    // The publisher may need a moment to move.
    let (_viewer, mut events) =
        within(20, "it can be watched again", async || webrtc_client::Viewer::connect(options()).await.ok()).await;
    while !matches!(events.recv().await.expect("the session goes on"), ViewerEvent::Video(_)) {}
    eprintln!("closed {closed:?}, video again {:?} after the end", ended.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enhanced_goes_on_and_no_accepted_checkpoint_is_lost() {
    let _alone = alone().await;
    let (stage, mut old) = Stage::with_node().await;
    let _enhancer = stage.enhancer();
    let mut trainer = stage.trainer();
    let publisher = Publisher::start(&stage.public.url("/whip"), &clip(), &RATES);
    let viewer = Viewer::start(&stage.public.url("/whep"), "enhanced");
    viewer.shows(60, 24).await;
    stage.status_where(120, "a checkpoint is live", |status| status.learning.live_version > 1).await;

    let successor = stage.node().await;
    let before = viewer.stats();
    stage.lead_to(&successor);
    let accepted = stage.accepted(&old).await;
    old.part.terminate();
    old.part.ends_well(10).await;
    viewer.shows(10, 48).await;
    stage.status_where(10, "it is live", |status| status.learning.live_version >= accepted).await;
    let after = viewer.stats();
    eprintln!("enhanced: {:.1} s frozen", after.frozen_seconds - before.frozen_seconds);
    assert_eq!((after.moves, after.reconnects), (1, 0));
    assert_eq!(publisher.stats().moves, 1);
    trainer.terminate();
    trainer.ends_well(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enhancer_hands_over_to_another_one() {
    let _alone = alone().await;
    let (stage, _node) = Stage::with_node().await;
    let mut first = stage.enhancer();
    let _publisher = Publisher::start(&stage.public.url("/whip"), &clip(), &RATES);
    let viewer = Viewer::start(&stage.public.url("/whep"), "enhanced");
    viewer.shows(60, 48).await;
    let before = viewer.stats();
    first.terminate();
    let _second = stage.enhancer();
    first.ends_well(20).await;
    viewer.shows(10, 48).await;
    let after = viewer.stats();
    eprintln!("enhanced: {:.1} s frozen", after.frozen_seconds - before.frozen_seconds);
    assert_eq!((after.moves, after.reconnects), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kill_9_the_source_is_back_at_a_successor_within_seconds() {
    let _alone = alone().await;
    let (stage, old) = Stage::with_node().await;
    let publisher = Publisher::start(&stage.public.url("/whip"), &clip(), &RATES);
    let follower = Follower::start(&stage.public.url("/whep"));
    follower.shows(30, 24).await;
    let successor = stage.node().await;
    old.part.kill();
    stage.lead_to(&successor);
    eventually(10, "the publisher is back", || publisher.stats().sessions == 2).await;
    follower.shows(10, 24).await;
    eprintln!("nothing for {:?}", follower.end().await.longest_silence());
}
