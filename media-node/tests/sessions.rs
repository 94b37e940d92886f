//! Publishers that come back, viewers that stay, losses that are repaired, renditions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bare_peer;
mod node;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bare_peer::BarePeer;
use node::{Audience, Node, Streaming, next_video, stream, until};
use proto::v1::{PatchChannelMessage, PublisherHello, patch_channel_message::Kind};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{sync::mpsc, task::JoinHandle};
use webrtc_client::{Publisher, PublisherEvent, SignallingError, ViewOptions, Viewer, ViewerEvent};

async fn live_source(node: &Node) -> Streaming {
    let (publisher, events) = node.publish().await;
    let streaming = stream(publisher, events);
    until("the source is live", async || node.status().await.publishing.then_some(())).await;
    streaming
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_publisher_waits_until_the_first_is_silent_and_the_same_one_takes_over() {
    let node = Node::start().await;
    let streaming = live_source(&node).await;
    for other in [Some("another"), None] {
        match node.try_publish(&node.url("/whip"), other).await {
            Err(SignallingError::Later { status: 409, after, .. }) => assert_eq!(after, Duration::from_secs(2)),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{other:?} was let in beside a live publisher"),
        }
    }
    let (publisher, events) = node.publish().await;
    let taken_over = stream(publisher, events);
    drop((streaming, taken_over));
    until("another one is let in after the silence", async || {
        node.try_publish(&node.url("/whip"), Some("another")).await.ok()
    })
    .await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_stay_when_the_publisher_comes_back_and_time_goes_on() {
    let node = Node::start().await;
    let streaming = live_source(&node).await;
    let (_viewer, mut events) = node.view("source").await;
    next_video(&mut events).await;
    drop(streaming);
    // The publisher's own timestamps and sequence numbers begin anew.
    let (publisher, publisher_events) = node.publish().await;
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, ViewerEvent::Closed { .. }));
    }
    let _streaming = stream(publisher, publisher_events);
    let first = next_video(&mut events).await;
    let mut last = first.clone();
    while last.arrived - first.arrived < Duration::from_secs(1) {
        let packet = next_video(&mut events).await;
        assert_eq!(packet.sequence, last.sequence.wrapping_add(1));
        let step = packet.timestamp.wrapping_sub(last.timestamp);
        let passed = (packet.arrived - last.arrived).as_secs_f64();
        assert!(f64::from(step) / 90_000.0 < passed + 1.0, "time jumps by {step} within {passed} s");
        last = packet;
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_with_three_percent_loss_misses_nothing_in_the_end() {
    let node = Node::start().await;
    let _streaming = live_source(&node).await;
    let (_other, events) = node.view("source").await;
    let other = Audience::of(events).await;
    let mut lossy = BarePeer::connect(&node.url("/whep"), false).await;
    lossy.loses = Some((0.03, StdRng::seed_from_u64(3)));
    lossy.run_until("five hundred packets", |peer| peer.packets > 500).await;
    lossy.loses = None;
    assert!(!lossy.video_sequences.is_sorted(), "some packets came late, by retransmission");
    let misses_nothing = |peer: &BarePeer| {
        let sequences: BTreeSet<u16> = peer.video_sequences.iter().copied().collect();
        sequences.len() == usize::from(sequences.last().unwrap() - sequences.first().unwrap()) + 1
    };
    lossy.run_until("all that was lost is sent again", misses_nothing).await;
    other.misses_nothing(100).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_reads_nothing_costs_the_others_nothing() {
    let node = Node::start().await;
    let _streaming = live_source(&node).await;
    let _stuck = BarePeer::connect(&node.url("/whep"), false).await;
    let (_viewer, mut events) = node.view("source").await;
    let mut last = next_video(&mut events).await;
    let end = Instant::now() + Duration::from_secs(3);
    while last.arrived < end {
        let packet = next_video(&mut events).await;
        assert_eq!(packet.sequence, last.sequence.wrapping_add(1));
        assert!(packet.arrived - last.arrived < Duration::from_secs(2), "nothing comes for a while");
        last = packet;
    }
    node.end().await;
}

/// Stands in for the enhancer: every frame it gets goes back under the same timestamp, a key frame when asked for.
async fn enhance(node: &Node) -> JoinHandle<()> {
    let (viewer, mut frames) = node.view_url(&node.internal_url("/whep/source")).await;
    let (publisher, mut events): (Publisher, _) =
        node.try_publish(&node.internal_url("/whip/enhanced"), Some("enhancer")).await.unwrap();
    tokio::spawn(async move {
        let _viewer: Viewer = viewer;
        let mut keyframe_wanted = true;
        while let Some(event) = frames.recv().await {
            let ViewerEvent::Video(packet) = event else { continue };
            while let Ok(event) = events.try_recv() {
                keyframe_wanted |= matches!(event, PublisherEvent::KeyframeWanted);
            }
            if packet.marker {
                let unit = node::access_unit(keyframe_wanted, 9000);
                keyframe_wanted = !publisher.send_video(&unit, packet.timestamp);
            }
        }
    })
}

async fn frame_bytes(events: &mut mpsc::Receiver<ViewerEvent>) -> usize {
    let mut bytes = 0;
    loop {
        let packet = next_video(events).await;
        bytes += packet.payload.len();
        if packet.marker {
            return bytes;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enhanced_frames_reach_viewers_of_enhanced_and_auto_and_auto_falls_back() {
    let node = Node::start().await;
    let _streaming = live_source(&node).await;
    let (_auto, mut auto) = node.view("auto").await;
    let source_bytes = frame_bytes(&mut auto).await;
    assert!(source_bytes < 5000, "the source, while there is nothing better: {source_bytes}");
    let not_yet = ViewOptions {
        url: node.url("/whep?rendition=enhanced"),
        token: None,
        audio: false,
        timeout: Duration::from_secs(5),
    };
    assert!(matches!(Viewer::connect(not_yet).await, Err(SignallingError::Later { status: 409, .. })));

    let enhancer = enhance(&node).await;
    let (_enhanced, mut enhanced) = node.view("enhanced").await;
    let first = next_video(&mut enhanced).await;
    assert_eq!(first.payload[0] & 0x1f, 24, "from a key frame on");
    assert!(
        until("enhanced frames", async || Some(frame_bytes(&mut enhanced).await).filter(|bytes| *bytes > 8000)).await
            > 0
    );
    until("auto changes over", async || (frame_bytes(&mut auto).await > 8000).then_some(())).await;
    until("the status says so, and does not count the enhancer", async || {
        let status = node.status().await;
        (status.viewers == 2 && status.enhanced_live).then_some(())
    })
    .await;

    enhancer.abort();
    until("auto falls back", async || (frame_bytes(&mut auto).await < 5000).then_some(())).await;
    until("sound never passed through the enhancer", async || {
        matches!(enhanced.recv().await, Some(ViewerEvent::Audio(_))).then_some(())
    })
    .await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_are_told_when_the_node_ends() {
    let node = Node::start().await;
    let _streaming = live_source(&node).await;
    let mut viewer = BarePeer::connect(&node.url("/whep"), false).await;
    viewer.run_until("it watches", |viewer| viewer.packets > 0).await;
    node.end().await;
    viewer.run_for(Duration::from_millis(100)).await;
    assert!(viewer.is_closed_by_server());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_closes_is_forgotten_at_once() {
    let node = Node::start().await;
    let _streaming = live_source(&node).await;
    let mut viewer = BarePeer::connect(&node.url("/whep"), false).await;
    node.until_above("viewers", 0.0).await;
    viewer.close();
    until("it is not counted any more", async || (node.metric("viewers").await < 1.0).then_some(())).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channel_carries_hello_and_control_and_counts_what_it_refuses() {
    let node = Node::start().await;
    let (publisher, mut events) = node.publish().await;
    let hello = PublisherHello { hr_width: 1280, hr_height: 720, scale: 2, max_kbps: 100 };
    let hello = PatchChannelMessage { kind: Some(Kind::Hello(hello)) };
    until("the hello is taken", async || publisher.send_message(&hello).then_some(())).await;
    let control = until("control comes back", async || match events.recv().await {
        Some(PublisherEvent::ChannelMessage(message)) => message.kind,
        _ => None,
    })
    .await;
    assert!(matches!(control, Kind::Control(control) if control.scale == 2));
    drop(publisher);

    until("the first one is gone", async || (node.metric("peers").await < 1.0).then_some(())).await;
    let mut bare = BarePeer::connect(&node.url("/whip"), true).await;
    bare.send_marked();
    bare.run_for(Duration::from_millis(200)).await;
    until("a message that is none is counted", async || {
        (node.status().await.learning.patches_dropped_by_reason.get("malformed") == Some(&1)).then_some(())
    })
    .await;
    node.end().await;
}
