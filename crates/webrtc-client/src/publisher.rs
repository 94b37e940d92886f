//! One WHIP session: H264 and Opus out, the data channel `patches` both ways.

use std::time::Duration;

use bytes::Bytes;
use proto::v1::PatchChannelMessage;
use tokio::sync::mpsc;

use crate::SignallingError;

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
    Estimate { kbps: u32 },
    /// The session is over; the last event.
    Closed { reason: String },
}

/// UDP payload bytes sent by kind since the session began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkBytes {
    pub video: u64,
    pub audio: u64,
    pub patches: u64,
    pub other: u64,
}

#[derive(Debug)]
pub struct Publisher {}

impl Publisher {
    /// Offers, connects and returns once media can flow.
    ///
    /// # Errors
    /// By what to do next; see [`SignallingError`].
    pub async fn connect(_options: PublishOptions) -> Result<(Self, mpsc::Receiver<PublisherEvent>), SignallingError> {
        todo!()
    }

    /// Sends the packets of one H264 access unit (Annex B) with this RTP timestamp. Never waits: what the stack cannot
    /// take is dropped; `false` then, and a key frame is due.
    pub fn send_video(&self, _access_unit: &[u8], _rtp_timestamp: u32) -> bool {
        todo!()
    }

    /// One Opus packet, 48 kHz timestamp.
    pub fn send_audio(&self, _packet: Bytes, _rtp_timestamp: u32) -> bool {
        todo!()
    }

    /// Queues a message on the data channel; `false` when it is not open or too much is queued already.
    pub fn send_message(&self, _message: &PatchChannelMessage) -> bool {
        todo!()
    }

    #[must_use]
    pub fn uplink_bytes(&self) -> UplinkBytes {
        todo!()
    }

    /// DELETEs the session and ends.
    pub async fn close(self) {
        todo!()
    }
}
