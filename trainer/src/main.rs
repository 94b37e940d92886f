//! The trainer of one stream: see the library.

use clap::Args;
use telemetry::Shutdown;

fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    sr_model::tune_allocator();
    let command = clap::Command::new("trainer")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Trains a stream's network while it runs");
    let matches = settings::TrainerSettings::augment_args(command).get_matches();
    telemetry::init_logs("trainer");
    let settings = settings::load(&matches)?;
    // Training has a thread of its own; what is left is network traffic.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async { trainer::run(settings, Shutdown::on_signals()?).await })
}
