//! The options of `acuity publish`.

use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use proto::v1::PixelCoding;

/// Publish a file or device live: a small picture by WHIP, and patches of the large one beside it
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub(crate) struct PublishArgs {
    /// File, device or address that FFmpeg can read: clip.mp4, /dev/video0, rtsp://…, or with --format lavfi a filter such as testsrc2
    #[arg(value_name = "FILE|DEVICE")]
    pub(crate) input: String,
    /// Where to publish, for example http://127.0.0.1:8080/whip
    #[arg(long, value_name = "URL")]
    pub(crate) whip: String,
    /// File with the publish token; read again at each connection
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Seconds into the file to begin at
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = parse_seconds)]
    pub(crate) start: f64,
    /// End at the end of the file (the default)
    #[arg(long, overrides_with = "repeat")]
    pub(crate) once: bool,
    /// Begin again at the end of the file, for ever
    #[arg(long = "loop", overrides_with = "once")]
    pub(crate) repeat: bool,
    #[command(flatten)]
    pub(crate) picture: PublisherOptions,
    /// Write rtp_timestamp,clip_frame_index,sent_unix_us of each frame sent to this file, as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) frame_log: Option<PathBuf>,
    /// Write how many bytes of UDP payload were sent so far to this file, by kind, ten times a second, as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) uplink_log: Option<PathBuf>,
    /// Write one JSON object a second to standard output
    #[arg(long)]
    pub(crate) stats: bool,
    /// Show no progress line
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// What is sent, wherever it goes.
#[derive(Args, Clone, Debug)]
pub(crate) struct PublisherOptions {
    /// FFmpeg's name of the input format, for devices: v4l2, x11grab, avfoundation, lavfi …; guessed for files
    #[arg(long, value_name = "NAME")]
    pub(crate) format: Option<String>,
    /// How much smaller than the source the published picture is in both directions; 1: the source itself, without patches
    #[arg(long, value_name = "1|2|3|4", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) scale: u8,
    /// Frames a second to publish out of those of the source [default: all]
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(crate) fps: Option<f64>,
    /// Rate of the video in kbit/s; less where the path carries less
    #[arg(long, value_name = "KBPS", default_value_t = 800, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub(crate) video_kbps: u32,
    /// The most that patches may use, in kbit/s; what they have no use for is the video's
    #[arg(long, value_name = "KBPS", default_value_t = 80, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) patch_kbps: u32,
    /// Side of a patch in pixels of the source; a multiple of twice the scale
    #[arg(long, value_name = "PIXELS", default_value_t = 96)]
    pub(crate) patch_size: usize,
    /// The most patches a second
    #[arg(long, value_name = "N", default_value_t = 20.0, value_parser = parse_positive)]
    pub(crate) patches_per_second: f64,
    /// Quality of patches, 1 to 100 (WebP, JPEG)
    #[arg(long, value_name = "1-100", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) patch_quality: u32,
    /// Quality of the random patches, by which the gain is measured
    #[arg(long, value_name = "1-100", default_value_t = 80, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) patch_random_quality: u32,
    /// How patches are coded
    #[arg(long, value_enum, default_value_t = Coding::Webp)]
    pub(crate) patch_coding: Coding,
    /// Code patches as pictures, not as differences to the bicubic of the published picture
    #[arg(long)]
    pub(crate) no_residual: bool,
    /// Which patches are sent: those that bicubic does worst at, or any
    #[arg(long, value_enum, default_value_t = Choice::Distorted)]
    pub(crate) patch_selection: Choice,
    /// Share of patches that are random all the same: the gain is measured by them
    #[arg(long, value_name = "0.1-1", default_value_t = 0.2, value_parser = parse_share)]
    pub(crate) random_share: f64,
    /// Publish no sound
    #[arg(long)]
    pub(crate) no_audio: bool,
    /// Rate of the sound in kbit/s
    #[arg(long, value_name = "KBPS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(6..=510))]
    pub(crate) audio_kbps: u32,
    /// Send no patches
    #[arg(long)]
    pub(crate) no_patches: bool,
    /// Follow what the path carries: auto is on for every server but one on this machine
    #[arg(long, value_enum, default_value_t = Switch::Auto)]
    pub(crate) congestion_control: Switch,
    /// FFmpeg's name of the H264 encoder
    #[arg(long, value_name = "NAME", default_value = "libx264")]
    pub(crate) encoder: String,
    /// Speed of the encoder (x264's preset)
    #[arg(long, value_name = "NAME", default_value = "superfast")]
    pub(crate) preset: String,
    /// Leave out one frame in so many, for tests of what measures it
    #[arg(long, value_name = "N", hide = true, default_value_t = 0)]
    pub(crate) drop_every: u32,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Webp,
    Png,
    Jpeg,
    Raw,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Distorted,
    Random,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    Auto,
    On,
    Off,
}

