//! `logs`: of all pods of a stream, each line with the pod it is from.

use std::{
    collections::HashSet,
    io::{Write, stdout},
    pin::pin,
};

use clap::Args;
use crds::Role;
use futures::{AsyncBufRead, AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::LogParams,
    runtime::{WatchStreamExt, watcher},
};
use tokio::task::JoinSet;

use crate::{
    arguments::role_parser,
    cluster::{Cluster, selector},
    report::PodReport,
};

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Stream
    name: String,
    /// Only these pods
    #[arg(long, value_parser = role_parser())]
    role: Option<Role>,
    /// Goes on, also with pods that come later
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines of each pod
    #[arg(long, value_name = "LINES")]
    tail: Option<i64>,
    /// Of the containers that ran before the last restart
    #[arg(short, long, conflicts_with = "follow")]
    previous: bool,
}

pub(crate) async fn run(cluster: &Cluster, args: LogsArgs) -> anyhow::Result<()> {
    let stream = cluster.stream(&args.name).await?;
    let parameters =
        LogParams { follow: args.follow, tail_lines: args.tail, previous: args.previous, ..LogParams::default() };
    let api = cluster.api::<Pod>();
    if args.follow {
        return follow(cluster, api, &args, &parameters).await;
    }
    let pods = cluster.pods(&args.name, args.role).await?;
    if pods.is_empty() {
        let paused = if stream.spec.paused { ", for it is paused (spec.paused)" } else { "" };
        anyhow::bail!("{} has no such pods{paused}: `kubectl acuity status {0}` says how it is doing", args.name);
    }
    for pod in pods {
        let name = pod.name_any();
        match api.log_stream(&name, &parameters).await {
            Ok(log) => print_lines(prefix(&args.name, &name), log).await?,
            Err(error) => say_no_log(&pod, error),
        }
    }
    Ok(())
}

/// Each container once for each time it starts.
async fn follow(cluster: &Cluster, api: Api<Pod>, args: &LogsArgs, parameters: &LogParams) -> anyhow::Result<()> {
    let selected = watcher::Config::default().labels(&selector(&args.name, args.role));
    let mut pods = pin!(watcher(api.clone(), selected).default_backoff().applied_objects());
    let mut followed = HashSet::new();
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            pod = pods.try_next() => {
                let Some(pod) = pod.map_err(|error| cluster.explain_watch(error, "watch pods"))? else { return Ok(()) };
                let start = (pod.uid(), PodReport::new(&pod).restarts);
                if !PodReport::is_running(&pod) || !followed.insert(start) {
                    continue;
                }
                let (api, parameters, prefix) = (api.clone(), parameters.clone(), prefix(&args.name, &pod.name_any()));
                streams.spawn(async move {
                    match api.log_stream(&pod.name_any(), &parameters).await {
                        Ok(log) => print_lines(prefix, log).await,
                        Err(error) => { say_no_log(&pod, error); Ok(()) }
                    }
                });
            }
            Some(ended) = streams.join_next() => {
                if let Ok(Err(error)) = ended {
                    return Err(error);
                }
            }
        }
    }
}

/// `trainer-0`: the stream is known.
fn prefix(stream: &str, pod: &str) -> String {
    pod.strip_prefix(stream).and_then(|rest| rest.strip_prefix('-')).unwrap_or(pod).to_owned()
}

async fn print_lines(prefix: String, log: impl AsyncBufRead) -> anyhow::Result<()> {
    let log = pin!(log);
    let mut lines = log.lines();
    // A log that breaks off is as much of it as there is.
    while let Ok(Some(line)) = lines.try_next().await {
        writeln!(stdout(), "{prefix} | {line}")?;
    }
    Ok(())
}

fn say_no_log(pod: &Pod, error: kube::Error) {
    let PodReport { name, state, message, .. } = PodReport::new(pod);
    let why = if message.is_empty() { error.to_string() } else { message };
    eprintln!("no log of pod {name} ({state}): {why}");
}
