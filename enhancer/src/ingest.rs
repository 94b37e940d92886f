//! The task that watches `source`: packets in, whole frames to the decoder.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rtp::{Assembler, AssemblerOutput, Unwrap32};
use telemetry::Shutdown;
use tokio::sync::{Notify, mpsc};
use webrtc_client::{ReceivedPacket, ViewOptions, Watching, WatchingEvent};

use crate::{TIMEOUT, decode::Coded};

pub(crate) struct Ingest {
    /// WHEP address of `source`.
    pub(crate) url: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) coded: mpsc::Sender<Coded>,
    /// The decoder cannot go on without a key frame.
    pub(crate) keyframe_wanted: Arc<Notify>,
    /// Where the stream moves to, for whoever publishes.
    pub(crate) moves: mpsc::Sender<String>,
}

/// Packets that a repair is waited for: about 0.1 s of a stream of 2.5 Mbit/s.
const REORDER_PACKETS: usize = 32;
/// Key frames are asked for again after this time.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(250);

impl Ingest {
    /// Until the end is asked for.
    ///
    /// # Errors
    /// When the token is refused or cannot be read.
    pub(crate) async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let options = ViewOptions { url: self.url.clone(), token: None, audio: false, timeout: TIMEOUT };
        let mut watching = Watching::new(options, self.token_file.clone());
        let (mut assembler, mut timestamps) = (Assembler::new(REORDER_PACKETS), Unwrap32::default());
        let mut asked: Option<Instant> = None;
        loop {
            tokio::select! {
                event = watching.next() => match event? {
                    WatchingEvent::Began { .. } => assembler = Assembler::new(REORDER_PACKETS),
                    WatchingEvent::Video(packet) => self.take(&packet, &mut assembler, &mut timestamps),
                    WatchingEvent::Audio(_) => {}
                    WatchingEvent::Moves { url } => self.move_on(url),
                    WatchingEvent::Ended { reason } => {
                        tracing::info!(reason, "no longer watching");
                        self.send(Coded::Lost);
                    }
                },
                () = self.keyframe_wanted.notified() => {
                    if asked.is_none_or(|asked| asked.elapsed() >= BETWEEN_REQUESTS) {
                        asked = Some(Instant::now());
                        watching.request_keyframe();
                    }
                }
                () = shutdown.requested() => break,
            }
        }
        watching.close().await;
        Ok(())
    }

    /// The publisher has no way of its own to hear of it.
    fn move_on(&self, url: String) {
        tracing::info!(url, "the stream moves");
        if self.moves.try_send(url).is_err() {
            tracing::debug!("the publisher moves already");
        }
    }

    fn take(&self, packet: &ReceivedPacket, assembler: &mut Assembler, timestamps: &mut Unwrap32) {
        assembler.push(packet.sequence, packet.timestamp, packet.marker, &packet.payload);
        while let Some(output) = assembler.poll() {
            self.send(match output {
                AssemblerOutput::Frame(frame) => Coded::Frame {
                    arrived: packet.arrived,
                    // one count over all sessions; an assembler lives for one
                    timestamp: timestamps.unwrap(frame.timestamp as u32),
                    data: frame.data,
                },
                AssemblerOutput::Lost { packets } => {
                    tracing::debug!(packets, "packets are lost");
                    Coded::Lost
                }
            });
        }
    }

    /// Never waits: a decoder that is a second behind gets a gap.
    fn send(&self, coded: Coded) {
        if self.coded.try_send(coded).is_err() {
            self.keyframe_wanted.notify_one();
        }
    }
}
