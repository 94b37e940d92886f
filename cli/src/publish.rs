//! `acuity publish`: a file or device, live, to a media-node.
//!
//! ```text
//! source ─▶ clock ─▶ crop, downscale ─▶ encoder ─┬─▶ session (WHIP)
//!                                                └─▶ own decoder ─▶ newest frame ─▶ patches ─▶ data channel
//! ```
//! The upper line is one thread and waits for nothing but the source's time; patches are another thread's.

mod args;
mod bucket;
mod candidates;
mod clock;
mod control;
mod frame_log;
mod newest;
mod patches;
mod pipeline;
mod rates;
mod session;
mod shared;
mod stats;
mod uplink_log;

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::ensure;
use media::{EncoderSettings, OpusEncoder, Source, SourceOptions};
use proto::v1::PublisherHello;
use telemetry::Shutdown;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use webrtc_client::{PublishOptions, Publishing};

pub(crate) use args::{PublishArgs, PublisherOptions, parse_seconds};

use control::PatchOptions;
use frame_log::FrameLog;
use newest::Newest;
use patches::PatchCoding;
use pipeline::{Pipeline, PipelineParts};
use rates::Wanted;
use session::Session;
use shared::Shared;
use stats::Reporter;
use uplink_log::UplinkLog;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The smallest picture the encoder takes.
const MIN_SIDE: usize = 16;

/// Publishes until the source ends or the end is asked for.
///
/// # Errors
/// When the options cannot work, the source cannot be read or the server refuses the token.
pub(crate) async fn run(args: PublishArgs, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    args.picture.check()?;
    media::init();
    let (args, source) = tokio::task::spawn_blocking(move || open_source(&args).map(|source| (args, source))).await??;
    let options = &args.picture;
    let hr = hr_size(&source, options.scale.into())?;
    let audio = source.has_audio() && !options.no_audio;
    let wanted = Wanted {
        video_kbps: options.video_kbps,
        audio_kbps: if audio { options.audio_kbps } else { 0 },
        patch_kbps: if options.sends_patches() { options.patch_kbps } else { 0 },
    };
    let publishing = Publishing::new(publish_options(&args, audio), args.token_file.clone());
    let initial_kbps = options.initial_estimate_kbps(&args.whip);
    let shared = Arc::new(Shared::new(wanted, initial_kbps, publishing.outlet()));
    let frames = options.sends_patches().then(|| Arc::new(Newest::default()));
    let (hello, told) = watch::channel(hello(options, hr));
    let pipeline = Pipeline::open(PipelineParts {
        shared: shared.clone(),
        scale: options.scale.into(),
        settings: encoder_settings(options, &source, hr),
        hello,
        opus: if audio { Some(OpusEncoder::open(options.audio_kbps)?) } else { None },
        frames: frames.clone(),
        drop_every: options.drop_every,
        frame_log: args.frame_log.as_deref().map(FrameLog::create).transpose()?,
        shutdown: shutdown.clone(),
        source,
    })?;
    let session = Session { shared: shared.clone(), publishing, patches: options.sends_patches(), hello: told };
    let reports = tokio::spawn(report(Reporter::new(shared.clone()), args.stats, !args.quiet));
    let uplink_log = args.uplink_log.as_deref().map(UplinkLog::create).transpose()?;
    let uplink_log = uplink_log.map(|log| tokio::spawn(log.follow(shared.clone())));
    let patches = frames.clone().map(|frames| spawn_patches(options, shared.clone(), frames));
    let published = play(pipeline, session, &shutdown).await;
    if let (Some(frames), Some(patches)) = (frames, patches) {
        frames.close();
        patches.await?;
    }
    reports.abort();
    uplink_log.iter().for_each(JoinHandle::abort);
    published.map(|()| ExitCode::SUCCESS)
}

