//! The media-node's program: settings, logs, [`media_node::run`].

use anyhow::Context;
use clap::{Args, Command};
use settings::MediaNodeSettings;
use telemetry::Shutdown;

fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let command = Command::new("media-node")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Takes one stream in by WHIP, relays it by WHEP, and keeps and judges its checkpoints");
    let settings = settings::load(&MediaNodeSettings::augment_args(command).get_matches())?;
    telemetry::init_logs("media-node");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals().context("listening to signals")?;
        media_node::run(settings, shutdown).await
    })
}
