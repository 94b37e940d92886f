//! How soon trainers come and go: from a report in NATS to the pod, on a real API server with a fake kubelet.

#![allow(clippy::unwrap_used, reason = "a benchmark may end where it fails")]

#[path = "streams/figures.rs"]
mod figures;
#[path = "../tests/cluster/harness.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod harness;

use std::time::{Duration, Instant};

use bus::{
    Bus,
    server::{NatsServer, ServerConfig},
};
use control_plane::{wait_for, wait_until_gone};
use crds::ConditionType;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use proto::{
    StreamName,
    v1::{MediaNodeReport, TrainerReport, report::Role, trainer_report::State},
};
use serde_json::json;

use figures::Figures;
use harness::{Bed, is_because};

const STREAMS: usize = 20;

#[tokio::main]
async fn main() {
    let bed = Bed::new("scaling").await;
    let _kubelet = bed.kubelet().await;
    let folder = tempfile::tempdir().unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = ServerConfig { folder: folder.path().to_owned(), listen, users: Vec::new() };
    let server = NatsServer::start(config).unwrap();
    let bus = Bus::connect(server.url(), None, "bench").await.unwrap();
    while !bus.is_connected() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let running = bed.start_with(Some(bus.clone()));
    let lives = join_all((0..STREAMS).map(|index| live(&bed, &bus, format!("game-{index}")))).await;
    running.stop().await;

    let column = |of: fn(&Life) -> f64| {
        let mut seconds: Vec<f64> = lives.iter().map(of).collect();
        seconds.sort_by(f64::total_cmp);
        seconds
    };
    let mut figures = Figures::of("scaling");
    for (name, seconds, goal) in [
        ("first patches to trainer pod created", column(|life| life.first), "< 2"),
        ("saturated to trainer pod gone", column(|life| life.gone), "< 10"),
        ("scene change to trainer pod created", column(|life| life.again), "< 2"),
    ] {
        let median = format!("median of {STREAMS} streams at once: {:.2} s", seconds[STREAMS / 2]);
        figures.add(&format!("{name}, slowest"), seconds[STREAMS - 1], "s", goal, median);
    }
}

/// In seconds.
struct Life {
    first: f64,
    gone: f64,
    again: f64,
}

async fn live(bed: &Bed, bus: &Bus, stream: String) -> Life {
    let name = StreamName::new(&bed.namespace, &stream).unwrap();
    let (media_node, trainer) = (format!("{stream}-media-node-0"), format!("{stream}-trainer-0"));
    let pods = bed.api::<Pod>();
    bed.create(&stream, json!({})).await;
    bed.stream_that(&stream, is_because(ConditionType::Ready, "Accepting")).await;

    let publishing = MediaNodeReport {
        publishing: true,
        gain_millidecibels: 1500,
        gain_known: true,
        train_patches_per_second: 20,
        backlog: 20,
        ..MediaNodeReport::default()
    };
    let begin = Instant::now();
    bus.put_report(&name, &media_node, Role::MediaNode(publishing)).await.unwrap();
    wait_for(&pods, &trainer, |_: &Pod| true).await;
    let first = begin.elapsed().as_secs_f64();

    wait_for(&pods, &trainer, is_ready).await;
    let begin = Instant::now();
    let saturated = TrainerReport { state: State::Suspended.into(), ..TrainerReport::default() };
    bus.put_report(&name, &trainer, Role::Trainer(saturated)).await.unwrap();
    wait_until_gone(&pods, &trainer).await;
    let gone = begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    let changed = MediaNodeReport { scene_changes: 1, ..publishing };
    bus.put_report(&name, &media_node, Role::MediaNode(changed)).await.unwrap();
    // An operator that has not yet seen the first one gone gives the second another name.
    let second = format!("{stream}-trainer-1");
    tokio::select! {
        _ = wait_for(&pods, &trainer, |_: &Pod| true) => {}
        _ = wait_for(&pods, &second, |_: &Pod| true) => {}
    }
    Life { first, gone, again: begin.elapsed().as_secs_f64() }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
