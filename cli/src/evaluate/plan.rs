//! What one run is told. Pure: the same arguments make the same plan.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::Ipv4Addr,
    path::{self, Path},
};

use settings::{EnhancerSettings, PatchSettings, StartFrom, TrainerSettings};

use super::{
    args::EvaluateArgs,
    recording::{Coder, Conditions},
};
use crate::{
    publish::PublisherOptions,
    up::{UpArgs, effective_settings},
};

/// One run of one clip.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Of the run, and of its folder
    pub(crate) name: String,
    pub(crate) conditions: Conditions,
    pub(crate) up: UpArgs,
    /// Of `acuity publish`: the clip and what it is told of it, but not where to publish
    pub(crate) publish: Vec<OsString>,
    /// Asked for in all; `None` where no sweep asks
    pub(crate) uplink_kbps: Option<u32>,
}

/// What `enhancer/` opens its encoder for, whatever the clip is.
const ENHANCER_FRAME_RATE: (u32, u32) = (30, 1);
/// The lowest rate the publisher takes.
const MIN_VIDEO_KBPS: u32 = 20;
const STREAM: &str = "default/evaluate";

/// The runs that are asked for, in order.
///
/// # Errors
/// When an override names no part or no setting.
pub(crate) fn plans(args: &EvaluateArgs) -> anyhow::Result<Vec<Plan>> {
    let uplinks = if args.sweep.is_empty() { vec![None] } else { args.sweep.iter().copied().map(Some).collect() };
    let (mut plans, mut namesakes) = (Vec::new(), BTreeMap::new());
    for clip in &args.clips {
        for uplink_kbps in &uplinks {
            let mut plan = plan(args, clip, *uplink_kbps)?;
            let runs_of_name: &mut u32 = namesakes.entry(plan.name.clone()).or_default();
            *runs_of_name += 1;
            if *runs_of_name > 1 {
                plan.name = format!("{}-{runs_of_name}", plan.name);
            }
            plans.push(plan);
        }
    }
    Ok(plans)
}

fn plan(args: &EvaluateArgs, clip: &str, uplink_kbps: Option<u32>) -> anyhow::Result<Plan> {
    let options = &args.publisher.parsed;
    let patches = if options.sends_patches() { options.patch_kbps } else { 0 };
    let (video_kbps, patch_kbps) = match uplink_kbps {
        None => (options.video_kbps, patches),
        Some(uplink) => share_out(uplink, options.video_kbps, patches),
    };
    let overrides = overrides(args);
    let trainer: TrainerSettings = effective_settings("trainer", &overrides)?;
    let enhancer: EnhancerSettings = effective_settings("enhancer", &overrides)?;
    let conditions = Conditions {
        clip: clip.to_owned(),
        format: options.format.clone(),
        clip_start: args.clip_start,
        fps: options.fps,
        seconds: args.seconds,
        warmup_seconds: args.warmup_seconds,
        scale: options.scale,
        video_kbps,
        patch_kbps,
        audio_kbps: if options.no_audio { 0 } else { options.audio_kbps },
        publisher_encoder: coder(&options.encoder, &options.preset, None),
        enhancer_encoder: coder(&enhancer.encoder, &enhancer.preset, Some(ENHANCER_FRAME_RATE)),
        enhancer_kbps: enhancer.bitrate_kbps,
        network: args.network.clone(),
        start: trainer.start,
        trainer: !args.no_trainer,
        drop_every: options.drop_every,
        viewer_loss_percent: args.lose_percent,
    };
    Ok(Plan {
        name: name(clip, uplink_kbps),
        up: up(args, &conditions, overrides),
        publish: publish(args, &conditions),
        conditions,
        uplink_kbps,
    })
}

/// In the ratio of the two.
fn share_out(uplink_kbps: u32, video_kbps: u32, patch_kbps: u32) -> (u32, u32) {
    let all = u64::from(video_kbps + patch_kbps).max(1);
    let patches = (u64::from(uplink_kbps) * u64::from(patch_kbps) + all / 2) / all;
    let patches = u32::try_from(patches).unwrap_or(uplink_kbps).min(uplink_kbps.saturating_sub(MIN_VIDEO_KBPS));
    (uplink_kbps - patches, patches)
}

fn coder(encoder: &str, preset: &str, frame_rate: Option<(u32, u32)>) -> Coder {
    Coder { encoder: encoder.to_owned(), preset: preset.to_owned(), threads: 1, frame_rate, keyframe_interval: None }
}

/// Those that were typed come last, and win.
fn overrides(args: &EvaluateArgs) -> Vec<String> {
    let start = match args.start_from {
        StartFrom::General => "general",
        StartFrom::Stream => "stream",
        StartFrom::None => "none",
    };
    let mut overrides = vec![format!("trainer.start={start}")];
    if args.start_from == StartFrom::None {
        overrides.push("media-node.unjudged=bicubic".to_owned());
    }
    if let Some(file) = &args.general_weights {
        let file = path::absolute(file).unwrap_or_else(|_| file.clone());
        overrides
            .extend(["trainer", "media-node"].map(|part| format!("{part}.general_weights_file={}", file.display())));
    }
    overrides.extend(args.overrides.iter().cloned());
    overrides
}

