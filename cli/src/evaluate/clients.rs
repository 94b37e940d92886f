//! The publisher and the two viewers of a run, as processes of their own, so that each is counted by itself.

use std::{env, ffi::OsString, path::Path};

use anyhow::Context;
use tokio::sync::mpsc;

use super::{
    observed::{PUBLISH, WATCH_ENHANCED, WATCH_SOURCE},
    plan::Plan,
    recording::{ENHANCED, FRAMES, SOURCE},
};
use crate::up::{
    System,
    spawner::ChildSpec,
    supervisor::{ChildEvent, Happened, Supervised},
};

/// The publisher's uplink log.
pub(super) const UPLINK: &str = "uplink.csv";

/// Viewers first, so that no frame of the publisher is missed.
pub(super) fn start_clients(
    plan: &Plan,
    system: &System,
    folder: &Path,
    events: mpsc::Sender<ChildEvent>,
) -> anyhow::Result<[Supervised; 3]> {
    let acuity = env::current_exe().context("finding the own executable")?;
    let client = |name, arguments: Vec<OsString>| {
        let spec =
            ChildSpec { name, program: acuity.clone(), arguments, environment: vec![], background: false, noise: None };
        Supervised::start(system.spawner(), spec, events.clone())
    };
    let addresses = system.addresses();
    let watch = |rendition: &str, file: &str| {
        let loss = plan.conditions.viewer_loss_percent.to_string();
        let words = ["watch", "--whep", &addresses.whep, "--rendition", rendition, "--lose-percent", &loss];
        let mut arguments: Vec<OsString> = words.map(OsString::from).to_vec();
        arguments.extend(["--no-audio", "--quiet", "--stats", "--record-rtp"].map(OsString::from));
        arguments.push(folder.join(file).into());
        arguments
    };
    let logs = ["--whip".into(), addresses.whip.clone().into(), "--frame-log".into(), folder.join(FRAMES).into()];
    let mut publish = plan.publish.clone();
    publish.splice(1..1, logs.into_iter().chain(["--uplink-log".into(), folder.join(UPLINK).into()]));
    Ok([
        client(WATCH_SOURCE, watch("source", SOURCE)),
        client(WATCH_ENHANCED, watch("enhanced", ENHANCED)),
        client(PUBLISH, publish),
    ])
}

pub(super) fn is_statistics(event: &ChildEvent) -> bool {
    [PUBLISH, WATCH_SOURCE, WATCH_ENHANCED].contains(&event.child) && matches!(event.what, Happened::Said(_))
}
