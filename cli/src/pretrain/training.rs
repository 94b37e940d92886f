//! The trainer program at work offline, and what it says.

use std::{path::Path, process::Stdio};

use anyhow::{Context, ensure};
use general_weights::{Progress, Said, Training};
use settings::PretrainSettings;
use telemetry::Shutdown;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{show, spool::SpoolFiles};
use crate::up::programs::find_program;

/// `None`: the end was asked for.
pub(super) async fn train(
    settings: &PretrainSettings,
    files: &SpoolFiles,
    out: &Path,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<Training>> {
    let mut trainer = Command::new(find_program("trainer").await?)
        .arg("pretrain")
        .args(["--pairs".as_ref(), files.pairs.as_os_str()])
        .args(["--held-out".as_ref(), files.held_out.as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .env(settings::ENVIRONMENT_VARIABLE, serde_json::to_string(settings)?)
        // Threads of OpenMP that have nothing to do would spin.
        .env("OMP_WAIT_POLICY", "PASSIVE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting the trainer")?;
    let output = trainer.stdout.take().context("the trainer's output")?;
    let (mut lines, mut training) = (BufReader::new(output).lines(), None);
    loop {
        let line = tokio::select! {
            () = shutdown.requested() => return Ok(None),
            line = lines.next_line() => line?,
        };
        let Some(line) = line else { break };
        match serde_json::from_str(&line).with_context(|| format!("the trainer said {line:?}"))? {
            Said::Progress(progress) => show(&line_of(&progress)),
            Said::Done(done) => training = Some(done),
        }
    }
    show("");
    let status = trainer.wait().await?;
    ensure!(status.success(), "the trainer ended with {status}");
    training.map(Some).context("the trainer said nothing of its weights")
}

fn line_of(Progress { done, step, loss, gain_db }: &Progress) -> String {
    format!(
        "training: {:3.0} %   step {step}   loss {loss:.2e}   {gain_db:+.3} dB on pairs not trained on",
        100.0 * done
    )
}
