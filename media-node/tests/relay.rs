//! WHIP in, WHEP out, with the real stack at both ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod node;

use node::{Node, next_video, stream, until};
use webrtc_client::ViewerEvent;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_sees_and_hears_the_source_from_a_key_frame_on() {
    let node = Node::start().await;
    let (publisher, events) = node.publish().await;
    let _streaming = stream(publisher, events);
    let (_viewer, mut events) = node.view("source").await;

    let first = next_video(&mut events).await;
    assert_eq!(first.payload[0] & 0x1f, 24, "parameter sets come first, as one STAP-A");
    let mut last = first.sequence;
    for _ in 0..100 {
        let packet = next_video(&mut events).await;
        assert_eq!(packet.sequence, last.wrapping_add(1));
        last = packet.sequence;
    }
    until("sound comes too", async || matches!(events.recv().await, Some(ViewerEvent::Audio(_))).then_some(())).await;
    until("the status follows", async || {
        let status = node.status().await;
        let flows = status.uplink_kbps.video > 100.0 && status.frames_per_second.source > 10.0;
        (status.publishing && status.viewers == 1 && flows).then_some(())
    })
    .await;
    node.end().await;
}
