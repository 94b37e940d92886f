//! A viewer in the test itself, which remembers every whole frame and when it came.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use e2e::within;
use rtp::{Assembler, AssemblerOutput};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use webrtc_client::{ViewOptions, Watching, WatchingEvent};

pub(crate) struct Follower {
    frames: Arc<Mutex<Frames>>,
    end: CancellationToken,
    task: JoinHandle<()>,
}

/// RTP timestamps, and when the frame's last packet came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames(Vec<(u32, Instant)>);

/// What was published and not shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    /// From the frame before to the frame after.
    pub(crate) seconds: f64,
    pub(crate) frames_missing: usize,
    pub(crate) frames_published: usize,
    pub(crate) longest_silence: Duration,
}

impl Follower {
    pub(crate) fn start(whep: &str) -> Self {
        let options = ViewOptions { url: whep.to_owned(), token: None, audio: false, timeout: Duration::from_secs(5) };
        let (frames, end) = (Arc::new(Mutex::new(Frames::default())), CancellationToken::new());
        let task = tokio::spawn(follow(Watching::new(options, None), frames.clone(), end.clone()));
        Self { frames, end, task }
    }

    pub(crate) async fn shows(&self, seconds: u64, frames: usize) {
        let shown = || self.frames.lock().unwrap().0.len();
        let goal = shown() + frames;
        within(seconds, "more frames are shown", async || (shown() >= goal).then_some(())).await;
    }

    pub(crate) async fn end(self) -> Frames {
        self.end.cancel();
        self.task.await.unwrap();
        let frames = self.frames.lock().unwrap();
        frames.clone()
    }
}

async fn follow(mut watching: Watching, frames: Arc<Mutex<Frames>>, end: CancellationToken) {
    let mut assembler = Assembler::new(64);
    while let Some(event) = end.run_until_cancelled(watching.next()).await {
        match event.unwrap() {
            WatchingEvent::Began { .. } => assembler = Assembler::new(64),
            WatchingEvent::Video(packet) => {
                assembler.push(packet.sequence, packet.timestamp, packet.marker, &packet.payload);
                while let Some(output) = assembler.poll() {
                    if let AssemblerOutput::Frame(frame) = output {
                        frames.lock().unwrap().0.push((frame.timestamp as u32, packet.arrived));
                    }
                }
            }
            _ => {}
        }
    }
    watching.close().await;
}

impl Frames {
    /// Against the publisher's frame log, whose times are on the wire as long as its session is a media-node's first.
    pub(crate) fn longest_gap(&self, frame_log: &Path) -> Gap {
        let shown: HashSet<u32> = self.0.iter().map(|(timestamp, _)| *timestamp).collect();
        let log = std::fs::read_to_string(frame_log).unwrap();
        let published: Vec<u32> =
            log.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
        let is_shown = |timestamp: &&u32| shown.contains(timestamp);
        let first = published.iter().position(|timestamp| is_shown(&timestamp)).unwrap();
        let last = published.iter().rposition(|timestamp| is_shown(&timestamp)).unwrap();
        let published = &published[first..=last];
        let shown: Vec<u32> = published.iter().filter(is_shown).copied().collect();
        let longest = shown.windows(2).map(|two| two[1].wrapping_sub(two[0])).max().unwrap_or(0);
        Gap {
            seconds: f64::from(longest) / 90_000.0,
            frames_missing: published.len() - shown.len(),
            frames_published: published.len(),
            longest_silence: self.longest_silence(),
        }
    }

    pub(crate) fn longest_silence(&self) -> Duration {
        self.0.windows(2).map(|two| two[1].1.duration_since(two[0].1)).max().unwrap_or_default()
    }
}
