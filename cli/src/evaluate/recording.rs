//! What one run of the system left behind. A recording is a folder; everything that is said of the run is made of it
//! afterwards, and can be made of it again.
//!
//! | file | what |
//! |---|---|
//! | `recording.json` | this type |
//! | `frames.csv` | frames sent: RTP timestamp, index in the clip, wall clock |
//! | `source.rtpdump`, `enhanced.rtpdump` | the video's packets as a viewer got them |
//!
//! Second `t` of a run is that of its frames' RTP timestamps, counted from the first frame sent. There is one publisher
//! session, so timestamps at the viewers are the publisher's own.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use rtp::Unwrap32;
use serde::{Deserialize, Serialize};
use settings::{NetworkSettings, StartFrom};

pub(crate) const FRAMES: &str = "frames.csv";
pub(crate) const SOURCE: &str = "source.rtpdump";
pub(crate) const ENHANCED: &str = "enhanced.rtpdump";
pub(crate) const RECORDING: &str = "recording.json";

/// Of the video's RTP timestamps.
pub(crate) const VIDEO_CLOCK_RATE: u64 = 90_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recording {
    pub(crate) conditions: Conditions,
    /// When the first frame was sent: second 0 begins.
    pub(crate) began_unix_us: u64,
    /// What the publisher's socket sent in each second; the first also holds how the session was made.
    pub(crate) uplink: Vec<UplinkBytes>,
    pub(crate) publisher: PublisherCounts,
    pub(crate) checkpoints: Vec<CheckpointEvent>,
    /// What the media-node said each second.
    pub(crate) judged: Vec<Judged>,
    pub(crate) training: Training,
    pub(crate) enhancer: EnhancerCounts,
    pub(crate) viewers: Viewers,
    pub(crate) processes: Vec<ProcessUse>,
    pub(crate) machine: Machine,
    /// Why the run is not to be relied on; empty: it is complete.
    pub(crate) incomplete: Vec<String>,
}

/// What was asked for, as far as anything measured depends on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conditions {
    /// File, or with `format` anything FFmpeg can open
    pub(crate) clip: String,
    pub(crate) format: Option<String>,
    /// Seconds into the clip at which it begins, also when it is repeated
    pub(crate) clip_start: f64,
    /// Frames a second that were asked for; `None`: all of the clip
    pub(crate) fps: Option<f64>,
    /// Of the run
    pub(crate) seconds: u32,
    /// Of these, how many are shown and in no mean
    pub(crate) warmup_seconds: u32,
    pub(crate) scale: u8,
    pub(crate) video_kbps: u32,
    /// 0: no patches
    pub(crate) patch_kbps: u32,
    /// 0: no sound was asked for
    pub(crate) audio_kbps: u32,
    pub(crate) publisher_encoder: Coder,
    pub(crate) enhancer_encoder: Coder,
    pub(crate) enhancer_kbps: u32,
    pub(crate) network: NetworkSettings,
    pub(crate) start: StartFrom,
    pub(crate) trainer: bool,
    /// One frame in so many was left out on purpose; 0: none
    pub(crate) drop_every: u32,
    /// Percent of the packets that each viewer lost on purpose
    pub(crate) viewer_loss_percent: f64,
}

/// An encoder, but for its size and rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Coder {
    /// FFmpeg's name
    pub(crate) encoder: String,
    pub(crate) preset: String,
    pub(crate) threads: usize,
    /// What its rate control is told, frames a second as a fraction; `None`: the clip's
    pub(crate) frame_rate: Option<(u32, u32)>,
    /// Frames between key frames that nobody asked for; `None`: the first frame only
    pub(crate) keyframe_interval: Option<u32>,
}

/// UDP payload by kind: headers, SRTP tags and retransmissions included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UplinkBytes {
    pub(crate) video: u64,
    pub(crate) patches: u64,
    pub(crate) audio: u64,
    /// ICE, DTLS handshake, RTCP
    pub(crate) other: u64,
}

