//! What the relay and the learning half of a media-node say to each other. Both channels are bounded; what does not
//! fit is dropped and counted, for the relay waits for nobody.

use bytes::Bytes;
use proto::v1::{PatchControl, PublisherHello, PublisherPatch};

/// From the relay. `stream_time` is the stream's 90 kHz counter, `captured_at_unix_us` comes from the publisher's
/// sender reports (the arrival time before the first of them).
#[derive(Debug)]
pub enum FromRelay {
    SessionStarted {
        session: String,
    },
    SessionEnded {
        session: String,
    },
    /// One complete access unit (Annex B) of the source video.
    AccessUnit {
        stream_time: u64,
        captured_at_unix_us: u64,
        keyframe: bool,
        data: Bytes,
    },
    /// Frames are missing: nothing decodes right until the next key frame.
    FramesLost,
    Hello {
        session: String,
        hello: PublisherHello,
    },
    Patch {
        session: String,
        stream_time: u64,
        captured_at_unix_us: u64,
        patch: PublisherPatch,
    },
    /// A message on the patch channel that was refused before it came here.
    PatchRefused {
        reason: &'static str,
    },
}

/// To the relay.
#[derive(Debug)]
pub enum ToRelay {
    /// For the publisher, over the data channel.
    PatchControl(PatchControl),
    /// The pairer waits for a key frame of the source.
    KeyframeWanted,
}
