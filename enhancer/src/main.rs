//! The enhancer's program: settings, logs, [`enhancer::run`].

use anyhow::Context;
use clap::{Args, Command};
use settings::EnhancerSettings;
use telemetry::Shutdown;

fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    sr_model::tune_allocator();
    let command = Command::new("enhancer")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Enhances one stream: takes `source` from its media-node and publishes `enhanced` to it");
    let settings = settings::load(&EnhancerSettings::augment_args(command).get_matches())?;
    telemetry::init_logs("enhancer");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals().context("listening to signals")?;
        enhancer::run(settings, shutdown).await
    })
}
