//! The operator.

use clap::{Args, Command, FromArgMatches};
use operator::Options;
use telemetry::Shutdown;

fn main() -> anyhow::Result<()> {
    let command = Command::new("operator").about("Reconciles LiveStreams").version(env!("CARGO_PKG_VERSION"));
    let options = Options::from_arg_matches(&Options::augment_args(command).get_matches())?;
    telemetry::init_logs("operator");
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async { operator::run(options, Shutdown::on_signals()?).await })
}