/// The media-node would take fewer, smaller or cheaper patches than the publisher is told to send: both are told alike.
fn up(args: &EvaluateArgs, conditions: &Conditions, overrides: Vec<String>) -> UpArgs {
    let options: &PublisherOptions = &args.publisher.parsed;
    let patches = PatchSettings {
        per_second: options.patches_per_second.ceil() as u32,
        size_pixels: u32::try_from(options.patch_size).unwrap_or(u32::MAX),
        max_kbps: conditions.patch_kbps.max(PatchSettings::default().max_kbps),
    };
    UpArgs {
        data_dir: None,
        stream: STREAM.to_owned(),
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        media_listen: (Ipv4Addr::LOCALHOST, 0).into(),
        advertised_addresses: vec![],
        publish_token_file: None,
        view_token_file: None,
        scale: conditions.scale.into(),
        network: conditions.network.clone(),
        patches,
        no_trainer: args.no_trainer,
        no_enhancer: false,
        overrides,
    }
}

fn publish(args: &EvaluateArgs, conditions: &Conditions) -> Vec<OsString> {
    let mut publish: Vec<OsString> = ["publish", "--loop", "--quiet", "--stats"].map(OsString::from).to_vec();
    publish.extend(args.publisher.arguments.iter().cloned());
    // The later one of an option holds.
    for (option, value) in [
        ("--start", conditions.clip_start.to_string()),
        ("--video-kbps", conditions.video_kbps.to_string()),
        ("--patch-kbps", conditions.patch_kbps.to_string()),
    ] {
        publish.extend([option.into(), value.into()]);
    }
    publish.extend(["--".into(), conditions.clip.clone().into()]);
    publish
}

fn name(clip: &str, uplink_kbps: Option<u32>) -> String {
    let stem = Path::new(clip).file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let stem: String = stem.chars().map(plain).take(60).collect();
    uplink_kbps.map_or(stem.clone(), |kbps| format!("{stem}-{kbps}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        evaluate: EvaluateArgs,
    }

    fn planned(line: &str) -> Vec<Plan> {
        let line = format!("evaluate {line} --format lavfi");
        plans(&Line::parse_from(line.split_whitespace()).evaluate).unwrap()
    }

    fn words(plan: &Plan) -> String {
        plan.publish.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn publisher_and_media_node_are_told_of_the_same_patches() {
        let [plan] = &planned("clips/a.mp4 --patch-kbps 500 --patches-per-second 31.5 --patch-size 64")[..] else {
            panic!("one clip, one run")
        };
        assert_eq!(plan.up.patches, PatchSettings { per_second: 32, size_pixels: 64, max_kbps: 500 });
        assert!(words(plan).contains("--patch-size 64"), "{}", words(plan));
        assert!(words(plan).ends_with("--video-kbps 800 --patch-kbps 500 -- clips/a.mp4"), "{}", words(plan));
        assert_eq!((plan.name.as_str(), plan.conditions.patch_kbps), ("a", 500));
    }

    #[test]
    fn a_sweep_keeps_the_split() {
        let rates = |line: &str| {
            let rates = |plan: Plan| (plan.name, plan.conditions.video_kbps, plan.conditions.patch_kbps);
            planned(line).into_iter().map(rates).collect::<Vec<_>>()
        };
        assert_eq!(
            rates("a.mp4 --sweep 100,1000 --video-kbps 90 --patch-kbps 10"),
            [("a-100".to_owned(), 90, 10), ("a-1000".to_owned(), 900, 100)]
        );
        assert_eq!(rates("a.mp4 --sweep 30 --video-kbps 100 --patch-kbps 100"), [("a-30".to_owned(), 20, 10)]);
        assert_eq!(rates("a.mp4 --sweep 30 --no-patches"), [("a-30".to_owned(), 30, 0)]);
    }

    #[test]
    fn without_patches_trainer_and_weights_nothing_but_bicubic_is_left() {
        let [plan] = &planned("a.mp4 --no-patches --start none --no-trainer")[..] else { panic!("one run") };
        assert_eq!(plan.up.overrides, ["trainer.start=none", "media-node.unjudged=bicubic"]);
        assert!(plan.up.no_trainer && !plan.conditions.trainer);
        assert_eq!(plan.conditions.patch_kbps, 0);
    }

    #[test]
    fn what_is_set_is_what_is_recorded() {
        let [plan] = &planned(
            "a.mp4 --set enhancer.preset=medium --set enhancer.bitrate_kbps=99 --start none --set trainer.start=stream",
        )[..] else {
            panic!("one run")
        };
        assert_eq!((plan.conditions.enhancer_encoder.preset.as_str(), plan.conditions.enhancer_kbps), ("medium", 99));
        assert_eq!(plan.conditions.start, StartFrom::Stream);
    }

    #[test]
    fn clips_of_one_name_do_not_share_a_folder() {
        let names: Vec<String> =
            planned("x/a.mp4 y/a.mp4 testsrc2=size=64x64").into_iter().map(|plan| plan.name).collect();
        assert_eq!(names, ["a", "a-2", "testsrc2-size-64x64"]);
    }
}
