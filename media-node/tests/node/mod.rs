//! A media-node in this process, on free loopback ports, and what tests do to it.

#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use proto::status::StreamStatus;
use serde::Deserialize;
use settings::MediaNodeSettings;
use telemetry::Shutdown;
use tokio::{sync::mpsc, task::JoinHandle, time::MissedTickBehavior};
use webrtc_client::{PublishOptions, Publisher, PublisherEvent, SignallingError, ViewOptions, Viewer, ViewerEvent};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Ports {
    pub(crate) listen: SocketAddr,
    pub(crate) internal_listen: SocketAddr,
    pub(crate) media_listen: SocketAddr,
}

pub(crate) struct Node {
    pub(crate) ports: Ports,
    shutdown: Shutdown,
    ended: JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// `change` gets settings with free loopback ports.
    pub(crate) async fn with(change: impl FnOnce(&mut MediaNodeSettings)) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let folder = tempfile::tempdir().unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut settings = MediaNodeSettings {
            listen: any,
            internal_listen: any,
            media_listen: any,
            ports_file: Some(folder.path().join("ports")),
            ..MediaNodeSettings::default()
        };
        change(&mut settings);
        let ports_file = settings.ports_file.clone().unwrap();
        let shutdown = Shutdown::default();
        let ended = tokio::spawn(media_node::run(settings, shutdown.clone()));
        let ports = until("the ports file is there", async || read_ports(&ports_file)).await;
        Self { ports, shutdown, ended, _folder: folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.ports.listen)
    }

    pub(crate) fn internal_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.ports.internal_listen)
    }

    pub(crate) async fn publish(&self) -> (Publisher, mpsc::Receiver<PublisherEvent>) {
        self.try_publish(&self.url("/whip"), Some("the same")).await.unwrap()
    }

    pub(crate) async fn try_publish(
        &self,
        url: &str,
        publisher: Option<&str>,
    ) -> Result<(Publisher, mpsc::Receiver<PublisherEvent>), SignallingError> {
        let enhancer = url.ends_with("/enhanced");
        Publisher::connect(PublishOptions {
            url: url.to_owned(),
            token: None,
            publisher: publisher.map(str::to_owned),
            audio: !enhancer,
            patches: !enhancer,
            initial_estimate_kbps: (!enhancer).then_some(1000),
            timeout: PATIENCE,
        })
        .await
    }

    /// Tries again while there is nothing to show.
    pub(crate) async fn view(&self, rendition: &str) -> (Viewer, mpsc::Receiver<ViewerEvent>) {
        self.view_url(&self.url(&format!("/whep?rendition={rendition}"))).await
    }

    pub(crate) async fn view_url(&self, url: &str) -> (Viewer, mpsc::Receiver<ViewerEvent>) {
        until("the viewer is connected", async || {
            let options = ViewOptions { url: url.to_owned(), token: None, audio: true, timeout: PATIENCE };
            match Viewer::connect(options).await {
                Ok(connected) => Some(connected),
                Err(SignallingError::Later { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        })
        .await
    }

    pub(crate) async fn status(&self) -> StreamStatus {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(self.url("/api/status")).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let text = client.get(self.internal_url("/metrics")).send().await.unwrap().text().await.unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("media_node_")?.strip_prefix(name));
        lines.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    pub(crate) async fn until_above(&self, name: &str, bound: f64) {
        until(&format!("{name} above {bound}"), async || (self.metric(name).await > bound).then_some(())).await;
    }

    pub(crate) async fn end(self) {
        self.leave();
        self.ended().await;
    }

    /// As SIGTERM.
    pub(crate) fn leave(&self) {
        self.shutdown.request();
    }

    pub(crate) async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.ended).await.expect("it ends in time").unwrap().unwrap();
    }
}

