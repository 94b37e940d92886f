//! The options of `acuity evaluate`.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use settings::{NetworkSettings, StartFrom};

use super::forwarded::Forwarded;
use crate::publish::{PublisherOptions, parse_seconds};

/// Measure how much better the picture of a viewer becomes, at which cost
///
/// Publishes each clip to a system of its own on this machine, records what viewers of `source` and `enhanced` receive,
/// and measures both against the clip, and against what the same uplink does without Acuity. Options of `acuity
/// publish` are handed on. Exit status 0: every run was complete.
#[derive(Args, Clone, Debug)]
pub(crate) struct EvaluateArgs {
    /// What to publish, one run each; a clip shorter than the run begins again
    #[arg(value_name = "CLIP", required_unless_present_any = ["compare", "again"])]
    pub(crate) clips: Vec<String>,
    /// Length of a run
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(2..=86_400))]
    pub(crate) seconds: u32,
    /// The first seconds of a run, which are shown but in no mean
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) warmup_seconds: u32,
    /// Seconds into the clip to begin at
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = parse_seconds)]
    pub(crate) clip_start: f64,
    #[command(flatten)]
    pub(crate) publisher: Forwarded<PublisherOptions>,
    #[command(flatten)]
    pub(crate) network: NetworkSettings,
    /// What training begins with, and what viewers get before anything is learned: general weights, or exact bicubic
    #[arg(long = "start", value_enum, default_value_t = StartFrom::General)]
    pub(crate) start_from: StartFrom,
    /// General weights (safetensors) instead of those the programs come with
    #[arg(long, value_name = "FILE")]
    pub(crate) general_weights: Option<PathBuf>,
    /// Start no trainer: nothing is learned
    #[arg(long)]
    pub(crate) no_trainer: bool,
    /// Any other setting of a part, such as trainer.batch=8 or enhancer.bitrate_kbps=3000 (see `trainer --help`); may be repeated
    #[arg(long = "set", value_name = "PART.SETTING=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw dB over time to this SVG file, and beside it as PNG
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Keep recordings and decoded pictures in this folder, one folder in it for each run
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Run at each of these uplinks, in kbit/s; --video-kbps and --patch-kbps say how they are shared out
    #[arg(long, value_name = "KBPS,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub(crate) sweep: Vec<u32>,
    /// Measure folders of --keep again, without a run
    #[arg(long, value_name = "FOLDER", num_args = 1.., conflicts_with_all = ["clips", "keep", "sweep"])]
    pub(crate) again: Vec<PathBuf>,
    /// Print two files of --json side by side
    #[arg(long, value_name = "FILE", num_args = 2, conflicts_with_all = ["clips", "again", "json", "plot"])]
    pub(crate) compare: Vec<PathBuf>,
    /// Let each viewer lose this share of its packets, for tests of what measures it
    #[arg(long, value_name = "PERCENT", hide = true, default_value_t = 0.0)]
    pub(crate) lose_percent: f64,
}

impl EvaluateArgs {
    /// Refuses what cannot work before anything is started.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let (seconds, warmup) = (self.seconds, self.warmup_seconds);
        ensure!(
            warmup < seconds,
            "nothing is left to measure of {seconds} s after --warmup-seconds {warmup}: use a longer run, or less of it"
        );
        let publisher = &self.publisher.parsed;
        ensure!(publisher.scale > 1, "--scale 1 has nothing to enhance: every run is compared with it anyway");
        publisher.check()?;
        if publisher.format.is_none() {
            for clip in &self.clips {
                ensure!(std::path::Path::new(clip).is_file(), "there is no clip {clip}");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        evaluate: EvaluateArgs,
    }

    fn parse(line: &str) -> Result<EvaluateArgs, String> {
        let words = ["evaluate"].into_iter().chain(line.split_whitespace());
        let args = Line::try_parse_from(words).map_err(|error| error.to_string())?.evaluate;
        args.check().map_err(|error| error.to_string())?;
        Ok(args)
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_is_started() {
        for (line, expected) in [
            ("", "CLIP"),
            ("/nowhere/clip.mp4", "/nowhere/clip.mp4"),
            ("testsrc2 --format lavfi --seconds 20", "--warmup-seconds 20"),
            ("testsrc2 --format lavfi --scale 1", "--scale 1"),
            ("testsrc2 --format lavfi --patch-size 13", "--patch-size 13"),
            ("testsrc2 --format lavfi --sweep 100,x", "invalid value"),
            ("testsrc2 --again folder", "--again"),
            ("--compare a.json", "2 values"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn a_start_is_of_the_training_and_the_clips_has_another_name() {
        let args = parse("testsrc2 --format lavfi --start none --clip-start 2.5").unwrap();
        assert_eq!((args.start_from, args.clip_start), (StartFrom::None, 2.5));
    }

    #[test]
    fn folders_and_files_need_no_clip() {
        assert_eq!(parse("--again a b").unwrap().again.len(), 2);
        assert_eq!(parse("--compare a.json b.json").unwrap().compare.len(), 2);
    }
}
