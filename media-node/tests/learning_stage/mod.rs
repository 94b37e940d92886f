//! A learning half with everything real around it (nats-server, patch-pairer, H264, gRPC) but the relay.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bus::{
    Bus,
    server::{NatsServer, ServerConfig},
};
use media::{Decoder, Encoder, EncoderSettings, Picture};
use media_node::{
    bridge::{FromRelay, ToRelay},
    learning::{Learning, LearningOptions, spawn},
};
use proto::{
    StreamName,
    status::{LearningStatus, StreamEvent, StreamStatus},
    v1::{
        Checkpoint, PixelCoding, PublishRequest, PublishResponse, PublisherHello, PublisherPatch, Rect, Selection,
        checkpoint_service_client::CheckpointServiceClient,
    },
};
use settings::{PatchSettings, Unjudged};
use sha2::{Digest, Sha256};
use sr_net::{Network, Plane, Precision, Weights};
use telemetry::Shutdown;
use tokio::sync::{broadcast, mpsc, watch};
use tonic::transport::Channel;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) const NETWORK: Network = Network { scale: 2, unshuffle: 1, features: 2, layers: 2 };
pub(crate) const SESSION: &str = "session-1";

const LR_SIZE: (usize, usize) = (160, 96);
const FRAME_TICKS: u64 = 3000;
const RECT: Rect = Rect { x: 96, y: 48, width: 96, height: 96 };

pub(crate) fn demo() -> StreamName {
    StreamName::new("default", "demo").unwrap()
}

pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) struct Nats {
    pub(crate) server: NatsServer,
    _folder: tempfile::TempDir,
}

impl Nats {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = ServerConfig { folder: folder.path().to_owned(), listen, users: Vec::new() };
        Self { server: NatsServer::start(config).unwrap(), _folder: folder }
    }

    pub(crate) async fn bus(&self) -> Bus {
        let bus = Bus::connect(self.server.url(), None, "test").await.unwrap();
        eventually("the connection", async || bus.is_connected().then_some(())).await;
        bus
    }
}

/// The learning half and the ends the relay would hold.
pub(crate) struct Stage {
    pub(crate) learning: Learning,
    pub(crate) to_learning: mpsc::Sender<FromRelay>,
    pub(crate) from_learning: mpsc::Receiver<ToRelay>,
    pub(crate) events: broadcast::Receiver<StreamEvent>,
    pub(crate) client: CheckpointServiceClient<Channel>,
    pub(crate) stream_status: watch::Sender<StreamStatus>,
    /// A name of the pairer that no other test's pairer has.
    pairer: PathBuf,
    shutdown: Shutdown,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn open(bus: Option<Bus>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pairer = folder.path().join("patch-pairer");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_patch-pairer"), &pairer).unwrap();
        let (to_learning, from_relay) = mpsc::channel(256);
        let (to_relay, from_learning) = mpsc::channel(64);
        let (stream_status, stream_status_receiver) = watch::channel(StreamStatus::default());
        let shutdown = Shutdown::default();
        let options = LearningOptions {
            stream: demo(),
            scale: 2,
            network: NETWORK,
            patches: PatchSettings::default(),
            general: None,
            unjudged: Unjudged::General,
            bus,
            pod: "demo-media-node".to_owned(),
            stream_status: stream_status_receiver,
            metrics: telemetry::metrics("media-node"),
            stages: media_node::Stages::default(),
            shutdown: shutdown.clone(),
            pairer_program: Some(pairer.clone()),
        };
        let learning = spawn(options, from_relay, to_relay);
        let client = serve(&learning, shutdown.clone()).await;
        let events = learning.events.subscribe();
        Self { learning, to_learning, from_learning, events, client, stream_status, pairer, shutdown, _folder: folder }
    }

    pub(crate) fn send(&self, message: FromRelay) {
        self.to_learning.try_send(message).expect("the learning half reads as fast as the relay writes");
    }

    pub(crate) fn status(&self) -> LearningStatus {
        self.learning.status.borrow().clone()
    }

    pub(crate) async fn status_where(&self, what: &str, holds: impl Fn(&LearningStatus) -> bool) -> LearningStatus {
        let mut status = self.learning.status.clone();
        match tokio::time::timeout(DEADLINE, status.wait_for(|status| holds(status))).await {
            Ok(found) => found.unwrap().clone(),
            Err(_) => panic!("{what} did not come within {DEADLINE:?}: {:?}", self.status()),
        }
    }

    pub(crate) async fn publish(&mut self, checkpoint: Checkpoint) -> Result<PublishResponse, tonic::Status> {
        let request = PublishRequest { checkpoint: Some(checkpoint) };
        self.client.publish(request).await.map(tonic::Response::into_inner)
    }

    /// Process ids of this stage's pairer.
    pub(crate) fn pairer_pids(&self) -> Vec<i32> {
        let name = self.pairer.to_str().unwrap();
        let is_pairer = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.trim_end_matches('\0') == name)
        };
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_pairer).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

async fn serve(learning: &Learning, shutdown: Shutdown) -> CheckpointServiceClient<Channel> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_service(learning.service.clone());
    tokio::spawn(server.serve_with_incoming_shutdown(incoming, async move { shutdown.requested().await }));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    CheckpointServiceClient::new(channel)
}

/// A publisher whose HR picture is its decoded LR picture with `detail` added by [`sharpening`].
pub(crate) struct Publisher {
    encoder: Encoder,
    decoder: Decoder,
    decoded: Vec<(u64, Plane)>,
    index: u64,
    /// Of the newest patch, of at most 20 a second.
    pub(crate) sequence: u64,
    pub(crate) detail: f32,
    /// Other texture, so that a change is a cut.
    pub(crate) scene: u64,
}

