//! The end of a media-node's life, in this process; `e2e` holds what clients see of it behind one address.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod node;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use node::{Node, PATIENCE, next_video, stream, until};
use proto::{
    StreamName,
    v1::{Checkpoint, PublishRequest, checkpoint_service_client::CheckpointServiceClient},
};
use tokio::sync::mpsc;
use webrtc_client::{SignallingError, ViewerEvent};

/// An address of this machine where nobody listens yet.
fn free_address() -> SocketAddr {
    free_ports::free_address(std::net::Ipv4Addr::LOCALHOST.into()).unwrap()
}

/// A node that asks at `service` who takes its place.
async fn behind(service: SocketAddr, drain_seconds: u32) -> Node {
    Node::with(|settings| {
        settings.service_url = Some(format!("http://{service}"));
        settings.drain_seconds = drain_seconds;
    })
    .await
}

async fn readiness(url: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    let instance = answer.headers().get("acuity-instance").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), instance.unwrap_or_default())
}

/// What a viewer hears besides packets, until the session is over.
async fn last_words(mut events: mpsc::Receiver<ViewerEvent>) -> Vec<String> {
    let mut words = Vec::new();
    let hear = async {
        while let Some(event) = events.recv().await {
            match event {
                ViewerEvent::Video(_) | ViewerEvent::Audio(_) => {}
                ViewerEvent::Moved { url } => words.push(format!("moved {url:?}")),
                ViewerEvent::Closed { reason } => words.push(reason),
            }
        }
    };
    tokio::time::timeout(PATIENCE, hear).await.expect("the session ends");
    words
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_relaying_until_another_one_answers() {
    let service = free_address();
    let node = behind(service, 30).await;
    let (publisher, events) = node.publish().await;
    let _streaming = stream(publisher, events);
    let (viewer, mut packets) = node.view("source").await;
    next_video(&mut packets).await;
    let (status, instance) = readiness(&node.url("/readyz")).await;
    assert_eq!((status, instance.len()), (200, 32));

    node.leave();
    until("it is not ready", async || (readiness(&node.url("/readyz")).await.0 == 503).then_some(())).await;
    assert_eq!(readiness(&node.internal_url("/readyz")).await.0, 503);
    assert_eq!(readiness(&node.internal_url("/healthz")).await.0, 200);
    let refused = node.try_publish(&node.url("/whip"), Some("the same")).await.unwrap_err();
    assert!(matches!(refused, SignallingError::Later { status: 503, .. }), "{refused}");
    let channel = tonic::transport::Endpoint::from_shared(node.internal_url("")).unwrap().connect_lazy();
    let mut registry = CheckpointServiceClient::new(channel);
    let stream = StreamName::new("default", "demo").unwrap().to_id();
    let offer = PublishRequest { checkpoint: Some(Checkpoint { stream: Some(stream), ..Default::default() }) };
    assert_eq!(registry.publish(offer).await.unwrap_err().code(), tonic::Code::Unavailable);
    assert_eq!(node.metric("stage").await, 1.0);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        next_video(&mut packets).await;
    }

    let _successor = Node::with(|settings| settings.listen = service).await;
    let words = last_words(packets).await;
    assert_eq!(words, ["moved \"\"", "the server closed the connection"]);
    drop(viewer);
    node.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_comes_in_time_sessions_are_closed_without_being_sent_anywhere() {
    let node = behind(free_address(), 1).await;
    let (publisher, events) = node.publish().await;
    let _streaming = stream(publisher, events);
    let (_viewer, packets) = node.view("source").await;
    until("it knows of the viewer", async || (node.status().await.viewers == 1).then_some(())).await;
    node.leave();
    assert_eq!(last_words(packets).await, ["the server closed the connection"]);
    node.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_publishes_nothing_is_waited_for() {
    let node = behind(free_address(), 30).await;
    node.leave();
    node.ended().await;
}
