//! What is said of runs: the JSON of `--json`, and what tables and plots are made of.

use std::{fs, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::recording::{Conditions, Machine, ProcessUse, Training};

/// A file of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) version: String,
    /// As it was typed
    pub(crate) command: String,
    pub(crate) clips: Vec<ClipReport>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unmeasured: Vec<Unmeasured>,
}

/// A run that was not complete: half of it would be taken for the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unmeasured {
    pub(crate) clip: String,
    pub(crate) incomplete: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClipReport {
    pub(crate) clip: String,
    /// Of the reference, in pixels: the clip after its crop
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) conditions: Conditions,
    /// Why the run is not to be relied on; empty: it is complete.
    pub(crate) incomplete: Vec<String>,
    /// Means over the whole run
    pub(crate) uplink_kbps: Uplink,
    pub(crate) rivals: Rivals,
    pub(crate) mean: Mean,
    pub(crate) worst_second: WorstSecond,
    pub(crate) share_of_seconds_below: ShareOfSecondsBelow,
    pub(crate) seconds: Vec<Second>,
    pub(crate) checkpoints: Vec<CheckpointMark>,
    pub(crate) delivery: Renditions<Delivery>,
    pub(crate) training: Training,
    pub(crate) processes: Vec<ProcessUse>,
    pub(crate) machine: Machine,
}

/// UDP payload of the publisher's socket by kind, in kbit/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Uplink {
    pub(crate) video: f64,
    pub(crate) patches: f64,
    pub(crate) audio: f64,
    pub(crate) other: f64,
    pub(crate) total: f64,
}

/// How closely the offline rivals met the uplink. Sound and the rest cost them what they cost the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rivals {
    /// UDP payload around each packet's video that the run showed, in bytes
    pub(crate) overhead_bytes_a_packet: f64,
    pub(crate) direct: RivalRate,
    pub(crate) bicubic_full: RivalRate,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RivalRate {
    /// What its encoder was set to
    pub(crate) set_kbps: u32,
    /// Counted, with the overhead of its packets
    pub(crate) video_kbps: f64,
    /// With sound and the rest of the run
    pub(crate) total_kbps: f64,
}

/// One value of each system that is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Systems<T> {
    /// The source as received, enlarged
    pub(crate) bicubic: T,
    /// As received
    pub(crate) enhanced: T,
    /// The same as `bicubic`, through the enhancer's encoder
    pub(crate) bicubic_encoded: T,
    /// The clip at its own size with the whole uplink
    pub(crate) direct: T,
    /// The small clip with the whole uplink, enlarged
    pub(crate) bicubic_full: T,
}

/// One value of each picture that viewers get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Renditions<T> {
    pub(crate) source: T,
    pub(crate) enhanced: T,
}

/// Of luma against the clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quality {
    pub(crate) psnr_y_db: f64,
    pub(crate) ssim: f64,
    /// Where the machine's FFmpeg measures it; of means only
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vmaf: Option<f64>,
}

/// `enhanced` less another system, in dB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gains {
    pub(crate) gain_db: f64,
    pub(crate) gain_encoded_db: f64,
    pub(crate) gain_full_db: f64,
    pub(crate) gain_direct_db: f64,
}

/// Means of the seconds after the warm-up that have frames which both viewers decoded; all over the same frames.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mean {
    #[serde(flatten)]
    pub(crate) systems: Systems<Quality>,
    /// The better of two common kinds of bicubic on the received source
    pub(crate) bicubic_best: BestBicubic,
    #[serde(flatten)]
    pub(crate) gains: Gains,
    /// `gain_db` of what was on the screens, over all frames that were due
    pub(crate) as_seen_db: f64,
    pub(crate) as_seen: Renditions<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BestBicubic {
    /// Keys' parameter
    pub(crate) a: f64,
    pub(crate) psnr_y_db: f64,
}

/// After the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorstSecond {
    pub(crate) gain_db: f64,
    pub(crate) gain_encoded_db: f64,
    /// Which one is meant by `gain_encoded_db`
    pub(crate) t: u32,
}

