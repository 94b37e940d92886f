//! `checkpoint`: the weights that were learned from a stream.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clap::Subcommand;
use jiff::Timestamp;
use proto::v1::{Checkpoint, ListResponse};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    cluster::Cluster,
    output::{Output, span, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointCommand {
    /// What is kept, newest first
    List {
        /// Stream
        name: String,
    },
    /// Writes weights to a safetensors file
    Download {
        /// Stream
        name: String,
        /// Version; otherwise what viewers see
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        version: u64,
        /// File; otherwise NAME-VERSION.safetensors here
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Holds a version against newer ones: nothing newer is accepted until `unpin`
    Pin {
        /// Stream
        name: String,
        /// Version; otherwise what viewers see
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        version: u64,
    },
    /// Lets newer versions be accepted again
    Unpin {
        /// Stream
        name: String,
    },
}

pub(crate) async fn run(cluster: &Cluster, command: CheckpointCommand, output: Output) -> anyhow::Result<()> {
    match command {
        CheckpointCommand::List { name } => {
            cluster.stream(&name).await?;
            let listed = cluster.media_node(&name).await?.checkpoints().await?;
            let rows = rows(&listed);
            output.print(&json!({ "items": rows }), |wide| render(&rows, wide, Timestamp::now()))
        }
        CheckpointCommand::Download { name, version, file } => {
            cluster.stream(&name).await?;
            let checkpoint = cluster.media_node(&name).await?.checkpoint(version).await?;
            let file = file.unwrap_or_else(|| format!("{name}-{}.safetensors", checkpoint.version).into());
            save(&checkpoint, &file)?;
            let bytes = checkpoint.safetensors.len();
            let answer = json!({ "file": file, "version": checkpoint.version, "bytes": bytes });
            output
                .print(&answer, |_| format!("version {} is in {}, {bytes} bytes\n", checkpoint.version, file.display()))
        }
        CheckpointCommand::Pin { name, version } => {
            cluster.stream(&name).await?;
            let media_node = cluster.media_node(&name).await?;
            let version = if version == 0 { media_node.checkpoints().await?.live_version } else { version };
            ensure!(version != 0, "viewers see exact bicubic, which cannot be pinned: give --version");
            media_node.pin(version).await?;
            let said = format!("version {version} is pinned until `kubectl acuity checkpoint unpin {name}`\n");
            output.print(&json!({ "pinned": version }), |_| said)
        }
        CheckpointCommand::Unpin { name } => {
            cluster.stream(&name).await?;
            cluster.media_node(&name).await?.pin(0).await?;
            output.print(&json!({ "pinned": null }), |_| format!("newer versions of {name} are accepted again\n"))
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    version: u64,
    live: bool,
    pinned: bool,
    /// Over bicubic, in decibels, as it was measured when it was accepted.
    gain_db: Option<f64>,
    patches: u32,
    accepted_at: Option<Timestamp>,
    trainer: String,
    network: String,
    sha256: String,
}

fn rows(listed: &ListResponse) -> Vec<Row> {
    let row = |checkpoint: &Checkpoint| {
        let measured = checkpoint.measured.as_ref();
        let accepted_at = i64::try_from(checkpoint.accepted_at_unix_us).ok().filter(|at| *at != 0);
        let network = checkpoint.network.as_ref();
        let shape = network.map(|of| format!("x{} {}x{} /{}", of.scale, of.features, of.layers, of.unshuffle));
        Row {
            version: checkpoint.version,
            live: checkpoint.version == listed.live_version,
            pinned: checkpoint.version == listed.pinned_version,
            gain_db: measured.map(|measured| measured.psnr_db - measured.bicubic_psnr_db),
            patches: measured.map_or(0, |measured| measured.patches),
            accepted_at: accepted_at.and_then(|at| Timestamp::from_microsecond(at).ok()),
            trainer: checkpoint.trainer_id.clone(),
            network: shape.unwrap_or_default(),
            sha256: hex(&checkpoint.sha256),
        }
    };
    listed.checkpoints.iter().map(row).collect()
}

fn render(rows: &[Row], wide: bool, now: Timestamp) -> String {
    if rows.is_empty() {
        return "No weights are kept: viewers see exact bicubic.\n".to_owned();
    }
    let mut header = vec!["VERSION", "IN USE", "GAIN", "PATCHES", "AGE", "TRAINER"];
    if wide {
        header.extend(["NETWORK", "SHA256"]);
    }
    let cells = |row: &Row| {
        let in_use = match (row.live, row.pinned) {
            (true, true) => "pinned",
            (true, false) => "live",
            (false, true) => "pinned, withdrawn",
            (false, false) => "",
        };
        let age = row.accepted_at.map(|at| span(now.as_second() - at.as_second()));
        let mut cells = vec![
            row.version.to_string(),
            in_use.to_owned(),
            row.gain_db.map(|gain| format!("{gain:+.2} dB")).unwrap_or_default(),
            row.patches.to_string(),
            age.unwrap_or_default(),
            row.trainer.clone(),
        ];
        if wide {
            cells.extend([row.network.clone(), row.sha256.clone()]);
        }
        cells
    };
    table(&header, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// Whole or not at all, and only what the registry measured.
fn save(checkpoint: &Checkpoint, file: &Path) -> anyhow::Result<()> {
    let arrived = Sha256::digest(&checkpoint.safetensors);
    ensure!(checkpoint.sha256 == arrived.as_slice(), "the weights were damaged on their way: try again");
    let unfinished = file.with_added_extension("unfinished");
    let write = || {
        let mut opened = std::fs::File::create(&unfinished)?;
        opened.write_all(&checkpoint.safetensors)?;
        opened.sync_all()?;
        std::fs::rename(&unfinished, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
