//! What a room is told, and what it says.

use bytes::Bytes;
use proto::status::{FramesPerSecond, StreamEventKind};

use crate::bridge::FromRelay;

/// A peer of the driver; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// Where a publisher session's media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// `/whip`: the broadcaster.
    Source,
    /// `/whip/enhanced`: the enhancer. Its timestamps are stream time already.
    Enhanced,
}

/// What a viewer asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rendition {
    Source,
    Enhanced,
    /// Enhanced while it is live, else source.
    Auto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackKind {
    Video,
    Audio,
}

/// An RTP packet without what belongs to one hop: no extensions, no padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPacket {
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Bytes,
}

/// What happened. Times are given beside it, since any fixed point.
#[derive(Debug)]
pub enum Input {
    /// The Unix time that goes with the time given beside it; the room starts at 1970.
    WallClock {
        unix_us: u64,
    },
    /// A publisher session is set up; `session` names it to the outside. The driver has ended an older one of this
    /// origin, but for a live enhancer: the newer one takes over with its first key frame.
    PublisherJoined {
        peer: PeerId,
        origin: Origin,
        session: String,
    },
    PublisherLeft {
        peer: PeerId,
        reason: String,
    },
    PublisherPacket {
        peer: PeerId,
        kind: TrackKind,
        packet: MediaPacket,
    },
    /// (NTP, RTP) of one track. NTP in 32.32 fixed point seconds since 1900.
    PublisherSenderReport {
        peer: PeerId,
        kind: TrackKind,
        ntp: u64,
        rtp_timestamp: u32,
    },
    /// One decoded message of the publisher's data channel.
    PublisherMessage {
        peer: PeerId,
        message: Box<proto::v1::PatchChannelMessage>,
    },
    /// A viewer is connected: packets may be sent. `internal`: the enhancer, not counted as a viewer.
    ViewerJoined {
        peer: PeerId,
        rendition: Rendition,
        audio: bool,
        internal: bool,
    },
    ViewerLeft {
        peer: PeerId,
    },
    /// PLI or FIR.
    KeyframeRequest {
        peer: PeerId,
    },
    /// The pairer waits for a key frame of the source.
    PairerKeyframeRequest,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Send to a viewer; `payload` is shared by all of them.
    Forward {
        viewer: PeerId,
        kind: TrackKind,
        packet: MediaPacket,
    },
    /// Send a PLI to a publisher.
    RequestKeyframe {
        publisher: PeerId,
    },
    /// Send a sender report of a viewer's track.
    SenderReport {
        viewer: PeerId,
        kind: TrackKind,
        ntp: u64,
        rtp_timestamp: u32,
        packets: u32,
        octets: u32,
    },
    /// Close a publisher's session: another one has taken over.
    EndSession {
        publisher: PeerId,
    },
    Learning(FromRelay),
    Event(StreamEventKind),
}

/// Numbers for status and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RoomStatistics {
    pub publishing: bool,
    pub enhanced_live: bool,
    pub viewers: u32,
    pub frames_per_second: FramesPerSecond,
    pub packets_received: u64,
    pub packets_forwarded: u64,
    pub packets_dropped_duplicate: u64,
    /// Enhanced packets whose timestamp was not forwarded within the last 2 s.
    pub packets_dropped_foreign_timestamp: u64,
    pub keyframe_requests: u64,
}
