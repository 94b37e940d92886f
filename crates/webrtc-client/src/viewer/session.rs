//! The task of one WHEP session: it reads the tracks and asks for key frames.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use futures::FutureExt;
use rtc::{
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication, rtp::Packet,
    rtp_transceiver::rtp_sender::RtpCodecKind,
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use crate::{ReceivedPacket, ViewerEvent, connection::Connection, silence::TICK};

pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) keyframe_wanted: Arc<Notify>,
    pub(super) dropped: Arc<AtomicU64>,
    pub(super) events: mpsc::Sender<ViewerEvent>,
}

/// The server's video track, and the SSRC its packets came with (0: none yet).
#[derive(Clone)]
struct Video {
    track: Arc<dyn TrackRemote>,
    ssrc: Arc<AtomicU32>,
}

impl Session {
    /// Runs until the connection is over or `cancel` asks for the end.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let reason = tokio::select! {
            () = cancel.cancelled() => None,
            reason = self.listen() => Some(reason),
        };
        // Whoever holds the session hears at once: telling a server that is gone takes its time.
        let tell = async {
            if let Some(reason) = reason {
                let _ = self.events.send(ViewerEvent::Closed { reason }).await;
            }
        };
        tokio::join!(tell, self.connection.end());
    }

    /// Returns why the connection is over.
    async fn listen(&mut self) -> String {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut state = self.connection.state.clone();
        let mut moved = pin!(self.connection.moved().fuse());
        let mut readers = JoinSet::new();
        let mut video = None;
        loop {
            tokio::select! {
                reason = Connection::failed(&mut state) => return reason,
                _ = tick.tick() => {
                    if let Some(reason) = self.connection.tick().await {
                        return reason;
                    }
                }
                Some(track) = self.connection.tracks.recv() => {
                    let ssrc = Arc::new(AtomicU32::new(0));
                    let is_video = track.kind().await == RtpCodecKind::Video;
                    if is_video {
                        video = Some(Video { track: track.clone(), ssrc: ssrc.clone() });
                    }
                    readers.spawn(read(track, is_video, ssrc, self.events.clone(), self.dropped.clone()));
                }
                url = &mut moved => {
                    // Without it the session just ends by surprise.
                    let _ = self.events.try_send(ViewerEvent::Moved { url });
                }
                () = self.keyframe_wanted.notified() => request_keyframe(video.as_ref()).await,
            }
        }
    }
}

/// Passes a track's packets on; those that find the queue full are counted and dropped.
async fn read(
    track: Arc<dyn TrackRemote>,
    is_video: bool,
    ssrc: Arc<AtomicU32>,
    events: mpsc::Sender<ViewerEvent>,
    dropped: Arc<AtomicU64>,
) {
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        ssrc.store(packet.header.ssrc, Relaxed);
        let packet = received(packet);
        let event = if is_video { ViewerEvent::Video(packet) } else { ViewerEvent::Audio(packet) };
        if events.try_send(event).is_err() {
            dropped.fetch_add(1, Relaxed);
        }
    }
}

fn received(packet: Packet) -> ReceivedPacket {
    ReceivedPacket {
        arrived: Instant::now(),
        payload_type: packet.header.payload_type,
        ssrc: packet.header.ssrc,
        sequence: packet.header.sequence_number,
        timestamp: packet.header.timestamp,
        marker: packet.header.marker,
        payload: packet.payload,
    }
}

async fn request_keyframe(video: Option<&Video>) {
    let Some(video) = video else { return };
    let media_ssrc = video.ssrc.load(Relaxed);
    let request = PictureLossIndication { sender_ssrc: 0, media_ssrc };
    if let Err(error) = video.track.write_rtcp(vec![Box::new(request)]).await {
        tracing::debug!(%error, "no key frame could be asked for");
    }
}
