//! What a media-node says of its stream on `/api/status` (one JSON object) and `/api/events` (server-sent events).
//! Read by the page, by `acuity` and by people; fields are added, never renamed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The answer of `GET /api/status`, and the data of each `status` event, sent once a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamStatus {
    /// `<namespace>/<name>`
    pub stream: String,
    /// A publisher is live: an authenticated packet of it came within the last 2 s.
    pub publishing: bool,
    /// Packets of the enhancer came within the last 2 s.
    pub enhanced_live: bool,
    /// Without the enhancer.
    pub viewers: u32,
    /// Averages over the last second.
    pub uplink_kbps: UplinkKbps,
    /// Averages over the last second.
    pub frames_per_second: FramesPerSecond,
    /// LR size of the source as last seen by the pairer, in pixels; 0: unknown.
    pub source_width: u32,
    pub source_height: u32,
    /// Scale the stream is enhanced by.
    pub scale: u32,
    pub learning: LearningStatus,
}

/// UDP payload of the publisher's socket by kind, in kbit/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UplinkKbps {
    pub video: f64,
    pub audio: f64,
    pub patches: f64,
    pub other: f64,
}

/// Complete frames a second: from the publisher, from the enhancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FramesPerSecond {
    pub source: f64,
    pub enhanced: f64,
}

/// What the registry, the judge and the live guard know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LearningStatus {
    /// 0: none yet, exact bicubic; 1: the general weights.
    pub live_version: u64,
    /// The live guard took the live version back, and nothing else is better: exact bicubic for now.
    pub withdrawn: bool,
    /// Over the RANDOM patches of the last 60 s; absent before the first.
    pub gain_db: Option<f64>,
    pub gain_slope_db_per_second: Option<f64>,
    pub bicubic_psnr_db: Option<f64>,
    pub enhanced_psnr_db: Option<f64>,
    pub scene_changes: u64,
    pub patches_received: u64,
    pub patches_accepted: u64,
    pub patches_dropped_by_reason: BTreeMap<String, u64>,
    /// Under 60 s old, and no trainer has taken them yet.
    pub patches_waiting: u64,
    pub pairer_deaths: u64,
    pub checkpoints_offered: u64,
    pub checkpoints_accepted: u64,
    pub checkpoints_rejected_by_reason: BTreeMap<String, u64>,
    pub checkpoints_withdrawn: u64,
}

/// A change worth a mark on a plot; the data of the events `checkpoint`, `withdrawn`, `restored`, `publisher`, `viewer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamEvent {
    pub at_unix_us: u64,
    #[serde(flatten)]
    pub kind: StreamEventKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StreamEventKind {
    CheckpointAccepted {
        version: u64,
        gain_db: f64,
    },
    CheckpointRejected {
        reason: String,
        detail: String,
    },
    Withdrawn {
        version: u64,
        reason: String,
    },
    Restored {
        version: u64,
    },
    SceneChange,
    PublisherConnected {
        session: String,
    },
    PublisherGone {
        session: String,
        reason: String,
    },
    EnhancerConnected,
    EnhancerGone,
    PairerStarted,
    PairerDied {
        reason: String,
    },
    /// The message `Moved` for viewers: begin a session at `url`, a reference to be resolved against the one used before.
    Moved {
        url: String,
    },
}
