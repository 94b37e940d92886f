//! The trainer program against a real nats-server and a checkpoint service that answers as told.

#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

mod registry;

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bus::{
    Bus,
    server::{NatsServer, ServerConfig},
};
use prost::Message;
use proto::{
    StreamName,
    v1::{Checkpoint, PixelCoding, Rect, TrainingPatch},
};
use registry::Registry;
use settings::{NetworkSettings, PretrainSettings, StartFrom, TrainerSettings};
use sr_model::{Device, Learner};
use sr_net::{Network, Plane, Precision, Weights};
use trainer::PretrainFiles;

const DEADLINE: Duration = Duration::from_secs(40);
const NETWORK: Network = Network { scale: 2, unshuffle: 1, features: 8, layers: 3 };

fn stream() -> StreamName {
    "default/demo".parse().unwrap()
}

struct World {
    nats: NatsServer,
    bus: Bus,
    registry: Registry,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = ServerConfig { folder: folder.path().join("nats"), listen, users: Vec::new() };
        let nats = NatsServer::start(config).unwrap();
        let bus = Bus::connect(nats.url(), None, "test").await.unwrap();
        eventually("the connection", async || bus.is_connected()).await;
        let registry = Registry::start("secret").await;
        std::fs::write(folder.path().join("token"), "secret\n").unwrap();
        Self { nats, bus, registry, folder }
    }

    fn settings(&self) -> TrainerSettings {
        TrainerSettings {
            stream: stream().to_string(),
            media_node_url: self.registry.url(),
            internal_token_file: Some(self.folder.path().join("token")),
            nats_url: self.nats.url().to_owned(),
            network: NetworkSettings { unshuffle: 1, features: 8, layers: 3 },
            device: "cpu".to_owned(),
            epoch_seconds: 0.5,
            learning_rate: 2e-3,
            seed: 1,
            ..TrainerSettings::default()
        }
    }

    fn trainer(&self) -> Trainer {
        Trainer::spawn(&self.settings())
    }

    /// Publishes ten patches a second from stream time `from` on, until `done`.
    async fn publish_until(&self, from: u64, what: &str, mut done: impl AsyncFnMut() -> bool) -> u64 {
        let (deadline, mut tenth) = (Instant::now() + DEADLINE, from);
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while !done().await {
            assert!(Instant::now() < deadline, "{what} did not come within {DEADLINE:?}");
            ticks.tick().await;
            // NATS may be away: that is what some tests are about.
            let _ = self.bus.publish_patch(&stream(), &format!("session:{tenth}"), &patch(tenth)).await;
            tenth += 1;
        }
        tenth
    }
}

/// Killed when dropped.
struct Trainer(Child);

