//! `acuity`: the system on one machine, and the clients of any running system.

mod demo;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use telemetry::Shutdown;

/// Live streams that look better than their uplink allows
#[derive(Parser)]
#[command(name = "acuity", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::UpArgs),
    Demo(demo::DemoArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let arguments = Arguments::parse();
    telemetry::init_logs("acuity");
    let shutdown = Shutdown::on_signals()?;
    match arguments.command {
        Command::Up(args) => up::run(args, shutdown).await,
        Command::Demo(args) => demo::run(args, shutdown).await,
    }
}
