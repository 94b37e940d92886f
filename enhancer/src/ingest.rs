//! The task that watches `source`: packets in, whole frames to the decoder.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use registry_client::read_token;
use rtp::{Assembler, AssemblerOutput, Unwrap32};
use telemetry::Shutdown;
use tokio::sync::{Notify, mpsc};
use webrtc_client::{Backoff, ReceivedPacket, ViewOptions, Viewer, ViewerEvent};

use crate::{
    decode::Coded,
    sessions::{TIMEOUT, wait_to_try_again},
};

pub(crate) struct Ingest {
    /// WHEP address of `source`.
    pub(crate) url: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) coded: mpsc::Sender<Coded>,
    /// The decoder cannot go on without a key frame.
    pub(crate) keyframe_wanted: Arc<Notify>,
}

/// Packets that a repair is waited for: about 0.1 s of a stream of 2.5 Mbit/s.
const REORDER_PACKETS: usize = 32;
/// Key frames are asked for again after this time.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(250);

impl Ingest {
    /// Session after session, until the end is asked for.
    ///
    /// # Errors
    /// When the token is refused or cannot be read.
    pub(crate) async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let mut backoff = Backoff::default();
        let mut timestamps = Unwrap32::default();
        while !shutdown.is_requested() {
            let options = ViewOptions {
                url: self.url.clone(),
                token: read_token(self.token_file.as_deref())?,
                audio: false,
                timeout: TIMEOUT,
            };
            match Viewer::connect(options).await {
                Ok((viewer, events)) => {
                    tracing::info!(url = self.url, "watching");
                    let session = self.session(&viewer, events, &mut timestamps, &mut backoff);
                    let ended = tokio::select! {
                        reason = session => reason,
                        () = shutdown.requested() => "shutting down".to_owned(),
                    };
                    tracing::info!(reason = ended, "no longer watching");
                    viewer.close().await;
                    // a camera that comes back does not wait for a server that never went
                    self.send(Coded::Lost);
                }
                Err(error) => wait_to_try_again(error, &mut backoff, &shutdown).await?,
            }
        }
        Ok(())
    }

    /// Until the session ends; says why.
    async fn session(
        &self,
        viewer: &Viewer,
        mut events: mpsc::Receiver<ViewerEvent>,
        timestamps: &mut Unwrap32,
        backoff: &mut Backoff,
    ) -> String {
        let mut assembler = Assembler::new(REORDER_PACKETS);
        let mut asked: Option<Instant> = None;
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(ViewerEvent::Video(packet)) => {
                        backoff.reset();
                        self.take(&packet, &mut assembler, timestamps);
                    }
                    Some(ViewerEvent::Audio(_)) => {}
                    Some(ViewerEvent::Closed { reason }) => return reason,
                    None => return "the session's task ended".to_owned(),
                },
                () = self.keyframe_wanted.notified() => {
                    if asked.is_none_or(|asked| asked.elapsed() >= BETWEEN_REQUESTS) {
                        asked = Some(Instant::now());
                        viewer.request_keyframe();
                    }
                }
            }
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
