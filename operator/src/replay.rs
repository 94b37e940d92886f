//! `operator replay FILE`: a scaling decision made again from the record that its Event holds.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context;

use crate::autoscaling::{Record, ScalingDecision};

/// Prints what is decided.
///
/// # Errors
/// When the file is no record, or when this release decides otherwise.
pub fn replay(file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let decision = Record::replay(&text).with_context(|| format!("replaying {}", file.display()))?;
    io::stdout().write_all(describe(&decision).as_bytes()).context("writing what is decided")
}

fn describe(decision: &ScalingDecision) -> String {
    let mut text = match &decision.event {
        Some(event) => format!("{}\n", event.note()),
        None => format!("{} trainers, as before\n", decision.replicas),
    };
    let _ = writeln!(text, "trainers that are to exist: {}", list(&decision.trainers));
    if let Some(at) = decision.decide_again_at {
        let _ = writeln!(text, "decide again at {at}");
    }
    text
}

fn list(ordinals: &BTreeSet<u32>) -> String {
    let ordinals: Vec<_> = ordinals.iter().map(ToString::to_string).collect();
    if ordinals.is_empty() { "none".to_owned() } else { ordinals.join(", ") }
}
