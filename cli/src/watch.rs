//! `acuity watch`: a viewer without a screen. It receives, decodes and counts what would be shown, and records.

mod playback;
mod receive;
mod record;
mod stats;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use media::Decoder;
use telemetry::Shutdown;
use tokio_util::sync::CancellationToken;
use webrtc_client::{Loss, ViewOptions, Watching};

use crate::rtpdump::RtpDumpWriter;
use receive::{Pictures, Receiver, Shown};
use record::Recorder;

/// Watch a stream without showing it: count frames and freezes, and record it
#[derive(Args, Clone, Debug)]
pub(crate) struct WatchArgs {
    /// Where to watch, for example http://127.0.0.1:8080/whep
    #[arg(long, value_name = "URL")]
    pub(crate) whep: String,
    /// Which picture: the published one, the enhanced one, or the best there is [default: the server's choice]
    #[arg(long, value_enum)]
    pub(crate) rendition: Option<Rendition>,
    /// File with the view token; read again at each connection
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Record to this file (.mp4 or .mkv), as received, without coding it again
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Keep the video's packets as they come in this file (rtpdump), without decoding them
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    pub(crate) record_rtp: Option<PathBuf>,
    /// Lose this share of the packets on their way in, for tests of what measures it
    #[arg(long, value_name = "PERCENT", hide = true, default_value_t = 0.0)]
    pub(crate) lose_percent: f64,
    /// End after so many seconds [default: when interrupted]
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// Receive no sound
    #[arg(long)]
    pub(crate) no_audio: bool,
    /// Write one JSON object a second to standard output
    #[arg(long, alias = "stats-json")]
    pub(crate) stats: bool,
    /// Show no progress line
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rendition {
    Source,
    Enhanced,
    Auto,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LOSS_SEED: u64 = 1;

/// Watches until the time is over or the end is asked for; exit status 0 when frames were shown.
///
/// # Errors
/// When the server refuses the token, or the recording cannot be written.
pub(crate) async fn run(args: WatchArgs, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    media::init();
    let url = whep_url(&args)?;
    let pictures = match &args.record_rtp {
        Some(path) => Pictures::Kept { packets: RtpDumpWriter::create(path)?, needs_keyframe: true },
        None => Pictures::Decoded {
            decoder: Decoder::h264(1)?,
            recorder: args.record.clone().map(Recorder::create).transpose()?,
        },
    };
    let shown = Shown::default();
    let end = shutdown.token();
    if let Some(seconds) = args.seconds {
        let end = end.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            end.cancel();
        });
    }
    let reports = tokio::spawn(stats::report(shown.clone(), args.stats, !args.quiet));
    let mut receiver = Receiver::new(shown.clone(), pictures);
    let watched = watch(&args, url, &mut receiver, &end).await;
    reports.abort();
    let recorded = receiver.finish();
    watched?;
    recorded?;
    stats::write_summary(&shown, args.stats);
    Ok(if shown.frames() > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The address with the rendition asked for.
fn whep_url(args: &WatchArgs) -> anyhow::Result<String> {
    let mut url = reqwest::Url::parse(&args.whep).with_context(|| format!("--whep {} is no URL", args.whep))?;
    ensure!(matches!(url.scheme(), "http" | "https"), "--whep {} is no http or https URL", args.whep);
    if let Some(rendition) = args.rendition.and_then(|rendition| rendition.to_possible_value()) {
        url.query_pairs_mut().append_pair("rendition", rendition.get_name());
    }
    Ok(url.into())
}

/// Session after session, until `end`.
async fn watch(args: &WatchArgs, url: String, receiver: &mut Receiver, end: &CancellationToken) -> anyhow::Result<()> {
    let options = ViewOptions { url, token: None, audio: !args.no_audio, timeout: CONNECT_TIMEOUT };
    let loss = (args.lose_percent > 0.0).then(|| Loss::new(args.lose_percent / 100.0, LOSS_SEED));
    let mut watching = Watching::new(options, args.token_file.clone()).over(loss);
    let watched = receiver.follow(&mut watching, end).await;
    watching.close().await;
    watched
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        watch: WatchArgs,
    }

    fn url(arguments: &str) -> anyhow::Result<String> {
        let line = format!("watch {arguments}");
        whep_url(&Command::try_parse_from(line.split_whitespace())?.watch)
    }

    #[test]
    fn the_rendition_joins_the_address() {
        for (arguments, expected) in [
            ("--whep http://h/whep", "http://h/whep"),
            ("--whep http://h/whep --rendition enhanced", "http://h/whep?rendition=enhanced"),
            ("--whep http://h/a/whep?x=1 --rendition auto", "http://h/a/whep?x=1&rendition=auto"),
        ] {
            assert_eq!(url(arguments).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for arguments in ["--whep nowhere", "--whep ftp://h/whep", "--whep http://h/whep --rendition best"] {
            assert!(url(arguments).is_err(), "{arguments}");
        }
    }
}