/// Plays the source while sessions come and go. The first of both that ends, ends the other.
async fn play(pipeline: Pipeline, session: Session, shutdown: &Shutdown) -> anyhow::Result<()> {
    let finish = CancellationToken::new();
    let outlet = session.shared.outlet.clone();
    let mut session = tokio::spawn(session.run(finish.clone()));
    // A clip begins when somebody can see it.
    tokio::select! {
        () = outlet.standing() => {}
        ended = &mut session => return ended?,
        () = shutdown.requested() => {}
    }
    let mut pipeline = tokio::task::spawn_blocking(move || pipeline.run());
    tokio::select! {
        played = &mut pipeline => {
            finish.cancel();
            session.await??;
            played?
        }
        refused = &mut session => {
            shutdown.request();
            pipeline.await??;
            refused?
        }
    }
}

fn open_source(args: &PublishArgs) -> anyhow::Result<Source> {
    let options = SourceOptions {
        format: args.picture.format.clone(),
        frames_per_second: args.picture.fps,
        start: Duration::from_secs_f64(args.start),
        repeat: args.repeat,
    };
    Ok(Source::open(&args.input, options)?)
}

/// Of the source's pictures after their crop to multiples of 2 · scale.
fn hr_size(source: &Source, scale: usize) -> anyhow::Result<(usize, usize)> {
    let (width, height) = source.size();
    let cropped = |side: usize| side - side % (2 * scale);
    let hr = (cropped(width), cropped(height));
    ensure!(
        hr.0 / scale >= MIN_SIDE && hr.1 / scale >= MIN_SIDE,
        "the source has {width}x{height} pixels, too few to be published at a scale of {scale}: \
         at least {MIN_SIDE} in each direction are needed after it"
    );
    Ok(hr)
}

fn encoder_settings(options: &PublisherOptions, source: &Source, (width, height): (usize, usize)) -> EncoderSettings {
    let scale = usize::from(options.scale);
    EncoderSettings {
        encoder: options.encoder.clone(),
        width: width / scale,
        height: height / scale,
        frame_rate: source.frame_rate(),
        bitrate_kbps: options.video_kbps,
        preset: options.preset.clone(),
        threads: 1,
        keyframe_interval: None,
    }
}

fn publish_options(args: &PublishArgs, audio: bool) -> PublishOptions {
    PublishOptions {
        url: args.whip.clone(),
        token: None,
        publisher: Some(format!("{:032x}", rand::random::<u128>())),
        audio,
        // Also without patches: by it the media-node says that the stream moves.
        patches: true,
        initial_estimate_kbps: args.picture.initial_estimate_kbps(&args.whip),
        timeout: CONNECT_TIMEOUT,
    }
}

fn hello(options: &PublisherOptions, (width, height): (usize, usize)) -> PublisherHello {
    PublisherHello {
        hr_width: u32::try_from(width).unwrap_or(u32::MAX),
        hr_height: u32::try_from(height).unwrap_or(u32::MAX),
        scale: options.scale.into(),
        max_kbps: options.patch_kbps,
    }
}

fn spawn_patches(
    options: &PublisherOptions,
    shared: Arc<Shared>,
    frames: Arc<Newest<candidates::CodedFrame>>,
) -> JoinHandle<()> {
    let wanted = PatchOptions {
        scale: options.scale.into(),
        size: options.patch_size,
        per_second: options.patches_per_second,
        max_kbps: options.patch_kbps,
        random_share: if options.patch_selection == args::Choice::Random { 1.0 } else { options.random_share },
    };
    let coding = PatchCoding {
        coding: options.patch_coding.pixel_coding(),
        residual: !options.no_residual,
        quality: options.patch_quality,
        random_quality: options.patch_random_quality,
    };
    tokio::task::spawn_blocking(move || patches::run(&shared, &frames, &wanted, coding))
}

/// A line a second: JSON to standard output where asked for, one for people to a terminal's standard error.
async fn report(mut reporter: Reporter, stats: bool, progress: bool) {
    let progress = progress && std::io::stderr().is_terminal();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.tick().await;
    loop {
        second.tick().await;
        let line = reporter.next_line();
        if stats && let Ok(json) = serde_json::to_string(&line) {
            // Whoever read it may be gone; the stream goes on.
            let _ = writeln!(std::io::stdout(), "{json}");
        }
        if progress {
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
        }
    }
}