fn read_ports(file: &Path) -> Option<Ports> {
    serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

/// Asks every 20 ms until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// An access unit in Annex B: parameter sets before a key frame, else a plain slice.
pub(crate) fn access_unit(keyframe: bool, bytes: usize) -> Vec<u8> {
    let mut unit = match keyframe {
        true => vec![0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65],
        false => vec![0, 0, 0, 1, 0x41],
    };
    unit.extend((0..bytes).map(|index| (index % 250) as u8 | 4));
    unit
}

/// Sends synthetic video (30 frames a second, a key frame when asked for) and sound until dropped.
pub(crate) struct Streaming {
    task: JoinHandle<()>,
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn stream(publisher: Publisher, events: mpsc::Receiver<PublisherEvent>) -> Streaming {
    stream_frames(publisher, events, 4000)
}

pub(crate) fn stream_frames(
    publisher: Publisher,
    mut events: mpsc::Receiver<PublisherEvent>,
    frame_bytes: usize,
) -> Streaming {
    let task = tokio::spawn(async move {
        let mut frames = tokio::time::interval(Duration::from_millis(33));
        // As a camera: what a busy machine missed is not sent all at once later.
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut keyframe_wanted = true;
        for frame in 0u32.. {
            frames.tick().await;
            while let Ok(event) = events.try_recv() {
                keyframe_wanted |= matches!(event, PublisherEvent::KeyframeWanted);
            }
            let unit = access_unit(keyframe_wanted, frame_bytes);
            keyframe_wanted = !publisher.send_video(&unit, 1000 + frame * 3000);
            publisher.send_audio(vec![0xfc; 60].into(), 500 + frame * 1584);
        }
    });
    Streaming { task }
}

/// The next video packet.
pub(crate) async fn next_video(events: &mut mpsc::Receiver<ViewerEvent>) -> webrtc_client::ReceivedPacket {
    let wait = async {
        loop {
            match events.recv().await.expect("the session goes on") {
                ViewerEvent::Video(packet) => return packet,
                ViewerEvent::Audio(_) | ViewerEvent::Moved { .. } => {}
                ViewerEvent::Closed { reason } => panic!("the session is over: {reason}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("video comes in time")
}

/// Video that a viewer gets, read as it comes, so that nothing piles up while a test does something else.
pub(crate) struct Audience {
    seen: Arc<Mutex<Seen>>,
    reading: JoinHandle<()>,
}

struct Seen {
    /// Lost packets may come late, sent again.
    sequences: BTreeSet<u16>,
    newest: Instant,
    longest_gap: Duration,
}

impl Audience {
    /// Of a viewer who gets video already.
    pub(crate) async fn of(mut events: mpsc::Receiver<ViewerEvent>) -> Self {
        let first = next_video(&mut events).await;
        let seen = Arc::new(Mutex::new(Seen {
            sequences: BTreeSet::from([first.sequence]),
            newest: first.arrived,
            longest_gap: Duration::ZERO,
        }));
        let reading = tokio::spawn({
            let seen = seen.clone();
            async move {
                loop {
                    let packet = next_video(&mut events).await;
                    let mut seen = seen.lock().unwrap();
                    seen.sequences.insert(packet.sequence);
                    seen.longest_gap = seen.longest_gap.max(packet.arrived - seen.newest);
                    seen.newest = packet.arrived;
                }
            }
        });
        Self { seen, reading }
    }

    /// Waits until it got all that was sent to it before, and `more` packets. Returns how long nothing came at most.
    pub(crate) async fn misses_nothing(self, more: usize) -> Duration {
        let wanted = *self.seen.lock().unwrap().sequences.last().unwrap() + more as u16;
        until("the viewer got all of it", async || {
            assert!(!self.reading.is_finished(), "the viewer's session is over, or nothing comes");
            let seen = self.seen.lock().unwrap();
            let span = usize::from(wanted - seen.sequences.first().unwrap()) + 1;
            (seen.sequences.range(..=wanted).count() == span).then_some(seen.longest_gap)
        })
        .await
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
