//! Puts the parts together, and takes them apart at the end.

use std::time::Duration;

use anyhow::Context as _;
use bus::Bus;
use futures::FutureExt;
use jiff::Timestamp;
use proto::StreamName;
use telemetry::{Health, Shutdown};
use tokio::sync::mpsc;

use crate::{
    client::client,
    context::{Context, Credentials},
    controller::Operator,
    events::Events,
    metrics::Metrics,
    options::Options,
    reports,
    stores::Watched,
    watches::watch,
};

/// Messages of the watches on their way.
const SEEN: usize = 4096;
/// As long as a timer runs.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Runs until the shutdown.
///
/// # Errors
/// When the options cannot be obeyed.
pub async fn run(options: Options, shutdown: Shutdown) -> anyhow::Result<()> {
    let config = kube::Config::infer().await.context("finding the API server")?;
    let (registered, health) = (telemetry::metrics("operator"), Health::default());
    let metrics = Metrics::register(&mut registered.lock().expect("nobody else has it yet"));
    let client = client(config, &metrics, &tower::layer::util::Identity::new())?;
    telemetry::serve_health(options.health_listen, &health, registered, shutdown.clone())
        .await
        .context("serving health")?;
    let credentials = Credentials::read(options.nats.nats_credentials.as_deref())?;
    let bus = match &options.nats.nats_credentials {
        Some(folder) => Some(Bus::connect(&options.nats.nats_url, Some(&folder.join("operator")), "operator").await?),
        None => None,
    };
    let (seen, watched) = mpsc::channel(SEEN);
    let _watches = watch(&client, options.namespace.as_deref(), &metrics, &seen);
    let events = Events::new(client.clone());
    let mut operator = Operator::new(Context { client, options, credentials, bus: bus.clone(), events, metrics });
    let mut inputs = Inputs { watched, triggers: None };

    look_until(&mut operator, &mut inputs, std::future::ready(())).await;
    if let Some(bus) = bus {
        let (reports, triggers) = reports::spawn(bus, shutdown.clone());
        operator.hear(reports.clone());
        inputs.triggers = Some(triggers);
        look_until(&mut operator, &mut inputs, reports.listed()).await;
    }
    operator.lead(Timestamp::now());
    drive(operator, inputs, &health, shutdown).await;
    Ok(())
}

/// What comes in.
pub struct Inputs {
    pub watched: mpsc::Receiver<Watched>,
    /// Streams whose reports have changed.
    pub triggers: Option<mpsc::Receiver<StreamName>>,
}

/// Only looks, until everything has been seen once and `ready` is over.
async fn look_until(operator: &mut Operator, inputs: &mut Inputs, ready: impl Future<Output = ()>) {
    let mut ready = std::pin::pin!(ready.fuse());
    let mut is_ready = false;
    while !(is_ready && operator.has_seen_all()) {
        tokio::select! {
            () = &mut ready, if !is_ready => is_ready = true,
            Some(message) = inputs.watched.recv() => operator.handle_watched(message, Timestamp::now()),
        }
    }
}

/// Brings the time to the operator, and what comes in.
pub async fn drive(mut operator: Operator, mut inputs: Inputs, health: &Health, shutdown: Shutdown) {
    loop {
        operator.start_due(Timestamp::now());
        health.set_ready(operator.has_seen_all());
        let wait = operator.next_due().map(|at| at.duration_since(Timestamp::now()));
        let wait = wait.map_or(LONGEST_WAIT, |wait| Duration::try_from(wait).unwrap_or_default().min(LONGEST_WAIT));
        tokio::select! {
            () = shutdown.requested() => break,
            Some(message) = inputs.watched.recv() => operator.handle_watched(message, Timestamp::now()),
            Some(stream) = next(&mut inputs.triggers) => operator.handle_trigger(&stream, Timestamp::now()),
            finished = operator.next_report() => operator.handle_finished(finished, Timestamp::now()),
            () = tokio::time::sleep(wait) => {}
        }
    }
    while !operator.is_idle() {
        let finished = operator.next_report().await;
        operator.handle_finished(finished, Timestamp::now());
    }
}

async fn next<T>(receiver: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}
