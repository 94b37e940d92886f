//! How the demo talks to `acuity publish` and `acuity watch`: arguments in, one JSON object a line out.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use serde::Deserialize;

use crate::up::supervisor::{ChildEvent, Happened};

pub(crate) const PUBLISH: &str = "publish";
pub(crate) const WATCH: &str = "watch";

/// What `acuity publish` says of itself once a second.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PublishStats {
    pub(crate) fps: f64,
    pub(crate) frames: u64,
}

/// What `acuity watch` says of itself once a second.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct WatchStats {
    pub(crate) fps: f64,
    pub(crate) frames_shown: u64,
    pub(crate) frames_expected: u64,
}

pub(crate) fn publish_arguments(
    clip: &Path,
    whip: &str,
    scale: u32,
    video_kbps: u32,
    patch_kbps: u32,
) -> Vec<OsString> {
    let (scale, video, patch) = (scale.to_string(), video_kbps.to_string(), patch_kbps.to_string());
    let options = [
        "--loop",
        "--quiet",
        "--whip",
        whip,
        "--scale",
        &scale,
        "--video-kbps",
        &video,
        "--patch-kbps",
        &patch,
        "--stats",
    ];
    [OsStr::new("publish"), clip.as_ref()].into_iter().chain(options.map(OsStr::new)).map(OsString::from).collect()
}

pub(crate) fn watch_arguments(whep: &str) -> Vec<OsString> {
    ["watch", "--whep", whep, "--rendition", "enhanced", "--quiet", "--stats"].map(OsString::from).to_vec()
}

pub(crate) fn parse_publish(event: &ChildEvent) -> Option<PublishStats> {
    parse(event, PUBLISH)
}

pub(crate) fn parse_watch(event: &ChildEvent) -> Option<WatchStats> {
    parse(event, WATCH)
}

/// Whether the line belongs in the log: it is no statistics.
pub(crate) fn is_log(event: &ChildEvent) -> bool {
    !([PUBLISH, WATCH].contains(&event.child) && matches!(event.what, Happened::Said(_)))
}

fn parse<'a, T: Deserialize<'a>>(event: &'a ChildEvent, child: &str) -> Option<T> {
    match &event.what {
        Happened::Said(line) if event.child == child => serde_json::from_str(line).ok(),
        _ => None,
    }
}
