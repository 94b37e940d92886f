//! The trainer of one stream: see the library.

use clap::{Args, Command, FromArgMatches};
use settings::{PretrainSettings, TrainerSettings};
use telemetry::Shutdown;
use trainer::PretrainFiles;

fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    sr_model::tune_allocator();
    let pretrain = Command::new("pretrain").about("Trains general weights offline, for `acuity pretrain`");
    let command = Command::new("trainer")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Trains a stream's network while it runs")
        .args_conflicts_with_subcommands(true)
        .subcommand(PretrainFiles::augment_args(PretrainSettings::augment_args(pretrain)));
    let matches = TrainerSettings::augment_args(command).get_matches();
    telemetry::init_logs("trainer");
    if let Some(matches) = matches.subcommand_matches("pretrain") {
        return trainer::pretrain(&settings::load(matches)?, &PretrainFiles::from_arg_matches(matches)?);
    }
    let settings = settings::load(&matches)?;
    // Training has a thread of its own; what is left is network traffic.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async { trainer::run(settings, Shutdown::on_signals()?).await })
}
