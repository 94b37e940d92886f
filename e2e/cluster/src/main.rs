//! What the README promises of Kubernetes, on a real one: the programs of this build in containers, the chart by Helm, and
//! `acuity publish` and `acuity watch` outside of the cluster. `make e2e` makes such a cluster, runs this, and ends it.
//!
//! ```text
//! bed        the cluster: its API server, its NATS, kubectl and Helm
//! live       a stream that is published and watched
//! scenarios  the promises, each with streams of its own
//! figures    what was measured on the way
//! ```
//!
//! A program and not a test of cargo's: the scenarios share one cluster, and plain `cargo test` must not need root.

mod bed;
mod command;
mod figures;
mod live;
mod scenarios;
mod wait;

use std::{process::ExitCode, time::Instant};

use clap::Parser;

use crate::{bed::Bed, scenarios::Scenario};

/// Tries Acuity on the cluster of KUBECONFIG
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these; `--list` names all
    scenarios: Vec<String>,
    /// Names all scenarios
    #[arg(long)]
    list: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.list {
        scenarios::ALL.iter().for_each(|scenario| println!("{}", scenario.name));
        return Ok(ExitCode::SUCCESS);
    }
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut chosen = scenarios::chosen(&arguments.scenarios)?;
    std::env::set_current_dir(command::repository())?;
    let bed = Bed::prepare().await?;
    if !bed.own && arguments.scenarios.is_empty() {
        println!(
            "e2e: left out, for it needs the cluster of `make cluster`: {}",
            scenarios::ONLY_ON_OUR_OWN.join(", ")
        );
        chosen.retain(|scenario| !scenarios::ONLY_ON_OUR_OWN.contains(&scenario.name));
    }
    let mut failed = Vec::new();
    for scenario in &chosen {
        if let Err(error) = attempt(&bed, scenario).await {
            failed.push((scenario.name, error));
        }
    }
    bed.figures.write()?;
    bed.clear_away().await?;
    println!("e2e: {} of {} scenarios passed", chosen.len() - failed.len(), chosen.len());
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for (name, error) in failed {
        println!("e2e: {name} FAILED: {error:#}");
    }
    println!("e2e: what the cluster said then is in {}", bed::OUTPUT);
    Ok(ExitCode::FAILURE)
}

async fn attempt(bed: &Bed, scenario: &Scenario) -> anyhow::Result<()> {
    println!("e2e: {} …", scenario.name);
    let started = Instant::now();
    let ended = (scenario.run)(bed).await;
    let seconds = started.elapsed().as_secs_f64();
    match &ended {
        Ok(()) => println!("e2e: {} passed, {seconds:.0} s", scenario.name),
        Err(error) => {
            println!("e2e: {} FAILED after {seconds:.0} s: {error:#}", scenario.name);
            bed.keep_what_the_cluster_says(scenario.name).await;
        }
    }
    bed.delete_streams().await;
    ended
}
