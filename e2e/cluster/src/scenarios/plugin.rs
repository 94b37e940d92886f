//! `kubectl acuity`, for which real kubelets forward ports and give logs.

use std::{fs, process::Stdio};

use anyhow::{Context, ensure};
use crds::Role;
use kube::ResourceExt;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::{bed::Bed, live::Live, wait::until};

const NAME: &str = "asked";

pub(super) async fn kubectl_acuity_answers(bed: &Bed) -> anyhow::Result<()> {
    let live = Live::begin(bed, NAME).await?;
    live.gains().await?;
    // Weights that others learned may gain before there is a trainer that has said a word.
    until(60, "status tells of all", async || {
        let status = bed.acuity(&["status", NAME]).await?;
        for part in ["asked-media-node-0", "asked-enhancer-0", "asked-trainer-0", "Accepting"] {
            ensure!(status.contains(part), "status does not tell of {part}:\n{status}");
        }
        Ok(true)
    })
    .await?;
    until(60, "each pod has a log", async || {
        let logs = bed.acuity(&["logs", NAME, "--tail", "5"]).await?;
        Ok(Role::ALL.iter().all(|role| logs.contains(&format!("{role}-0 | "))))
    })
    .await?;
    watch_tells_the_gain(bed).await?;
    checkpoints_are_kept(bed).await?;

    let before = bed.a_pod(NAME, Role::Trainer).await?.uid();
    bed.acuity(&["restart", NAME, "--role", "trainer"]).await?;
    until(60, "there is another trainer", async || Ok(bed.a_pod(NAME, Role::Trainer).await?.uid() != before)).await
}

async fn watch_tells_the_gain(bed: &Bed) -> anyhow::Result<()> {
    let mut child = Command::new("kubectl")
        .args(bed.acuity_arguments(&["watch", NAME, "-o", "json"]))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("it is piped")?).lines();
    let told = async {
        while let Some(line) = lines.next_line().await? {
            let change: Value = serde_json::from_str(&line).with_context(|| format!("a line of watch: {line}"))?;
            if change["what"] == "gain" {
                return Ok(());
            }
        }
        anyhow::bail!("watch ended")
    };
    timeout(std::time::Duration::from_secs(30), told).await.context("watch tells no gain")?
}

async fn checkpoints_are_kept(bed: &Bed) -> anyhow::Result<()> {
    let list = async || -> anyhow::Result<Vec<Value>> {
        let listed: Value = serde_json::from_str(&bed.acuity(&["checkpoint", "list", NAME, "-o", "json"]).await?)?;
        Ok(listed["items"].as_array().cloned().unwrap_or_default())
    };
    until(60, "two checkpoints are kept", async || Ok(list().await?.len() >= 2)).await?;

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("weights.safetensors");
    bed.acuity(&["checkpoint", "download", NAME, "--file", &file.to_string_lossy()]).await?;
    ensure!(fs::metadata(&file)?.len() > 1000, "the file is too short for weights");

    // In a bad second viewers see bicubic, which cannot be pinned.
    until(60, "what viewers see is pinned", async || {
        bed.acuity(&["checkpoint", "pin", NAME]).await?;
        let pinned: Vec<_> = list().await?.into_iter().filter(|row| row["pinned"] == true).collect();
        Ok(pinned.len() == 1 && pinned[0]["live"] == true)
    })
    .await?;
    bed.acuity(&["checkpoint", "unpin", NAME]).await?;
    ensure!(!list().await?.iter().any(|row| row["pinned"] == true), "nothing is to be pinned any more");
    Ok(())
}
