//! Reports from a real nats-server, also while it is away.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bus::{
    Bus,
    server::{NatsServer, ServerConfig},
};
use jiff::Timestamp;
use operator::{
    Metrics,
    reports::{self, Reports},
};
use proto::{
    StreamName,
    v1::{MediaNodeReport, TrainerReport, report::Role},
};
use telemetry::Shutdown;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(20);

fn stream(index: usize) -> StreamName {
    StreamName::new("default", &format!("s{index}")).unwrap()
}

fn viewers(viewers: u32, scene_changes: u64) -> Role {
    Role::MediaNode(MediaNodeReport { publishing: true, viewers, scene_changes, ..Default::default() })
}

async fn nats(folder: &std::path::Path) -> (NatsServer, Bus) {
    let config = ServerConfig { folder: folder.to_owned(), listen: "127.0.0.1:0".parse().unwrap(), users: Vec::new() };
    let server = NatsServer::start(config).unwrap();
    let bus = Bus::connect(server.url(), None, "operator").await.unwrap();
    until("the connection", || bus.is_connected()).await;
    (server, bus)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn shown(reports: &Reports, index: usize) -> Option<u32> {
    reports.of(&stream(index)).media_node("m", Timestamp::UNIX_EPOCH).map(|report| report.viewers)
}

async fn triggered(triggers: &mut mpsc::Receiver<StreamName>) -> StreamName {
    timeout(PATIENCE, triggers.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_matters_is_told_at_once_and_outlives_nats() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, bus) = nats(folder.path()).await;
    bus.put_report(&stream(0), "m", viewers(1, 0)).await.unwrap();
    bus.put_report(&stream(9), "m", viewers(1, 0)).await.unwrap();

    let metrics = Metrics::default();
    let (reports, mut triggers) = reports::spawn(bus.clone(), &metrics, Shutdown::default());
    reports.keep(&stream(0));
    reports.keep(&stream(1));
    timeout(PATIENCE, reports.listed()).await.unwrap();
    until("what was put is heard", || shown(&reports, 0) == Some(1)).await;
    assert_eq!(shown(&reports, 9), None, "nobody asked for the other stream");
    assert_eq!(triggered(&mut triggers).await, stream(0));

    let changed = Instant::now();
    bus.put_report(&stream(0), "m", viewers(1, 1)).await.unwrap();
    assert_eq!(triggered(&mut triggers).await, stream(0));
    assert!(changed.elapsed() < Duration::from_secs(5), "it did not wait as numbers do: {:?}", changed.elapsed());
    bus.put_report(&stream(1), "t", Role::Trainer(TrainerReport::default())).await.unwrap();
    assert_eq!(triggered(&mut triggers).await, stream(1));

    server.kill();
    until("NATS is said to be away", || !reports.connected()).await;
    assert_eq!(metrics.nats_away.get(), 1);
    assert_eq!(shown(&reports, 0), Some(1), "the last word stays");
    let mut told = [triggered(&mut triggers).await, triggered(&mut triggers).await];
    told.sort();
    assert_eq!(told, [stream(0), stream(1)], "every stream has a condition to change");

    server.restart().unwrap();
    until("NATS is back", || reports.connected()).await;
    bus.put_report(&stream(0), "m", viewers(7, 2)).await.unwrap();
    until("its news are heard", || shown(&reports, 0) == Some(7)).await;
    assert_eq!((metrics.nats_away.get(), metrics.reports.malformed.get()), (0, 0));
}

#[tokio::test]
async fn without_nats_at_the_start_nobody_waits_for_ever() {
    let bus = Bus::connect("nats://127.0.0.1:1", None, "operator").await.unwrap();
    let metrics = Metrics::default();
    let (reports, _triggers) = reports::spawn(bus, &metrics, Shutdown::default());
    timeout(PATIENCE, reports.listed()).await.unwrap();
    until("it is said to be away", || !reports.connected()).await;
}

#[tokio::test]
async fn many_changes_are_one_trigger_for_who_is_slow() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, bus) = nats(folder.path()).await;
    let metrics = Metrics::default();
    let (reports, mut triggers) = reports::spawn(bus.clone(), &metrics, Shutdown::default());
    for index in 0..300 {
        reports.keep(&stream(index));
    }
    timeout(PATIENCE, reports.listed()).await.unwrap();
    for scene in 0..3 {
        for index in 0..300 {
            bus.put_report(&stream(index), "m", viewers(1, scene)).await.unwrap();
        }
    }
    until("all is heard", || metrics.reports.heard.get() == 900).await;
    let mut told = 0;
    while timeout(Duration::from_millis(200), triggers.recv()).await.is_ok() {
        told += 1;
    }
    assert!((300..900).contains(&told), "{told} triggers for 900 changes");
}