/// Shares of the seconds after the warm-up, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShareOfSecondsBelow {
    pub(crate) bicubic_encoded_by_0_05_db: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Second {
    pub(crate) t: u32,
    pub(crate) frames_sent: u32,
    /// Decoded by both viewers
    pub(crate) frames_compared: u32,
    /// Absent where no frame was compared
    #[serde(flatten)]
    pub(crate) compared: Option<Compared>,
    /// PSNR-Y of what was on the screens; absent before the first picture
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_seen: Option<Renditions<f64>>,
    /// The newest that was live in this second; 0: none, exact bicubic
    pub(crate) checkpoint_version: u64,
    pub(crate) uplink_kbps: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    #[serde(flatten)]
    pub(crate) systems: Systems<Quality>,
    #[serde(flatten)]
    pub(crate) gains: Gains,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckpointMark {
    /// Seconds into the run
    pub(crate) t: f64,
    pub(crate) version: u64,
    #[serde(flatten)]
    pub(crate) change: super::recording::CheckpointChange,
}

/// How the frames of the seconds after the warm-up came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// By the publisher
    pub(crate) frames_sent: u32,
    pub(crate) frames_shown: u32,
    /// As webrtc-stats counts them: 150 ms and twice the average longer than usual
    pub(crate) freezes: u32,
    /// 0: there was none
    pub(crate) longest_freeze_ms: f64,
    /// From the publisher's sending to the arrival of what completed the frame; absent when none came
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<Delay>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Delay {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Report {
    pub(crate) fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let doing = || format!("writing the report {}", path.display());
        let mut json = serde_json::to_vec_pretty(self).with_context(doing)?;
        json.push(b'\n');
        fs::write(path, json).with_context(doing)
    }

    pub(crate) fn read_json(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("reading the report {}", path.display());
        serde_json::from_slice(&fs::read(path).with_context(doing)?).with_context(doing)
    }
}

impl<T> Systems<T> {
    pub(crate) fn map<U>(self, mut change: impl FnMut(T) -> U) -> Systems<U> {
        Systems {
            bicubic: change(self.bicubic),
            enhanced: change(self.enhanced),
            bicubic_encoded: change(self.bicubic_encoded),
            direct: change(self.direct),
            bicubic_full: change(self.bicubic_full),
        }
    }

    /// The first error, where there is one.
    pub(crate) fn try_map<U>(self, mut change: impl FnMut(T) -> anyhow::Result<U>) -> anyhow::Result<Systems<U>> {
        Ok(Systems {
            bicubic: change(self.bicubic)?,
            enhanced: change(self.enhanced)?,
            bicubic_encoded: change(self.bicubic_encoded)?,
            direct: change(self.direct)?,
            bicubic_full: change(self.bicubic_full)?,
        })
    }

    pub(crate) fn each_mut(&mut self) -> Systems<&mut T> {
        Systems {
            bicubic: &mut self.bicubic,
            enhanced: &mut self.enhanced,
            bicubic_encoded: &mut self.bicubic_encoded,
            direct: &mut self.direct,
            bicubic_full: &mut self.bicubic_full,
        }
    }

    pub(crate) fn each_ref(&self) -> Systems<&T> {
        Systems {
            bicubic: &self.bicubic,
            enhanced: &self.enhanced,
            bicubic_encoded: &self.bicubic_encoded,
            direct: &self.direct,
            bicubic_full: &self.bicubic_full,
        }
    }

    pub(crate) fn zip<U>(self, other: Systems<U>) -> Systems<(T, U)> {
        Systems {
            bicubic: (self.bicubic, other.bicubic),
            enhanced: (self.enhanced, other.enhanced),
            bicubic_encoded: (self.bicubic_encoded, other.bicubic_encoded),
            direct: (self.direct, other.direct),
            bicubic_full: (self.bicubic_full, other.bicubic_full),
        }
    }
}

impl<T> Renditions<T> {
    pub(crate) fn each_ref(&self) -> Renditions<&T> {
        Renditions { source: &self.source, enhanced: &self.enhanced }
    }

    pub(crate) fn map<U>(self, mut change: impl FnMut(T) -> U) -> Renditions<U> {
        Renditions { source: change(self.source), enhanced: change(self.enhanced) }
    }
}

impl Systems<Quality> {
    pub(crate) fn gains(&self) -> Gains {
        let over = |other: Quality| self.enhanced.psnr_y_db - other.psnr_y_db;
        Gains {
            gain_db: over(self.bicubic),
            gain_encoded_db: over(self.bicubic_encoded),
            gain_full_db: over(self.bicubic_full),
            gain_direct_db: over(self.direct),
        }
    }
}

#[cfg(test)]
pub(crate) mod sample;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_has_the_names_that_were_promised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        let report = Report {
            version: "0.1.0".to_owned(),
            command: "acuity evaluate".to_owned(),
            clips: vec![sample::clip(1200)],
            unmeasured: Vec::new(),
        };
        report.write_json(&path).unwrap();
        let read = Report::read_json(&path).unwrap();
        assert_eq!(format!("{read:.6?}"), format!("{report:.6?}"), "but for the last bit of floats");

        let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let clip = &json["clips"][0];
        for promised in [
            "/uplink_kbps/total",
            "/mean/bicubic/psnr_y_db",
            "/mean/enhanced/ssim",
            "/mean/bicubic_encoded/psnr_y_db",
            "/mean/bicubic_full/psnr_y_db",
            "/mean/direct/psnr_y_db",
            "/mean/gain_db",
            "/mean/gain_encoded_db",
            "/mean/gain_full_db",
            "/mean/gain_direct_db",
            "/mean/as_seen_db",
            "/worst_second/gain_db",
            "/worst_second/gain_encoded_db",
            "/share_of_seconds_below/bicubic_encoded_by_0_05_db",
            "/seconds/59/t",
            "/seconds/59/enhanced/psnr_y_db",
            "/seconds/59/gain_encoded_db",
            "/seconds/59/checkpoint_version",
            "/delivery/source/frames_sent",
            "/delivery/enhanced/delay_ms/p99",
            "/training/steps",
            "/processes/0/cpu_seconds",
            "/machine/cores",
        ] {
            assert!(clip.pointer(promised).is_some_and(Value::is_number), "{promised}");
        }
        assert_eq!(clip.pointer("/mean/bicubic/vmaf"), None, "what nobody measured is absent");
        assert_eq!(clip.pointer("/seconds/47/gain_db"), None, "nothing was compared");
    }
}