impl Publisher {
    pub(crate) fn new() -> Self {
        media::init();
        let settings = EncoderSettings {
            encoder: "libx264".to_owned(),
            width: LR_SIZE.0,
            height: LR_SIZE.1,
            frame_rate: (30, 1),
            bitrate_kbps: 2000,
            preset: "superfast".to_owned(),
            threads: 1,
            keyframe_interval: None,
        };
        let (encoder, decoder) = (Encoder::open(&settings).unwrap(), Decoder::h264(1).unwrap());
        Self { encoder, decoder, decoded: Vec::new(), index: 0, sequence: 0, detail: 0.2, scene: 0 }
    }

    pub(crate) fn hello(&self, stage: &Stage) {
        let hello = PublisherHello { hr_width: 320, hr_height: 192, scale: 2, max_kbps: 400 };
        stage.send(FromRelay::Hello { session: SESSION.to_owned(), hello });
    }

    /// Sends the next frame.
    pub(crate) fn send_frame(&mut self, stage: &Stage, keyframe: bool) {
        let stream_time = self.next_stream_time();
        let unit = self.encoder.encode(&self.picture(), stream_time, keyframe).unwrap().unwrap();
        for frame in self.decoder.decode(&unit.data, unit.timestamp).unwrap() {
            self.decoded.push((frame.timestamp, frame.picture.y));
        }
        self.index += 1;
        let (keyframe, data) = (unit.keyframe, unit.data);
        stage.send(FromRelay::AccessUnit { stream_time, captured_at_unix_us: 1, keyframe, data });
    }

    /// A patch of the newest frame but one.
    pub(crate) fn patch(&mut self) -> (u64, PublisherPatch) {
        let (stream_time, lr) = &self.decoded[self.decoded.len() - 2];
        let hr = sr_net::enhance(&sharpening(self.detail), lr).crop(96, 48, 96, 96).unwrap();
        self.sequence += 1;
        let patch = PublisherPatch {
            sequence: self.sequence,
            rect: Some(RECT),
            coding: PixelCoding::Raw.into(),
            luma: hr.into_samples().into(),
            selection: Selection::Random.into(),
            ..Default::default()
        };
        (*stream_time, patch)
    }

    pub(crate) fn send_patch(&mut self, stage: &Stage) {
        let (stream_time, patch) = self.patch();
        stage.send(received(stream_time, patch));
    }

    /// Goes on as a publisher does, key frames included, until `holds`.
    pub(crate) async fn stream_until(
        &mut self,
        stage: &mut Stage,
        what: &str,
        holds: impl Fn(&LearningStatus) -> bool,
    ) {
        let deadline = Instant::now() + DEADLINE;
        while !holds(&stage.status()) {
            assert!(Instant::now() < deadline, "{what} did not come within {DEADLINE:?}: {:?}", stage.status());
            let mut keyframe = self.index == 0;
            while let Ok(message) = stage.from_learning.try_recv() {
                keyframe |= matches!(message, ToRelay::KeyframeWanted);
            }
            self.send_frame(stage, keyframe);
            if self.decoded.len() >= 2 {
                self.send_patch(stage);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn next_stream_time(&self) -> u64 {
        (1 << 32) + self.index * FRAME_TICKS
    }

    fn picture(&self) -> Picture {
        let (width, height) = LR_SIZE;
        let (phase, scene) = (self.index as f64, self.scene as f64);
        let luma = move |x: usize, y: usize| {
            let (x, y) = (x as f64 + phase, y as f64);
            let texture = 40.0 * (x / (4.0 + scene)).sin() + 30.0 * ((x * scene + 2.0 * y) / 5.0).cos();
            (128.0 + texture + 20.0 * (y / (3.0 + scene)).sin()) as u8
        };
        let samples = (0..height).flat_map(|y| (0..width).map(move |x| luma(x, y))).collect();
        let chroma = Plane::filled(width / 2, height / 2, 128);
        Picture { y: Plane::new(width, height, samples).unwrap(), u: chroma.clone(), v: chroma }
    }
}

pub(crate) fn received(stream_time: u64, patch: PublisherPatch) -> FromRelay {
    FromRelay::Patch { session: SESSION.to_owned(), stream_time, captured_at_unix_us: 1, patch }
}

/// Bicubic and `strength` times a Laplacian of the LR samples.
pub(crate) fn sharpening(strength: f32) -> Weights {
    let mut weights = Weights::zero(NETWORK);
    let laplacian = [0.0, -1.0, 0.0, -1.0, 4.0, -1.0, 0.0, -1.0, 0.0];
    weights.convolutions[0].weight = laplacian.iter().copied().chain(laplacian.map(|tap| -tap)).collect();
    for output in 0..4 {
        weights.convolutions[1].weight[output * 18 + 4] = strength;
        weights.convolutions[1].weight[output * 18 + 9 + 4] = -strength;
    }
    weights
}

pub(crate) fn offer(weights: &Weights) -> Checkpoint {
    let safetensors = weights.to_safetensors(Precision::F16);
    Checkpoint {
        stream: Some(demo().to_id()),
        network: Some(weights.network.to_proto()),
        sha256: Sha256::digest(&safetensors).to_vec().into(),
        safetensors: safetensors.into(),
        trainer_id: "test".to_owned(),
        ..Default::default()
    }
}

/// For tests that look at the checkpoint on several ways.
pub(crate) fn live(stage: &Stage) -> Option<Arc<Checkpoint>> {
    stage.learning.live.borrow().clone()
}
