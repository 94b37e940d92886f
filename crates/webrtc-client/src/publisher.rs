//! One WHIP session: H264 and Opus out, the data channel `patches` both ways.

mod channel;
mod session;
mod track;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use prost::Message;
use proto::v1::PatchChannelMessage;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    SignallingError, UplinkBytes,
    connection::{Connection, stack},
    engine,
    signalling::Signalling,
    wire::Wire,
};
use session::Session;
use track::OutgoingTrack;

/// The largest message of the data channel that is sent.
pub const MAX_MESSAGE_BYTES: usize = 16 << 10;
/// Messages waiting for the session's task; it takes them at once, so this is only a burst.
const WAITING_MESSAGES: usize = 64;
const WAITING_EVENTS: usize = 256;

#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// WHIP URL
    pub url: String,
    pub token: Option<String>,
    /// Sent as `Acuity-Publisher`: the same client takes its own session over at once.
    pub publisher: Option<String>,
    pub audio: bool,
    /// Open the data channel `patches`.
    pub patches: bool,
    /// Run congestion control on the server's feedback, beginning at this rate; `None`: none (loopback, in-cluster).
    pub initial_estimate_kbps: Option<u32>,
    /// Connecting takes at most this long.
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
pub enum PublisherEvent {
    KeyframeWanted,
    ChannelOpen,
    ChannelMessage(Box<PatchChannelMessage>),
    /// What the path carries, in kbit/s, all kinds together.
    Estimate {
        kbps: u32,
    },
    /// The session is over; the last event.
    Closed {
        reason: String,
    },
}

#[derive(Debug)]
pub struct Publisher {
    video: OutgoingTrack,
    audio: Option<OutgoingTrack>,
    messages: mpsc::Sender<BytesMut>,
    /// The data channel takes messages.
    channel_ready: Arc<AtomicBool>,
    wire: Arc<Wire>,
    cancel: DropGuard,
    session: JoinHandle<()>,
}

impl Publisher {
    /// Offers, connects and returns once media can flow.
    ///
    /// # Errors
    /// By what to do next; see [`SignallingError`].
    pub async fn connect(options: PublishOptions) -> Result<(Self, mpsc::Receiver<PublisherEvent>), SignallingError> {
        let signalling =
            Signalling::new(&options.url, options.token.clone(), options.publisher.clone(), options.timeout)?;
        let mut engine = engine::media_engine().map_err(stack)?;
        let (interceptors, estimate) =
            engine::publisher_interceptors(&mut engine, options.initial_estimate_kbps).map_err(stack)?;
        let mut connection = Connection::open(signalling, engine, interceptors, None).await?;

        let video = OutgoingTrack::add(&connection.peer, RtpCodecKind::Video).await.map_err(stack)?;
        let audio = match options.audio {
            true => Some(OutgoingTrack::add(&connection.peer, RtpCodecKind::Audio).await.map_err(stack)?),
            false => None,
        };
        let channel = match options.patches {
            true => Some(channel::create(&connection.peer).await.map_err(stack)?),
            false => None,
        };
        if let Err(error) = connection.establish(options.timeout).await {
            connection.end().await;
            return Err(error);
        }

        let (messages, waiting_messages) = mpsc::channel(WAITING_MESSAGES);
        let (events, receiver) = mpsc::channel(WAITING_EVENTS);
        let cancel = CancellationToken::new();
        let channel_ready = Arc::new(AtomicBool::new(false));
        let wire = connection.wire.clone();
        let session = Session {
            connection,
            video: video.feedback(),
            channel,
            channel_ready: channel_ready.clone(),
            messages: waiting_messages,
            estimate,
            events,
        };
        let session = tokio::spawn(session.run(cancel.clone()));
        let publisher = Self { video, audio, messages, channel_ready, wire, cancel: cancel.drop_guard(), session };
        Ok((publisher, receiver))
    }

    /// Sends the packets of one H264 access unit (Annex B) with this RTP timestamp. Never waits: what the stack cannot
    /// take is dropped; `false` then, and a key frame is due.
    pub fn send_video(&self, access_unit: &[u8], rtp_timestamp: u32) -> bool {
        let payloads = rtp::h264::packetize(access_unit, track::MAX_PAYLOAD_BYTES);
        self.video.send(payloads, rtp_timestamp)
    }

    /// One Opus packet, 48 kHz timestamp.
    pub fn send_audio(&self, packet: Bytes, rtp_timestamp: u32) -> bool {
        self.audio.as_ref().is_some_and(|audio| audio.send(vec![packet], rtp_timestamp))
    }

    /// Queues a message on the data channel; `false` when it is not open, too much is queued already, or the message is
    /// larger than [`MAX_MESSAGE_BYTES`].
    pub fn send_message(&self, message: &PatchChannelMessage) -> bool {
        if !self.channel_ready.load(Relaxed) || message.encoded_len() > MAX_MESSAGE_BYTES {
            return false;
        }
        self.messages.try_send(message.encode_to_vec().as_slice().into()).is_ok()
    }

    #[must_use]
    pub fn uplink_bytes(&self) -> UplinkBytes {
        self.wire.sent()
    }

    /// DELETEs the session and ends. Dropping a publisher does the same without waiting for it.
    pub async fn close(self) {
        drop(self.cancel);
        if let Err(error) = self.session.await {
            tracing::warn!(%error, "the session's task ended badly");
        }
    }
}
