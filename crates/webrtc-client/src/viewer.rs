//! One WHEP session: H264 and Opus in.

mod session;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};

use crate::{
    Loss, SignallingError,
    connection::{Connection, stack},
    engine,
    signalling::Signalling,
};
use session::Session;

/// Packets that wait for whoever takes them: about a second of video.
const WAITING_EVENTS: usize = 1024;

#[derive(Clone, Debug)]
pub struct ViewOptions {
    /// WHEP URL, with `?rendition=` where wanted
    pub url: String,
    pub token: Option<String>,
    pub audio: bool,
    /// Connecting takes at most this long.
    pub timeout: Duration,
}

/// One RTP packet as it came, padding removed.
#[derive(Clone, Debug)]
pub struct ReceivedPacket {
    pub arrived: Instant,
    pub payload_type: u8,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Bytes,
}

#[derive(Clone, Debug)]
pub enum ViewerEvent {
    Video(ReceivedPacket),
    Audio(ReceivedPacket),
    /// The stream moves to where this URL reference says; the session ends soon.
    Moved {
        url: String,
    },
    /// The session is over (nothing at all from the server for 1 s counts); the last event.
    Closed {
        reason: String,
    },
}

#[derive(Debug)]
pub struct Viewer {
    keyframe_wanted: Arc<Notify>,
    dropped: Arc<AtomicU64>,
    cancel: DropGuard,
    session: JoinHandle<()>,
}

impl Viewer {
    /// Offers, connects and returns once media can flow.
    ///
    /// # Errors
    /// By what to do next; see [`SignallingError`].
    pub async fn connect(options: ViewOptions) -> Result<(Self, mpsc::Receiver<ViewerEvent>), SignallingError> {
        Self::connect_over(options, None).await
    }

    /// The same over a path that loses packets on purpose.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_over(
        options: ViewOptions,
        loss: Option<Loss>,
    ) -> Result<(Self, mpsc::Receiver<ViewerEvent>), SignallingError> {
        let signalling = Signalling::new(&options.url, options.token.clone(), None, options.timeout)?;
        let mut engine = engine::media_engine().map_err(stack)?;
        let interceptors = engine::viewer_interceptors(&mut engine).map_err(stack)?;
        let mut connection = Connection::open(signalling, engine, interceptors, loss).await?;

        let kinds =
            if options.audio { &[RtpCodecKind::Video, RtpCodecKind::Audio][..] } else { &[RtpCodecKind::Video] };
        for kind in kinds {
            let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
            connection.peer.add_transceiver_from_kind(*kind, Some(init)).await.map_err(stack)?;
        }
        if let Err(error) = connection.establish(options.timeout).await {
            connection.end().await;
            return Err(error);
        }

        let (events, receiver) = mpsc::channel(WAITING_EVENTS);
        let (keyframe_wanted, dropped) = (Arc::new(Notify::new()), Arc::new(AtomicU64::new(0)));
        let cancel = CancellationToken::new();
        let session =
            Session { connection, keyframe_wanted: keyframe_wanted.clone(), dropped: dropped.clone(), events };
        let session = tokio::spawn(session.run(cancel.clone()));
        Ok((Self { keyframe_wanted, dropped, cancel: cancel.drop_guard(), session }, receiver))
    }

    /// Sends a PLI.
    pub fn request_keyframe(&self) {
        self.keyframe_wanted.notify_one();
    }

    /// Packets that came and were dropped because their receiver was behind.
    #[must_use]
    pub fn dropped_packets(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// DELETEs the session and ends. Dropping a viewer does the same without waiting for it.
    pub async fn close(self) {
        drop(self.cancel);
        if let Err(error) = self.session.await {
            tracing::warn!(%error, "the session's task ended badly");
        }
    }
}
