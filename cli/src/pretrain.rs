//! `acuity pretrain`: general weights from clips. Codes each clip at several rates as the publisher would, cuts pairs of
//! what comes out and of what went in, and lets the trainer program learn from them offline.

mod coding;
mod cutting;
mod rates;
mod spool;
mod training;

use std::{
    io::{IsTerminal, Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::Args;
use general_weights::{Card, CodedClip, Figure, Training};
use media::SourceOptions;
use settings::PretrainSettings;
use telemetry::Shutdown;

use self::{
    coding::{CodingOptions, code_clip},
    cutting::CutOptions,
    rates::Rates,
    spool::Spool,
};

/// Make general weights out of clips: what any stream can begin with, before it has learned anything
#[derive(Args, Clone, Debug)]
pub(crate) struct PretrainArgs {
    /// Clips to learn from: as sharp as can be had, and as different as what will be streamed
    #[arg(value_name = "CLIP", required = true)]
    clips: Vec<PathBuf>,
    /// Where the weights go (safetensors); how they were made is written beside it, as JSON
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A clip that is only measured on; may be given again
    #[arg(long, value_name = "CLIP")]
    hold_out: Vec<PathBuf>,
    /// Rates of the small video to code each clip at, in kbit/s; auto: from starved to comfortable, by its size
    #[arg(long, value_name = "KBPS,…|auto", default_value = "auto")]
    rates: Rates,
    /// Pairs cut from each second of each coding
    #[arg(long, value_name = "N", default_value_t = 8.0)]
    pairs_per_second: f64,
    /// Of each clip, no more than this
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    clip_seconds: f64,
    /// Side of the large picture of a pair, in pixels; a multiple of twice the scale
    #[arg(long, value_name = "PIXELS", default_value_t = 96)]
    patch_size: usize,
    /// FFmpeg's name of the H264 encoder
    #[arg(long, value_name = "NAME", default_value = "libx264")]
    encoder: String,
    /// Speed of the encoder (x264's preset)
    #[arg(long, value_name = "NAME", default_value = "superfast")]
    preset: String,
    /// Keep the pairs in this folder
    #[arg(long, value_name = "DIR")]
    keep_pairs: Option<PathBuf>,
    #[command(flatten)]
    settings: PretrainSettings,
}

pub(crate) async fn run(args: PretrainArgs, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    let grid = 2 * args.settings.scale as usize;
    ensure!(
        args.patch_size >= grid && args.patch_size.is_multiple_of(grid),
        "--patch-size {} does not work with --scale {}: use a multiple of {grid}",
        args.patch_size,
        args.settings.scale
    );
    media::init();
    let spool = Spool::create(args.keep_pairs.as_deref())?;
    let (coding_args, files) = (args.clone(), spool.files());
    let until = shutdown.clone();
    let coded = tokio::task::spawn_blocking(move || code_clips(&coding_args, spool, &until)).await??;
    let Some((clips, held_out_clips)) = coded else { return Ok(ExitCode::FAILURE) };

    let trained = training::train(&args.settings, &files, &args.out, &shutdown).await?;
    let Some(training) = trained else { return Ok(ExitCode::FAILURE) };
    print_figures(&training);
    let card = Card {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command_line(std::env::args()),
        clips,
        held_out_clips,
        training,
    };
    let path = args.out.with_extension("json");
    std::fs::write(&path, serde_json::to_string_pretty(&card)? + "\n")
        .with_context(|| format!("writing {}", path.display()))?;
    let _ = writeln!(stdout(), "{} and {}", args.out.display(), path.display());
    Ok(ExitCode::SUCCESS)
}

/// `None`: the end was asked for.
fn code_clips(
    args: &PretrainArgs,
    mut spool: Spool,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<(Vec<CodedClip>, Vec<CodedClip>)>> {
    let scale = args.settings.scale as usize;
    let options = CodingOptions {
        cut: CutOptions { scale, size: args.patch_size, per_second: args.pairs_per_second },
        rates: args.rates.clone(),
        encoder: args.encoder.clone(),
        preset: args.preset.clone(),
        seconds: args.clip_seconds,
        seed: args.settings.seed,
    };
    let (mut clips, mut held_out) = (Vec::new(), Vec::new());
    let all = args.clips.iter().map(|clip| (clip, false)).chain(args.hold_out.iter().map(|clip| (clip, true)));
    for (clip, whole) in all {
        show(&format!("coding {}", clip.display()));
        let source = media::Source::open(&clip.to_string_lossy(), SourceOptions::default())?;
        let name = name_of(clip);
        let Some(kbps) = code_clip(source, &name, whole, &options, &mut spool, shutdown)? else { return Ok(None) };
        (if whole { &mut held_out } else { &mut clips }).push(CodedClip { clip: name, kbps });
    }
    let (pairs, kept_back) = spool.finish()?;
    show("");
    let _ = writeln!(stdout(), "{pairs} pairs to learn from, {kept_back} to measure on");
    Ok(Some((clips, held_out)))
}

fn name_of(clip: &Path) -> String {
    clip.file_name().unwrap_or(clip.as_os_str()).to_string_lossy().into_owned()
}

/// Paths say nothing to anybody else.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let name = |argument: String| match argument.rsplit_once('/') {
        Some((_, name)) => name.to_owned(),
        None => argument,
    };
    arguments.map(name).collect::<Vec<_>>().join(" ")
}

/// One line that the next replaces; nothing where nobody looks.
fn show(line: &str) {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
    }
}

fn print_figures(training: &Training) {
    let _ = writeln!(stdout(), "{:<40} {:>6} {:>9} {:>9} {:>8}", "held out", "pairs", "bicubic", "weights", "gain dB");
    let line = |Figure { coding, pairs, bicubic_psnr_db, psnr_db }: &Figure| {
        let gain = psnr_db - bicubic_psnr_db;
        let _ = writeln!(stdout(), "{coding:<40} {pairs:>6} {bicubic_psnr_db:>9.2} {psnr_db:>9.2} {gain:>+8.2}");
    };
    training.held_out_by_coding.iter().for_each(line);
    training.held_out_by_clip().iter().for_each(line);
    line(&training.held_out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_no_folders() {
        let line = "/usr/local/bin/acuity pretrain ../clips/a.mp4 b.mp4 --out /tmp/x.safetensors --steps 10";
        let expected = "acuity pretrain a.mp4 b.mp4 --out x.safetensors --steps 10";
        assert_eq!(command_line(line.split(' ').map(str::to_owned)), expected);
    }
}
