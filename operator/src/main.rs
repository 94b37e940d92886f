//! The operator.

use std::path::PathBuf;

use clap::{Arg, Args, Command, FromArgMatches, value_parser};
use operator::Options;
use telemetry::Shutdown;

fn main() -> anyhow::Result<()> {
    let file = Arg::new("record").value_name("FILE").required(true).value_parser(value_parser!(PathBuf));
    let replay =
        Command::new("replay").about("Decide again from the record of a ScaledUp or ScaledDown event").arg(file);
    let command = Command::new("operator").about("Reconciles LiveStreams").version(env!("CARGO_PKG_VERSION"));
    let matches = Options::augment_args(command).subcommand(replay).subcommand_negates_reqs(true).get_matches();
    if let Some(file) = matches.subcommand_matches("replay").and_then(|replay| replay.get_one::<PathBuf>("record")) {
        return operator::replay(file);
    }
    let options = Options::from_arg_matches(&matches)?;
    telemetry::init_logs("operator");
    // It waits for the API server nearly all the time; each further thread would have a heap of its own.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(async { operator::run(options, Shutdown::on_signals()?).await })
}