/// Since the publisher's start; frames that were not sent by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PublisherCounts {
    pub(crate) frames: u64,
    pub(crate) frames_late: u64,
    pub(crate) frames_held_back: u64,
    pub(crate) frames_without_session: u64,
    pub(crate) keyframes: u64,
    pub(crate) patches: u64,
    pub(crate) patches_random: u64,
    pub(crate) patches_refused: u64,
    pub(crate) sessions: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckpointEvent {
    pub(crate) unix_us: u64,
    pub(crate) version: u64,
    pub(crate) what: CheckpointChange,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckpointChange {
    /// The media-node's own measure of it
    Accepted {
        gain_db: f64,
    },
    /// Exact bicubic from now on.
    Withdrawn {
        reason: String,
    },
    Restored,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) unix_us: u64,
    /// 0: none yet
    pub(crate) live_version: u64,
    pub(crate) withdrawn: bool,
    pub(crate) gain_db: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Training {
    pub(crate) steps: u64,
    pub(crate) checkpoints_offered: u64,
    pub(crate) checkpoints_accepted: u64,
    pub(crate) checkpoints_withdrawn: u64,
    pub(crate) patches_received: u64,
    pub(crate) patches_accepted: u64,
}

/// What the enhancer said last; frames of its last minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EnhancerCounts {
    pub(crate) device: String,
    /// One frame through the network
    pub(crate) frame_p95_us: u32,
    pub(crate) enhanced_per_minute: u32,
    pub(crate) bicubic_per_minute: u32,
    /// Why the newest checkpoint is not in use; empty: it is
    pub(crate) refused: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Viewers {
    pub(crate) source: ViewerCounts,
    pub(crate) enhanced: ViewerCounts,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ViewerCounts {
    /// Each begins another SSRC with sequence numbers of its own.
    pub(crate) reconnects: u64,
    /// Missing for good
    pub(crate) packets_lost: u64,
    /// Came, and were lost in the viewer
    pub(crate) packets_dropped: u64,
}

/// From the first frame to the end of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProcessUse {
    pub(crate) name: String,
    pub(crate) cpu_seconds: f64,
    /// Resident, since its start
    pub(crate) peak_memory_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
}

/// One line of `frames.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentFrame {
    pub(crate) rtp_timestamp: u32,
    /// RTP ticks since the first frame sent
    pub(crate) ticks: u64,
    pub(crate) clip_frame_index: u64,
    pub(crate) sent_unix_us: u64,
}

impl Recording {
    pub(crate) fn is_complete(&self) -> bool {
        self.incomplete.is_empty()
    }

    pub(crate) fn load(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(RECORDING);
        let doing = || format!("reading the recording {}", path.display());
        serde_json::from_slice(&fs::read(&path).with_context(doing)?).with_context(doing)
    }

    pub(crate) fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(RECORDING);
        let doing = || format!("writing the recording {}", path.display());
        fs::write(&path, serde_json::to_vec_pretty(self).with_context(doing)?).with_context(doing)
    }

    /// The frames of the run, in the order sent. What the publisher sent after the last second is none of them.
    pub(crate) fn frames(&self, folder: &Path) -> anyhow::Result<Vec<SentFrame>> {
        let path = folder.join(FRAMES);
        let doing = || format!("reading the frame log {}", path.display());
        let mut frames = parse_frames(&fs::read_to_string(&path).with_context(doing)?).with_context(doing)?;
        frames.retain(|frame| frame.ticks < u64::from(self.conditions.seconds) * VIDEO_CLOCK_RATE);
        Ok(frames)
    }
}

impl SentFrame {
    /// Second of the run.
    pub(crate) fn second(&self) -> usize {
        usize::try_from(self.ticks / VIDEO_CLOCK_RATE).unwrap_or(usize::MAX)
    }
}

/// A last line without its end was being written when the publisher ended.
pub(crate) fn parse_frames(csv: &str) -> anyhow::Result<Vec<SentFrame>> {
    let (mut unwrap, mut first) = (Unwrap32::default(), None);
    let whole = csv.rfind('\n').map_or("", |end| &csv[..end]);
    let parse = |line: &str| {
        let mut numbers = line.split(',').map(str::parse::<u64>);
        let mut next = || numbers.next().and_then(Result::ok);
        let (Some(timestamp), Some(clip_frame_index), Some(sent_unix_us)) = (next(), next(), next()) else {
            bail!("`{line}` is not rtp_timestamp,clip_frame_index,sent_unix_us");
        };
        let rtp_timestamp = u32::try_from(timestamp).with_context(|| format!("in `{line}`"))?;
        let ticks = unwrap.unwrap(rtp_timestamp);
        let ticks = ticks.saturating_sub(*first.get_or_insert(ticks));
        Ok(SentFrame { rtp_timestamp, ticks, clip_frame_index, sent_unix_us })
    };
    whole.lines().skip(1).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_count_their_time_from_the_first_across_the_wrap() {
        let csv = "rtp_timestamp,clip_frame_index,sent_unix_us\n4294967295,0,1000000\n89999,24,2000000\n9";
        let frames = parse_frames(csv).unwrap();
        assert_eq!(frames.iter().map(|frame| (frame.ticks, frame.second())).collect::<Vec<_>>(), [(0, 0), (90_000, 1)]);
        assert_eq!(frames[1].clip_frame_index, 24);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let error = parse_frames("rtp_timestamp,clip_frame_index,sent_unix_us\n1,2\n").unwrap_err().to_string();
        assert!(error.contains("`1,2`"), "{error}");
    }
}
