//! The bus against a real nats-server.

#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use bus::{
    Bus, BusError, Checkpoints, Heard, ReportKey, ReportRole, Role, permissions,
    server::{NatsServer, ServerConfig, User},
    user_name,
};
use bytes::Bytes;
use futures::StreamExt;
use proto::{
    StreamName,
    v1::{Checkpoint, EnhancerReport, MediaNodeReport, Rect, TrainerReport, TrainingPatch, report},
};

const DEADLINE: Duration = Duration::from_secs(20);
const ROLES: [Role; 4] = [Role::MediaNode, Role::Trainer, Role::Enhancer, Role::Operator];

struct Nats {
    server: NatsServer,
    folder: tempfile::TempDir,
}

impl Nats {
    fn start(users: Vec<User>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let server = NatsServer::start(ServerConfig { folder: folder.path().to_owned(), listen, users }).unwrap();
        Self { server, folder }
    }

    async fn bus(&self) -> Bus {
        connected(Bus::connect(self.server.url(), None, "test").await.unwrap()).await
    }

    async fn bus_of(&self, role: Role, stream: Option<&StreamName>) -> Bus {
        let credentials: PathBuf = self.folder.path().join(role.as_str());
        std::fs::write(&credentials, format!("{}:secret\n", user_name(role, stream))).unwrap();
        connected(Bus::connect(self.server.url(), Some(&credentials), "test").await.unwrap()).await
    }
}

