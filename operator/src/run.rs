//! Puts the parts together, and takes them apart at the end.

use anyhow::Context as _;
use bus::Bus;
use jiff::Timestamp;
use telemetry::{Health, Shutdown};
use tokio::sync::mpsc;

use crate::{
    client::client,
    context::{Context, Credentials},
    controller::Operator,
    events::Events,
    metrics::Metrics,
    options::Options,
    stores::Watched,
    watches::watch,
};

/// Messages of the watches on their way.
const SEEN: usize = 4096;

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
    let context =
        Context { client: client.clone(), options, credentials, bus, events: Events::new(client.clone()), metrics };
    let (seen, watched) = mpsc::channel(SEEN);
    let _watches = watch(&client, context.options.namespace.as_deref(), &context.metrics, &seen);
    let mut operator = Operator::new(context);
    operator.lead(Timestamp::now());
    drive(operator, watched, &health, shutdown).await;
    Ok(())
}

/// Brings the time to the operator, and the messages.
pub async fn drive(mut operator: Operator, mut watched: mpsc::Receiver<Watched>, health: &Health, shutdown: Shutdown) {
    loop {
        operator.start_due(Timestamp::now());
        health.set_ready(operator.has_seen_all());
        let wait = operator.next_due().map(|at| at.duration_since(Timestamp::now()));
        let wait = wait.map_or(std::time::Duration::MAX, |wait| wait.try_into().unwrap_or_default());
        tokio::select! {
            () = shutdown.requested() => break,
            Some(message) = watched.recv() => operator.handle_watched(message, Timestamp::now()),
            finished = operator.next_report() => operator.handle_finished(finished, Timestamp::now()),
            () = tokio::time::sleep(wait) => {}
        }
    }
    while !operator.is_idle() {
        let finished = operator.next_report().await;
        operator.handle_finished(finished, Timestamp::now());
    }
}
