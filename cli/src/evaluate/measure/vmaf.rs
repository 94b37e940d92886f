//! VMAF, where the machine's `ffmpeg` measures it: the library this program is linked with need not have it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};
use media::Picture;
use serde::Deserialize;
use sr_net::Plane;
use tempfile::TempDir;

use super::{super::report::Systems, keep::LosslessFile};

/// Whether there is an `ffmpeg` that has the filter.
pub(crate) fn is_available() -> bool {
    let filters = Command::new("ffmpeg").args(["-hide_banner", "-filters"]).output();
    filters.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == "libvmaf"))
}

/// The frames that are compared, in files for `ffmpeg`.
pub(crate) struct Vmaf {
    folder: TempDir,
    reference: LosslessFile,
    systems: Systems<(&'static str, LosslessFile)>,
    grey: Plane,
    /// Of each frame
    seconds: Vec<usize>,
}

const FILES: Systems<&str> = Systems {
    bicubic: "bicubic.mkv",
    enhanced: "enhanced.mkv",
    bicubic_encoded: "bicubic_encoded.mkv",
    direct: "direct.mkv",
    bicubic_full: "bicubic_full.mkv",
};
const REFERENCE: &str = "reference.mkv";

impl Vmaf {
    pub(crate) fn create(size: (usize, usize)) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for VMAF")?;
        let file = |name: &'static str| Ok((name, LosslessFile::create(&folder.path().join(name), size)?));
        Ok(Self {
            reference: LosslessFile::create(&folder.path().join(REFERENCE), size)?,
            systems: FILES.try_map(file)?,
            grey: Plane::filled(size.0 / 2, size.1 / 2, 128),
            seconds: Vec::new(),
            folder,
        })
    }

    /// Luma of one frame.
    pub(crate) fn write(
        &mut self,
        reference: &Plane,
        systems: Systems<&Plane>,
        ticks: u64,
        second: usize,
    ) -> anyhow::Result<()> {
        let grey = &self.grey;
        let write = |file: &mut LosslessFile, plane: &Plane| {
            file.write(&Picture { y: plane.clone(), u: grey.clone(), v: grey.clone() }, ticks)
        };
        write(&mut self.reference, reference)?;
        self.systems.each_mut().zip(systems).try_map(|(file, plane)| write(&mut file.1, plane))?;
        self.seconds.push(second);
        Ok(())
    }

    /// The means of the means of seconds. `None` without frames.
    pub(crate) fn finish(self) -> anyhow::Result<Option<Systems<f64>>> {
        let (folder, seconds) = (self.folder, self.seconds);
        self.reference.finish()?;
        let names = self.systems.try_map(|(name, file)| file.finish().map(|()| name))?;
        if seconds.is_empty() {
            return Ok(None);
        }
        names.try_map(|name| mean_of_seconds(&seconds, &measure(folder.path(), name)?)).map(Some)
    }
}

impl std::fmt::Debug for Vmaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vmaf").field("frames", &self.seconds.len()).finish_non_exhaustive()
    }
}

/// VMAF of each frame.
fn measure(folder: &Path, name: &str) -> anyhow::Result<Vec<f64>> {
    let (log, graph) = ("vmaf.json", "[0:v][1:v]libvmaf=log_fmt=json:log_path=vmaf.json");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.current_dir(folder).args(["-v", "error", "-nostdin", "-i", name, "-i", REFERENCE, "-lavfi", graph]);
    let output = ffmpeg.args(["-f", "null", "-"]).output().context("measuring VMAF")?;
    ensure!(output.status.success(), "measuring VMAF: {}", String::from_utf8_lossy(&output.stderr).trim());
    parse(&fs::read(folder.join(log)).context("reading VMAF")?)
}

fn parse(log: &[u8]) -> anyhow::Result<Vec<f64>> {
    #[derive(Deserialize)]
    struct Log {
        frames: Vec<Frame>,
    }
    #[derive(Deserialize)]
    struct Frame {
        metrics: Metrics,
    }
    #[derive(Deserialize)]
    struct Metrics {
        vmaf: f64,
    }
    let log: Log = serde_json::from_slice(log).context("reading VMAF")?;
    Ok(log.frames.into_iter().map(|frame| frame.metrics.vmaf).collect())
}

fn mean_of_seconds(seconds: &[usize], frames: &[f64]) -> anyhow::Result<f64> {
    ensure!(seconds.len() == frames.len(), "VMAF of {} frames instead of {}", frames.len(), seconds.len());
    let mut rest = frames;
    let means = seconds.chunk_by(|a, b| a == b).map(|second| {
        let (frames, after) = rest.split_at(second.len());
        rest = after;
        frames.iter().sum::<f64>() / frames.len() as f64
    });
    let means: Vec<f64> = means.collect();
    Ok(means.iter().sum::<f64>() / means.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_ffmpeg_is_read_and_seconds_weigh_alike() {
        let log = br#"{"version": "2.3.1", "frames": [
            {"frameNum": 0, "metrics": {"integer_motion": 0.0, "vmaf": 90.0}},
            {"frameNum": 1, "metrics": {"integer_motion": 1.5, "vmaf": 80.0}},
            {"frameNum": 2, "metrics": {"integer_motion": 1.5, "vmaf": 45.0}}],
            "pooled_metrics": {"vmaf": {"mean": 71.67}}, "aggregate_metrics": {}}"#;
        let frames = parse(log).unwrap();
        assert_eq!(frames, [90.0, 80.0, 45.0]);
        assert_eq!(mean_of_seconds(&[20, 20, 22], &frames).unwrap(), 65.0);
        assert!(mean_of_seconds(&[20, 20], &frames).is_err());
    }
}