/// What is coded raw must fit a message of the data channel, its header included.
const MAX_RAW_PATCH_PIXELS: usize = webrtc_client::MAX_MESSAGE_BYTES - 256;
const MAX_PATCH_PIXELS_A_SIDE: usize = 512;

impl PublisherOptions {
    /// Refuses combinations that cannot work, with what to do instead.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if !self.sends_patches() {
            return Ok(());
        }
        let grid = 2 * usize::from(self.scale);
        let size = self.patch_size;
        ensure!(
            size > 0 && size.is_multiple_of(grid) && size <= MAX_PATCH_PIXELS_A_SIDE,
            "--patch-size {size} does not work with --scale {}: use a multiple of {grid} up to {MAX_PATCH_PIXELS_A_SIDE}",
            self.scale
        );
        if self.patch_coding == Coding::Raw && size * size > MAX_RAW_PATCH_PIXELS {
            bail!("raw patches of {size} pixels do not fit a message: use --patch-size 96, or another coding");
        }
        Ok(())
    }

    pub(crate) fn sends_patches(&self) -> bool {
        !self.no_patches && self.scale > 1 && self.patch_kbps > 0
    }

    /// What congestion control begins at on the way to `whip`; `None`: there is none.
    pub(crate) fn initial_estimate_kbps(&self, whip: &str) -> Option<u32> {
        let controlled = match self.congestion_control {
            Switch::On => true,
            Switch::Off => false,
            Switch::Auto => !webrtc_client::is_loopback(whip),
        };
        let audio = if self.no_audio { 0 } else { self.audio_kbps };
        let patches = if self.sends_patches() { self.patch_kbps } else { 0 };
        controlled.then(|| self.video_kbps + audio + patches)
    }
}

impl Coding {
    pub(crate) fn pixel_coding(self) -> PixelCoding {
        match self {
            Self::Webp => PixelCoding::Webp,
            Self::Png => PixelCoding::Png,
            Self::Jpeg => PixelCoding::Jpeg,
            Self::Raw => PixelCoding::Raw,
        }
    }
}

fn parse_number(text: &str, allowed: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number| allowed(*number)).ok_or_else(|| format!("expected {expected}"))
}

fn parse_positive(text: &str) -> Result<f64, String> {
    parse_number(text, |number| number > 0.0 && number <= 1000.0, "a number above 0, up to 1000")
}

pub(crate) fn parse_seconds(text: &str) -> Result<f64, String> {
    parse_number(text, |number| (0.0..1e7).contains(&number), "seconds, 0 or more")
}

fn parse_share(text: &str) -> Result<f64, String> {
    parse_number(text, |number| (0.1..=1.0).contains(&number), "a share from 0.1 to 1")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Command {
        #[command(flatten)]
        publish: PublishArgs,
    }

    fn parse(options: &str) -> Result<PublishArgs, String> {
        let line = format!("publish clip.mp4 --whip http://127.0.0.1:8080/whip {options}");
        let command = Command::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
        command.publish.picture.check().map_err(|error| error.to_string())?;
        Ok(command.publish)
    }

    #[test]
    fn the_later_of_once_and_loop_wins() {
        assert!(!parse("").unwrap().repeat);
        assert!(parse("--loop").unwrap().repeat);
        assert!(!parse("--loop --once").unwrap().repeat);
        assert!(parse("--once --loop").unwrap().repeat);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (options, expected) in [
            ("--scale 5", "5"),
            ("--scale 3 --patch-size 32", "multiple of 6"),
            ("--patch-size 0", "multiple of 4"),
            ("--patch-size 1024", "up to 512"),
            ("--patch-coding raw --patch-size 256", "raw patches"),
            ("--random-share 0.05", "0.1 to 1"),
            ("--fps 0", "above 0"),
            ("--fps NaN", "above 0"),
            ("--start -1", "unexpected argument"),
            ("--patch-quality 0", "1..=100"),
        ] {
            let error = parse(options).expect_err(options);
            assert!(error.contains(expected), "{options}: {error}");
        }
    }

    #[test]
    fn a_direct_publisher_sends_no_patches_whatever_their_size() {
        let args = parse("--scale 1 --patch-size 13").unwrap();
        assert!(!args.picture.sends_patches());
    }

    #[test]
    fn congestion_control_is_for_paths_that_leave_the_machine() {
        let estimate = |options, whip| parse(options).unwrap().picture.initial_estimate_kbps(whip);
        let here = "http://127.0.0.1:8080/whip";
        assert_eq!(estimate("", here), None);
        assert_eq!(estimate("--congestion-control on", here), Some(800 + 64 + 80));
        assert_eq!(estimate("--congestion-control on --no-audio --no-patches", here), Some(800));
        assert_eq!(estimate("", "https://stream.example/whip"), Some(944));
    }
}
