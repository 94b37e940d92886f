//! What the media-node and its child `patch-pairer` say to each other: length-delimited messages over the child's
//! standard input and output.

use bytes::Bytes;
use proto::v1::{PublisherPatch, TrainingPatch};

/// Bits of the perceptual hash that differ between pictures of different scenes.
pub const SCENE_DISTANCE: u32 = 22;

/// The longest message either side takes, in bytes: the largest access unit and what goes around it.
pub const MAX_MESSAGE_BYTES: usize = 5 << 20;

/// The most pixels of a patch: as a pair of raw planes it must fit into one message of the bus.
pub const MAX_PATCH_PIXELS: u64 = 256 * 256;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ToPairer {
    #[prost(oneof = "ToPairerKind", tags = "1, 2, 3")]
    pub kind: Option<ToPairerKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ToPairerKind {
    #[prost(message, tag = "1")]
    AccessUnit(AccessUnit),
    /// Nothing decodes right until the next key frame. Session ids and stream time go on.
    #[prost(message, tag = "2")]
    FramesLost(FramesLost),
    #[prost(message, tag = "3")]
    Patch(ReceivedPatch),
}

/// One access unit (Annex B) of the source video.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AccessUnit {
    #[prost(uint64, tag = "1")]
    pub stream_time: u64,
    #[prost(bool, tag = "2")]
    pub keyframe: bool,
    #[prost(bytes = "bytes", tag = "3")]
    pub data: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FramesLost {}

/// A publisher's patch with its place on the timeline.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReceivedPatch {
    #[prost(string, tag = "1")]
    pub session: String,
    #[prost(uint64, tag = "2")]
    pub stream_time: u64,
    #[prost(uint64, tag = "3")]
    pub captured_at_unix_us: u64,
    #[prost(uint32, tag = "4")]
    pub scale: u32,
    #[prost(message, optional, tag = "5")]
    pub patch: Option<PublisherPatch>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct FromPairer {
    #[prost(oneof = "FromPairerKind", tags = "1, 2, 3")]
    pub kind: Option<FromPairerKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
#[allow(clippy::large_enum_variant, reason = "most answers are pairs")]
pub enum FromPairerKind {
    #[prost(message, tag = "1")]
    Pair(Paired),
    #[prost(message, tag = "2")]
    Dropped(Dropped),
    /// An access unit could not be decoded: the next one that helps is a key frame.
    #[prost(message, tag = "3")]
    KeyframeWanted(KeyframeWanted),
}

/// A patch and its piece of the decoded LR frame, both raw.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Paired {
    /// All but the stream's name.
    #[prost(message, optional, tag = "1")]
    pub patch: Option<TrainingPatch>,
    /// Of the publisher's patch.
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    /// Of the frame: how many cuts the pairer has seen up to it.
    #[prost(uint64, tag = "3")]
    pub scene: u64,
    #[prost(uint32, tag = "4")]
    pub frame_width: u32,
    #[prost(uint32, tag = "5")]
    pub frame_height: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Dropped {
    #[prost(enumeration = "DropReason", tag = "1")]
    pub reason: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct KeyframeWanted {}

/// Why the pairer makes no pair of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DropReason {
    Unspecified = 0,
    /// Its frame is older than what is kept, or was never seen.
    FrameGone = 1,
    /// Frames were lost, and no key frame has come since.
    NoKeyframe = 2,
    /// The rectangle is empty, not on the grid, or not inside the picture.
    BadRect = 3,
    Oversized = 4,
    /// Not a picture of the rectangle's size in the coding it claims.
    BadCoding = 5,
    /// Bicubic of the LR frame is less than 15 dB like it.
    Unlike = 6,
    /// It fits a neighbouring frame better.
    Misaligned = 7,
    /// More patches wait for their frame than the pairer holds.
    TooManyWaiting = 8,
    /// The scale is none that is supported.
    BadScale = 9,
    /// Its residual was taken against another picture than this frame's bicubic.
    OtherBase = 10,
}

impl DropReason {
    /// As it is counted.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::FrameGone => "frame_gone",
            Self::NoKeyframe => "no_keyframe",
            Self::BadRect => "bad_rect",
            Self::Oversized => "oversized",
            Self::BadCoding => "bad_coding",
            Self::Unlike => "unlike",
            Self::Misaligned => "misaligned",
            Self::TooManyWaiting => "too_many_waiting",
            Self::BadScale => "bad_scale",
            Self::OtherBase => "other_base",
        }
    }
}
