//! One WHEP session: H264 and Opus in.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::SignallingError;

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
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Bytes,
}

#[derive(Clone, Debug)]
pub enum ViewerEvent {
    Video(ReceivedPacket),
    Audio(ReceivedPacket),
    /// The session is over (no packet for 1 s counts); the last event.
    Closed { reason: String },
}

#[derive(Debug)]
pub struct Viewer {}

impl Viewer {
    /// # Errors
    /// By what to do next; see [`SignallingError`].
    pub async fn connect(_options: ViewOptions) -> Result<(Self, mpsc::Receiver<ViewerEvent>), SignallingError> {
        todo!()
    }

    /// Sends a PLI.
    pub fn request_keyframe(&self) {
        todo!()
    }

    /// DELETEs the session and ends.
    pub async fn close(self) {
        todo!()
    }
}