impl Trainer {
    fn spawn(settings: &TrainerSettings) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_trainer"))
            .env(settings::ENVIRONMENT_VARIABLE, serde_json::to_string(settings).unwrap())
            .env("OMP_WAIT_POLICY", "PASSIVE")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    async fn terminated(mut self) -> bool {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        let mut status = None;
        eventually("the trainer's end", async || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap().success()
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Stripes that move on: sharp in HR, averaged in LR.
fn patch(tenth: u64) -> TrainingPatch {
    const SIDE: usize = 64;
    const MARGIN: usize = 8;
    let at = |x: f32, y: f32| 128.0 + 80.0 * (0.9 * x + 0.5 * y + tenth as f32).sin().signum();
    let raster = |side: usize, sample: &dyn Fn(usize, usize) -> f32| -> Vec<u8> {
        (0..side * side).map(|index| sample(index % side, index / side) as u8).collect()
    };
    let hr = raster(SIDE, &|x, y| at(x as f32 / 2.0, y as f32 / 2.0));
    let lr = raster(SIDE / 2 + 2 * MARGIN, &|x, y| {
        let (x, y) = (x as f32 - MARGIN as f32, y as f32 - MARGIN as f32);
        [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)].map(|(dx, dy)| at(x + dx, y + dy)).iter().sum::<f32>() / 4.0
    });
    TrainingPatch {
        stream: Some(stream().to_id()),
        stream_time: 9000 * tenth,
        rect: Some(Rect { x: 64, y: 64, width: SIDE as u32, height: SIDE as u32 }),
        scale: 2,
        lr_coding: PixelCoding::Raw.into(),
        lr_luma: lr.into(),
        margin_left: MARGIN as u32,
        margin_top: MARGIN as u32,
        margin_right: MARGIN as u32,
        margin_bottom: MARGIN as u32,
        hr_coding: PixelCoding::Raw.into(),
        hr_luma: hr.into(),
        ..TrainingPatch::default()
    }
}

/// Gain over bicubic in dB on a patch that is never published.
fn gain_db(checkpoint: &Checkpoint) -> f64 {
    let (weights, patch) = (Weights::from_safetensors(&checkpoint.safetensors, NETWORK).unwrap(), patch(1_000_003));
    let (lr, hr) =
        (Plane::new(48, 48, patch.lr_luma.to_vec()).unwrap(), Plane::new(64, 64, patch.hr_luma.to_vec()).unwrap());
    let psnr_db = |plane: Plane| sr_net::psnr_db(&plane.crop(16, 16, 64, 64).unwrap(), &hr);
    psnr_db(sr_net::enhance(&weights, &lr)) - psnr_db(sr_net::bicubic(&lr, 2))
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_become_checkpoints_that_beat_bicubic_and_each_other() {
    let world = World::start().await;
    let trainer = world.trainer();
    world.publish_until(0, "two accepted checkpoints", async || world.registry.accepted().len() >= 2).await;
    let accepted = world.registry.accepted();
    let (first, second) = (&accepted[0], &accepted[1]);
    let gains = [first, second].map(gain_db);
    // Each was better on the patches that the trainer keeps for this; on another one they may be alike.
    assert!(gains[0] > 0.02 && gains[1] > gains[0] - 0.1, "{gains:?} dB");
    assert_eq!((first.parent, second.parent), (0, 1));
    assert!(second.trained_through_stream_time > first.trained_through_stream_time);
    eventually("an empty backlog", async || world.bus.patch_backlog(&stream()).await.is_ok_and(|backlog| backlog == 0))
        .await;
    assert!(trainer.terminated().await, "a graceful end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_trainer_goes_on_from_its_state() {
    let world = World::start().await;
    let trainer = world.trainer();
    let checkpoints = world.bus.checkpoints(&stream()).await.unwrap();
    let stored = async || checkpoints.trainer_state().await.ok().flatten().is_some();
    let next = world.publish_until(0, "a stored state", stored).await;
    trainer.kill();
    let before = world.registry.accepted();
    let best = before.iter().map(gain_db).fold(0.0, f64::max);

    world.registry.forget();
    let _trainer = world.trainer();
    world.publish_until(next, "a checkpoint after the death", async || !world.registry.accepted().is_empty()).await;
    let gain = gain_db(&world.registry.accepted()[0]);
    assert!(gain > 0.3 * best, "{gain:+.2} dB after {best:+.2} dB: it began anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_end_stores_the_state() {
    let world = World::start().await;
    let trainer = world.trainer();
    world.publish_until(0, "a checkpoint", async || !world.registry.accepted().is_empty()).await;
    let checkpoints = world.bus.checkpoints(&stream()).await.unwrap();
    assert!(trainer.terminated().await, "a graceful end");
    assert!(checkpoints.trainer_state().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_media_node_gets_the_newest_when_it_is_back() {
    let world = World::start().await;
    world.registry.set_available(false);
    let _trainer = world.trainer();
    let next = world.publish_until(0, "three attempts", async || world.registry.refused() >= 3).await;
    assert!(world.registry.accepted().is_empty());
    world.registry.set_available(true);
    world.publish_until(next, "a checkpoint", async || !world.registry.accepted().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_that_is_there_before_the_media_node_starts_from_the_live_checkpoint() {
    let world = World::start().await;
    world.registry.set_available(false);
    let begun = Learner::from_bicubic(NETWORK, 1, Device::Cpu);
    let live = Checkpoint {
        version: 41,
        network: Some(NETWORK.to_proto()),
        safetensors: begun.weights().to_safetensors(Precision::F16).into(),
        ..Checkpoint::default()
    };
    world.registry.set_live(live);
    let _trainer = world.trainer();
    eventually("a question in vain", async || world.registry.asked_in_vain() >= 1).await;
    world.registry.set_available(true);
    world.publish_until(0, "a checkpoint", async || !world.registry.accepted().is_empty()).await;
    assert_eq!(world.registry.accepted()[0].parent, 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn training_survives_the_death_of_nats() {
    let mut world = World::start().await;
    let mut trainer = world.trainer();
    let next = world.publish_until(0, "a checkpoint", async || !world.registry.accepted().is_empty()).await;
    world.nats.restart().unwrap();
    let before = world.registry.accepted().last().unwrap().trained_through_stream_time;
    let learnt_more = async || {
        world.registry.accepted().last().is_some_and(|last| last.trained_through_stream_time > before.max(9000 * next))
    };
    world.publish_until(next, "a checkpoint from patches after the restart", learnt_more).await;
    assert!(trainer.0.try_wait().unwrap().is_none(), "the trainer lived through it");
}

/// Weights that have learned stripes offline.
fn general_weights(folder: &std::path::Path) -> std::path::PathBuf {
    let spool = |name: &str, tenths: std::ops::Range<u64>| {
        let path = folder.join(name);
        std::fs::write(
            &path,
            tenths.flat_map(|tenth| patch(tenth).encode_length_delimited_to_vec()).collect::<Vec<u8>>(),
        )
        .unwrap();
        path
    };
    let files = PretrainFiles {
        pairs: spool("pairs", 1000..1040),
        held_out: spool("held-out", 1040..1042),
        out: folder.join("general.safetensors"),
    };
    let network = NetworkSettings { unshuffle: 1, features: 8, layers: 3 };
    let settings = PretrainSettings {
        network,
        steps: 80,
        learning_rate: 3e-3,
        device: "cpu".into(),
        ..PretrainSettings::default()
    };
    trainer::pretrain(&settings, &files).unwrap();
    files.out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_begins_where_it_is_told_to() {
    let world = World::start().await;
    let file = general_weights(world.folder.path());
    let general = Weights::from_safetensors(&std::fs::read(&file).unwrap(), NETWORK).unwrap();
    let offered = Checkpoint { safetensors: general.to_safetensors(Precision::F16).into(), ..Checkpoint::default() };
    assert!(gain_db(&offered) > 0.1, "{:+.2} dB", gain_db(&offered));
    let general = Weights::from_safetensors(&offered.safetensors, NETWORK).unwrap();

    // What the stream has learned, and it is not those.
    let trainer = world.trainer();
    let checkpoints = world.bus.checkpoints(&stream()).await.unwrap();
    let stored = async || checkpoints.trainer_state().await.ok().flatten().is_some();
    let mut next = world.publish_until(0, "a stored state", stored).await;
    trainer.kill();

    let nothing_learned =
        TrainerSettings { learning_rate: 1e-12, general_weights_file: Some(file), ..world.settings() };
    for (start, is_general) in [(StartFrom::General, true), (StartFrom::Stream, false)] {
        world.registry.forget();
        let _trainer = Trainer::spawn(&TrainerSettings { start, ..nothing_learned.clone() });
        next = world.publish_until(next, "a checkpoint", async || !world.registry.accepted().is_empty()).await;
        let accepted = world.registry.accepted();
        let offered = Weights::from_safetensors(&accepted[0].safetensors, NETWORK).unwrap();
        assert_eq!(offered == general, is_general, "{start:?}: {:+.2} dB", gain_db(&accepted[0]));
    }
}