async fn connected(bus: Bus) -> Bus {
    eventually("the connection", async || bus.is_connected()).await;
    bus
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn demo() -> StreamName {
    StreamName::new("default", "demo").unwrap()
}

fn patch(stream: &StreamName, stream_time: u64) -> TrainingPatch {
    TrainingPatch {
        stream: Some(stream.to_id()),
        stream_time,
        rect: Some(Rect { x: 0, y: 0, width: 96, height: 96 }),
        scale: 2,
        hr_luma: vec![7; 96 * 96].into(),
        ..Default::default()
    }
}

fn checkpoint(version: u64) -> Checkpoint {
    Checkpoint {
        stream: Some(demo().to_id()),
        version,
        safetensors: vec![version as u8; 200_000].into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_patch_goes_to_one_trainer_and_is_gone_once_acknowledged() {
    let nats = Nats::start(Vec::new());
    let (bus, stream) = (nats.bus().await, demo());
    for time in 1..=3 {
        bus.publish_patch(&stream, &format!("s:{time}"), &patch(&stream, time)).await.unwrap();
    }
    bus.publish_patch(&stream, "s:3", &patch(&stream, 3)).await.unwrap();
    let other = StreamName::new("default", "other").unwrap();
    bus.publish_patch(&other, "s:1", &patch(&other, 9)).await.unwrap();
    assert_eq!(bus.patch_backlog(&stream).await.unwrap(), 3, "before any trainer");

    let (mut one, mut two) = (bus.consume_patches(&stream).await.unwrap(), bus.consume_patches(&stream).await.unwrap());
    let first = one.fetch(2, Duration::from_secs(5)).await.unwrap();
    assert_eq!(first.iter().map(|received| received.patch.stream_time).collect::<Vec<_>>(), [1, 2]);
    let second = two.fetch(8, Duration::from_secs(5)).await.unwrap();
    assert_eq!(second.iter().map(|received| received.patch.stream_time).collect::<Vec<_>>(), [3]);
    for received in first.iter().chain(&second) {
        received.ack().await.unwrap();
    }
    assert_eq!(bus.patch_backlog(&stream).await.unwrap(), 0);
    assert!(one.fetch(8, Duration::from_millis(50)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_fetch_waits_for_the_first_patch() {
    let nats = Nats::start(Vec::new());
    let (bus, stream) = (nats.bus().await, demo());
    let mut consumer = bus.consume_patches(&stream).await.unwrap();
    let fetched = tokio::spawn(async move { consumer.fetch(16, DEADLINE).await });
    bus.publish_patch(&stream, "s:1", &patch(&stream, 1)).await.unwrap();
    assert_eq!(fetched.await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refill_reads_acknowledged_patches_too_and_leaves_the_consumer_alone() {
    let nats = Nats::start(Vec::new());
    let (bus, stream) = (nats.bus().await, demo());
    assert_eq!(bus.recent_patches(&stream, Duration::from_secs(120)).await.unwrap(), []);
    for time in 1..=300 {
        bus.publish_patch(&stream, &format!("s:{time}"), &patch(&stream, time)).await.unwrap();
    }
    let mut consumer = bus.consume_patches(&stream).await.unwrap();
    for received in consumer.fetch(10, Duration::from_secs(5)).await.unwrap() {
        received.ack().await.unwrap();
    }
    let recent = bus.recent_patches(&stream, Duration::from_secs(120)).await.unwrap();
    assert_eq!(recent.iter().map(|patch| patch.stream_time).collect::<Vec<_>>(), (1..=300).collect::<Vec<_>>());
    assert_eq!(bus.patch_backlog(&stream).await.unwrap(), 290);
}

#[tokio::test]
async fn a_malformed_message_is_left_out_and_does_not_come_again() {
    let nats = Nats::start(Vec::new());
    let (bus, stream) = (nats.bus().await, demo());
    let mut consumer = bus.consume_patches(&stream).await.unwrap();
    let raw = async_nats::connect(nats.server.url()).await.unwrap();
    raw.publish("acuity.patches.default.demo", Bytes::from_static(b"\xff\xff no message")).await.unwrap();
    raw.flush().await.unwrap();
    bus.publish_patch(&stream, "s:1", &patch(&stream, 1)).await.unwrap();
    let mut received = Vec::new();
    eventually("the good patch", async || {
        received.extend(consumer.fetch(8, Duration::from_secs(1)).await.unwrap());
        !received.is_empty()
    })
    .await;
    assert_eq!((received.len(), consumer.malformed()), (1, 1));
    assert_eq!(bus.recent_patches(&stream, Duration::from_secs(60)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_patch_that_is_too_long_is_refused_for_good() {
    let nats = Nats::start(Vec::new());
    let long = TrainingPatch { hr_luma: vec![0; 128 << 10].into(), ..patch(&demo(), 1) };
    let refused = nats.bus().await.publish_patch(&demo(), "s:1", &long).await;
    assert!(matches!(refused, Err(BusError::Malformed(_))), "{refused:?}");
}

#[tokio::test]
async fn the_newest_five_checkpoints_are_kept_and_nothing_of_the_others() {
    let nats = Nats::start(Vec::new());
    let bus = nats.bus().await;
    let checkpoints = bus.checkpoints(&demo()).await.unwrap();
    assert_eq!(checkpoints.versions().await.unwrap(), Vec::<u64>::new());
    for version in 1..=7 {
        checkpoints.put(&checkpoint(version)).await.unwrap();
    }
    assert_eq!(checkpoints.versions().await.unwrap(), [3, 4, 5, 6, 7]);
    assert_eq!(checkpoints.versions().await.unwrap().len(), Checkpoints::KEPT);
    assert_eq!(checkpoints.get(7).await.unwrap(), Some(checkpoint(7)));
    assert_eq!(checkpoints.get(1).await.unwrap(), None);
    let raw = async_nats::jetstream::new(async_nats::connect(nats.server.url()).await.unwrap());
    let state = raw.get_stream("OBJ_acuity_checkpoints").await.unwrap().cached_info().state.clone();
    assert_eq!(state.subjects_count, 10, "a name and chunks of each, no marks of removed ones");

    let other = bus.checkpoints(&StreamName::new("default", "demo-2").unwrap()).await.unwrap();
    assert_eq!(other.versions().await.unwrap(), Vec::<u64>::new());
}

#[tokio::test]
async fn a_trainer_finds_its_state_again() {
    let nats = Nats::start(Vec::new());
    let checkpoints = nats.bus().await.checkpoints(&demo()).await.unwrap();
    assert_eq!(checkpoints.trainer_state().await.unwrap(), None);
    for byte in [1, 2] {
        let state = Bytes::from(vec![byte; 300_000]);
        checkpoints.put_trainer_state(state.clone()).await.unwrap();
        assert_eq!(checkpoints.trainer_state().await.unwrap(), Some(state));
    }
    assert_eq!(checkpoints.versions().await.unwrap(), Vec::<u64>::new());
}

#[tokio::test]
async fn a_pin_is_kept_until_it_is_let_go() {
    let nats = Nats::start(Vec::new());
    let checkpoints = nats.bus().await.checkpoints(&demo()).await.unwrap();
    assert_eq!(checkpoints.pin().await.unwrap(), None);
    for pin in [Some(7), Some(3), None] {
        checkpoints.put_pin(pin).await.unwrap();
        assert_eq!(checkpoints.pin().await.unwrap(), pin);
    }
    assert_eq!(checkpoints.versions().await.unwrap(), Vec::<u64>::new(), "a pin is no checkpoint");
}

#[tokio::test]
async fn a_watcher_of_reports_sees_the_newest_then_each_change() {
    let nats = Nats::start(Vec::new());
    let bus = nats.bus().await;
    let pod = "demo-media-node";
    let of = |viewers| report::Role::MediaNode(MediaNodeReport { viewers, ..Default::default() });
    let started = SystemTime::now();
    bus.put_report(&demo(), pod, of(1)).await.unwrap();
    bus.put_report(&demo(), pod, of(2)).await.unwrap();
    let mut watch = bus.watch_reports(Some(&demo())).await.unwrap();
    let key = ReportKey { stream: demo(), role: ReportRole::MediaNode, pod: pod.to_owned() };
    let (found, report) = watch.next().await.unwrap();
    let report = report.unwrap();
    assert_eq!((found, report.role), (key.clone(), Some(of(2))));
    assert_eq!((report.stream, report.pod), (Some(demo().to_id()), pod.to_owned()));
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(report.at_unix_us + 1);
    assert!((started..=SystemTime::now() + Duration::from_secs(1)).contains(&at), "{at:?}");
    bus.put_report(&demo(), pod, of(3)).await.unwrap();
    let (found, report) = watch.next().await.unwrap();
    assert_eq!((found, report.unwrap().role), (key.clone(), Some(of(3))));
    let raw = async_nats::jetstream::new(async_nats::connect(nats.server.url()).await.unwrap());
    raw.get_key_value("acuity_reports").await.unwrap().delete("default.demo.media-node.demo-media-node").await.unwrap();
    assert_eq!(watch.next().await, Some((key, None)));
}

#[tokio::test]
async fn a_listener_is_told_of_rubbish_and_when_it_has_heard_everything() {
    let nats = Nats::start(Vec::new());
    let bus = nats.bus().await;
    let mut of_none = bus.hear_reports(None).await.unwrap();
    assert_eq!(of_none.next().await, Some(Heard::Complete), "an empty bucket is heard at once");

    for pod in ["one", "two"] {
        bus.put_report(&demo(), pod, report::Role::Trainer(TrainerReport::default())).await.unwrap();
    }
    let raw = async_nats::jetstream::new(async_nats::connect(nats.server.url()).await.unwrap());
    let store = raw.get_key_value("acuity_reports").await.unwrap();
    for (key, value) in [
        ("default.demo.trainer.three", Bytes::from_static(b"\xff\xff")),
        ("default.demo.enhancer.four", store.get("default.demo.trainer.one").await.unwrap().unwrap()),
        ("nonsense", Bytes::new()),
        ("Default.demo.cook.five", Bytes::new()),
    ] {
        store.put(key, value).await.unwrap();
    }
    let heard: Vec<_> = bus.hear_reports(None).await.unwrap().take(7).collect().await;
    let pods: Vec<_> = heard
        .iter()
        .filter_map(|heard| if let Heard::Report(key, _) = heard { Some(key.pod.as_str()) } else { None })
        .collect();
    assert_eq!(pods, ["one", "two"]);
    assert_eq!(heard[2..6], [Heard::Malformed, Heard::Malformed, Heard::Malformed, Heard::Malformed]);
    assert_eq!(heard[6], Heard::Complete);
}

#[tokio::test]
async fn ensure_never_changes_what_is_there() {
    let nats = Nats::start(Vec::new());
    let raw = async_nats::jetstream::new(async_nats::connect(nats.server.url()).await.unwrap());
    let others = async_nats::jetstream::stream::Config {
        name: "ACUITY_PATCHES".to_owned(),
        subjects: vec!["acuity.patches.*.*".to_owned()],
        max_messages_per_subject: 7,
        ..Default::default()
    };
    raw.create_stream(others).await.unwrap();
    let bus = nats.bus().await;
    bus.ensure_patches().await.unwrap();
    bus.ensure_reports().await.unwrap();
    bus.ensure_checkpoints().await.unwrap();
    let patches = raw.get_stream("ACUITY_PATCHES").await.unwrap();
    assert_eq!(patches.cached_info().config.max_messages_per_subject, 7);
    let reports = raw.get_stream("KV_acuity_reports").await.unwrap().cached_info().config.clone();
    assert_eq!(
        (reports.max_age, reports.subject_delete_marker_ttl),
        (Duration::from_mins(15), Some(Duration::from_mins(15)))
    );
}

#[tokio::test]
async fn a_bus_connects_at_once_while_the_server_is_away_and_comes_back_after_its_crash() {
    let mut nats = Nats::start(Vec::new());
    nats.server.kill();
    let (bus, stream) = (Bus::connect(nats.server.url(), None, "test").await.unwrap(), demo());
    let away = bus.publish_patch(&stream, "s:1", &patch(&stream, 1)).await;
    assert!(matches!(away, Err(BusError::Unavailable(_))), "{away:?}");
    nats.server.restart().unwrap();
    eventually("a stored patch", async || bus.publish_patch(&stream, "s:1", &patch(&stream, 1)).await.is_ok()).await;

    let mut consumer = bus.consume_patches(&stream).await.unwrap();
    nats.server.kill();
    eventually("the loss of the connection", async || !bus.is_connected()).await;
    assert!(consumer.fetch(1, Duration::from_millis(50)).await.is_err());
    nats.server.restart().unwrap();
    let mut received = Vec::new();
    eventually("the patch from before the crash", async || {
        received = consumer.fetch(1, Duration::from_millis(50)).await.unwrap_or_default();
        !received.is_empty()
    })
    .await;
    assert_eq!(received[0].patch, patch(&stream, 1));
}

#[tokio::test]
async fn a_server_that_lost_its_data_holds_no_checkpoints_until_the_next_one() {
    let mut nats = Nats::start(Vec::new());
    let checkpoints = nats.bus().await.checkpoints(&demo()).await.unwrap();
    checkpoints.put(&checkpoint(1)).await.unwrap();
    nats.server.kill();
    std::fs::remove_dir_all(nats.folder.path().join("data/jetstream")).unwrap();
    nats.server.restart().unwrap();
    eventually("an empty list", async || checkpoints.versions().await.is_ok_and(|versions| versions.is_empty())).await;
    checkpoints.put(&checkpoint(2)).await.unwrap();
    assert_eq!(checkpoints.versions().await.unwrap(), [2]);
}

fn users(stream: Option<&StreamName>) -> Vec<User> {
    let user = |role| User {
        name: user_name(role, stream),
        password: "secret".to_owned(),
        permissions: Some(permissions(role, stream)),
    };
    ROLES.map(user).to_vec()
}

/// The whole work of each role, with its permissions and no more.
async fn each_role_does_its_work(stream: Option<&StreamName>) {
    let nats = Nats::start(users(stream));
    let [media_node, trainer, enhancer, operator] = [
        nats.bus_of(Role::MediaNode, stream).await,
        nats.bus_of(Role::Trainer, stream).await,
        nats.bus_of(Role::Enhancer, stream).await,
        nats.bus_of(Role::Operator, stream).await,
    ];
    let name = demo();
    media_node.publish_patch(&name, "s:1", &patch(&name, 1)).await.unwrap();
    assert_eq!(media_node.patch_backlog(&name).await.unwrap(), 1);
    let checkpoints = media_node.checkpoints(&name).await.unwrap();
    for version in 1..=6 {
        checkpoints.put(&checkpoint(version)).await.unwrap();
    }
    assert_eq!(checkpoints.versions().await.unwrap().len(), Checkpoints::KEPT);
    assert_eq!(checkpoints.get(6).await.unwrap(), Some(checkpoint(6)));
    media_node.put_report(&demo(), "m", report::Role::MediaNode(MediaNodeReport::default())).await.unwrap();

    assert_eq!(trainer.recent_patches(&name, Duration::from_secs(60)).await.unwrap().len(), 1);
    let mut consumer = trainer.consume_patches(&name).await.unwrap();
    let received = consumer.fetch(4, Duration::from_secs(5)).await.unwrap();
    received[0].ack().await.unwrap();
    eventually("the acknowledgement", async || media_node.patch_backlog(&name).await.unwrap() == 0).await;
    let states = trainer.checkpoints(&name).await.unwrap();
    for byte in [1, 2] {
        states.put_trainer_state(Bytes::from(vec![byte; 200_000])).await.unwrap();
    }
    assert_eq!(states.trainer_state().await.unwrap().unwrap()[0], 2);
    trainer.put_report(&demo(), "t", report::Role::Trainer(TrainerReport::default())).await.unwrap();
    enhancer.put_report(&demo(), "e", report::Role::Enhancer(EnhancerReport::default())).await.unwrap();

    let mut pods: Vec<_> = operator.watch_reports(None).await.unwrap().take(3).map(|(key, _)| key.pod).collect().await;
    pods.sort();
    assert_eq!(pods, ["e", "m", "t"]);
}

#[tokio::test]
async fn each_role_does_its_work_with_its_permissions_for_all_streams() {
    each_role_does_its_work(None).await;
}

#[tokio::test]
async fn each_role_does_its_work_with_its_permissions_for_one_stream() {
    each_role_does_its_work(Some(&demo())).await;
}

#[tokio::test]
async fn a_trainer_can_neither_delete_streams_nor_forge_patches_nor_touch_other_streams() {
    let nats = Nats::start(users(Some(&demo())));
    nats.bus_of(Role::Operator, Some(&demo())).await.ensure_patches().await.unwrap();
    let trainer = nats.bus_of(Role::Trainer, Some(&demo())).await;
    let raw = async |timeout| {
        let user = user_name(Role::Trainer, Some(&demo()));
        let options = async_nats::ConnectOptions::with_user_and_password(user, "secret".to_owned())
            .custom_inbox_prefix("_INBOX_trainer_default_demo")
            .request_timeout(Some(timeout));
        async_nats::jetstream::new(options.connect(nats.server.url()).await.unwrap())
    };
    let allowed = raw(Duration::from_secs(10)).await;
    assert!(allowed.get_stream("ACUITY_PATCHES").await.is_ok(), "what it may do, it can");
    // What it may not do is never answered.
    let refused = raw(Duration::from_millis(500)).await;
    assert!(refused.delete_stream("ACUITY_PATCHES").await.is_err());
    let stream = refused.get_stream_no_info("ACUITY_PATCHES").await.unwrap();
    assert!(stream.purge().await.is_err());
    assert!(stream.delete_consumer("default_demo").await.is_err());
    assert!(
        trainer.publish_patch(&demo(), "s:1", &patch(&demo(), 1)).await.is_err(),
        "patches come from the media-node"
    );
    let other = StreamName::new("default", "other").unwrap();
    assert!(trainer.consume_patches(&other).await.is_err());
    assert_eq!(allowed.get_stream("ACUITY_PATCHES").await.unwrap().cached_info().state.messages, 0);
}

#[tokio::test]
async fn a_credentials_file_without_a_password_is_a_fault_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    std::fs::write(&file, "no password").unwrap();
    for file in [file, folder.path().join("absent")] {
        let refused = Bus::connect("nats://127.0.0.1:1", Some(&file), "test").await;
        assert!(matches!(refused, Err(BusError::Configuration(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_deleted_stream_leaves_nothing_and_takes_nothing_of_others() {
    let nats = Nats::start(users(None));
    let (bus, operator) = (nats.bus_of(Role::Trainer, None).await, nats.bus_of(Role::Operator, None).await);
    let media_node = nats.bus_of(Role::MediaNode, None).await;
    let (gone, stays) = (demo(), StreamName::new("default", "demo-2").unwrap());
    operator.delete_stream(&gone).await.unwrap();
    for stream in [&gone, &stays] {
        media_node.publish_patch(stream, &format!("{stream}:1"), &patch(stream, 1)).await.unwrap();
        media_node.put_report(stream, "pod", report::Role::MediaNode(MediaNodeReport::default())).await.unwrap();
        let checkpoints = media_node.checkpoints(stream).await.unwrap();
        checkpoints.put(&checkpoint(1)).await.unwrap();
        checkpoints.put_pin(Some(1)).await.unwrap();
        bus.checkpoints(stream).await.unwrap().put_trainer_state(Bytes::from_static(b"state")).await.unwrap();
        bus.consume_patches(stream).await.unwrap();
    }
    operator.delete_stream(&gone).await.unwrap();

    // How long to wait for a report, which may be there or not.
    let (briefly, long) = (Duration::from_millis(300), Duration::from_secs(10));
    let left = async |stream: &StreamName, patience| {
        let checkpoints = operator.checkpoints(stream).await.unwrap();
        let watched = operator.watch_reports(Some(stream)).await.unwrap();
        let reports = tokio::time::timeout(patience, watched.take(1).count()).await.unwrap_or(0);
        (
            operator.patch_backlog(stream).await.unwrap(),
            reports,
            checkpoints.versions().await.unwrap().len(),
            checkpoints.pin().await.unwrap(),
            checkpoints.trainer_state().await.unwrap().is_some(),
        )
    };
    assert_eq!(left(&gone, briefly).await, (0, 0, 0, None, false));
    assert_eq!(left(&stays, long).await, (1, 1, 1, Some(1), true));
    operator.delete_stream(&gone).await.unwrap();
}
