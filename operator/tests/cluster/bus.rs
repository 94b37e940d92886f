//! With a real nats-server: what the operator hears, and what it leaves behind.

use std::time::Duration;

use bus::{
    Bus,
    server::{NatsServer, ServerConfig},
};
use crds::{ConditionType, LiveStream};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::DeleteParams};
use proto::{
    StreamName,
    v1::{Checkpoint, MediaNodeReport, report},
};
use serde_json::json;

use crate::harness::{Bed, is_because};
use control_plane::{wait_for, wait_until_gone};

/// A server, a connection to it, and the folder that both go with.
async fn nats() -> (NatsServer, Bus, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = ServerConfig { folder: folder.path().to_owned(), listen, users: Vec::new() };
    let server = NatsServer::start(config).unwrap();
    let bus = Bus::connect(server.url(), None, "test").await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !bus.is_connected() {
        assert!(tokio::time::Instant::now() < deadline, "no connection to NATS");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (server, bus, folder)
}

#[tokio::test]
async fn reports_become_a_status_and_trainers() {
    let bed = Bed::new("reports").await;
    let _kubelet = bed.kubelet().await;
    let (_server, bus, _folder) = nats().await;
    let running = bed.start_with(Some(bus.clone()));
    bed.create("game", json!({})).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    bed.stream_that("game", is_because(ConditionType::BusReachable, "Connected")).await;
    assert!(bed.api::<Pod>().get_opt("game-trainer-0").await.unwrap().is_none(), "nothing to learn from yet");

    let name = StreamName::new(&bed.namespace, "game").unwrap();
    let said = MediaNodeReport {
        publishing: true,
        viewers: 123,
        live_version: 7,
        gain_millidecibels: 2140,
        gain_known: true,
        train_patches_per_second: 20,
        backlog: 40,
        ..MediaNodeReport::default()
    };
    let say = async |said: &MediaNodeReport| {
        bus.put_report(&name, "game-media-node-0", report::Role::MediaNode(*said)).await.unwrap();
    };
    say(&said).await;
    bed.stream_that("game", is_because(ConditionType::Publishing, "PublisherConnected")).await;
    wait_for(&bed.api::<Pod>(), "game-trainer-0", |_: &Pod| true).await;
    let stream = bed.stream_that("game", |stream| stream.status.as_ref().unwrap().gain.is_some()).await;
    let status = stream.status.unwrap();
    assert_eq!((status.viewers, status.gain.as_deref()), (Some(120), Some("+2.1 dB")));
    assert_eq!(status.checkpoint.unwrap().version, 7);
    running.stop().await;
}

#[tokio::test]
async fn a_deleted_stream_leaves_nothing_in_nats() {
    let bed = Bed::new("leavings").await;
    let _kubelet = bed.kubelet().await;
    let (_server, bus, _folder) = nats().await;
    let running = bed.start_with(Some(bus.clone()));
    bed.create("game", json!({})).await;
    let stream = bed.stream_that("game", |stream| !stream.finalizers().is_empty()).await;
    assert_eq!(stream.finalizers(), ["acuity.video/bus"]);
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    let checkpoints = bus.checkpoints(&StreamName::new(&bed.namespace, "game").unwrap()).await.unwrap();
    checkpoints.put(&Checkpoint { version: 1, ..Checkpoint::default() }).await.unwrap();

    bed.api::<LiveStream>().delete("game", &DeleteParams::default()).await.unwrap();
    wait_until_gone(&bed.api::<LiveStream>(), "game").await;
    assert!(checkpoints.versions().await.unwrap().is_empty());
    assert!(bed.names::<Pod>().await.is_empty(), "they went first");
    running.stop().await;
}
