//! `acuity`: the system on one machine, and the clients of any running system.

mod demo;
mod evaluate;
mod observe;
mod pretrain;
mod publish;
mod rtpdump;
mod up;
mod watch;

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
    Publish(Box<publish::PublishArgs>),
    Watch(watch::WatchArgs),
    Demo(demo::DemoArgs),
    Evaluate(Box<evaluate::EvaluateArgs>),
    Pretrain(Box<pretrain::PretrainArgs>),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let arguments = Arguments::parse();
    telemetry::init_logs("acuity");
    let shutdown = Shutdown::on_signals()?;
    match arguments.command {
        Command::Up(args) => up::run(args, shutdown).await,
        Command::Publish(args) => publish::run(*args, shutdown).await,
        Command::Watch(args) => watch::run(args, shutdown).await,
        Command::Demo(args) => demo::run(args, shutdown).await,
        Command::Evaluate(args) => evaluate::run(*args, shutdown).await,
        Command::Pretrain(args) => pretrain::run(*args, shutdown).await,
    }
}
