//! Puts the parts together, and takes them apart at the end.

use std::time::Duration;

use anyhow::Context;
use bus::Bus;
use proto::StreamName;
use settings::TrainerSettings;
use sr_net::Network;
use telemetry::{Health, Shutdown};
use tokio::sync::{mpsc, watch};

use crate::{
    intake::Intake,
    keeper::keep_states,
    learning::{Learning, Outlets},
    metrics::Metrics,
    offers::offer_newest,
    registry::Registry,
    reporter::{Progress, report},
    start::{Sought, Start},
};

/// Patches between NATS and the learning thread.
const INBOX: usize = 64;
/// How long the last words may take: the state is stored, patches are given back.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(2);

/// Trains until the end is asked for.
///
/// # Errors
/// When the settings cannot be met. What is merely away is waited for.
pub async fn run(settings: TrainerSettings, shutdown: Shutdown) -> anyhow::Result<()> {
    let stream: StreamName = settings.stream.parse()?;
    let shape = &settings.network;
    let network = Network::new(settings.scale, shape.unshuffle, shape.features, shape.layers)?;
    let general = general_weights::load(settings.general_weights_file.as_deref(), network)?;
    let device = sr_model::open_device(&settings.device)?;
    let pod = pod_name();
    tracing::info!(%stream, ?network, device = sr_model::device_name(device), pod, "trainer");

    // What the network runs faster in, it is trained faster in.
    let precision = sr_model::choose_precision(network, device, settings.threads)?;

    let (registered, health) = (telemetry::metrics("trainer"), Health::default());
    let metrics = Metrics::registered(&registered);
    if let Some(listen) = settings.health_listen {
        telemetry::serve_health(listen, &health, registered, shutdown.clone()).await.context("serving health")?;
    }
    let bus = Bus::connect(&settings.nats_url, settings.nats_credentials_file.as_deref(), "trainer").await?;
    let registry = Registry::new(&settings.media_node_url, settings.internal_token_file.clone(), stream.clone())?;
    let sought = Sought { network, from: settings.start, general };
    let Some(start) = Start::find(&bus, &registry, &stream, &sought, &shutdown).await else { return Ok(()) };

    let (inbox, heard) = mpsc::channel(INBOX);
    let (offers, newest_offer) = watch::channel(None);
    let (states, newest_state) = watch::channel(None);
    let (progress, newest_progress) = watch::channel(Progress::default());
    let outlets = Outlets { offers, states, progress };
    let learning =
        Learning::new(settings, stream.clone(), pod.clone(), network, (device, precision), start, metrics.clone());
    let until = shutdown.clone();
    let thread = tokio::task::spawn_blocking(move || learning.run(heard, &outlets, &until));

    let intake = Intake {
        bus: bus.clone(),
        stream: stream.clone(),
        scale: network.scale,
        inbox: inbox.clone(),
        metrics: metrics.clone(),
    };
    let intake = tokio::spawn(intake.run(shutdown.clone()));
    let in_flight = metrics.in_flight.clone();
    tokio::spawn(offer_newest(registry, newest_offer, inbox, metrics, shutdown.clone()));
    tokio::spawn(report(
        bus.clone(),
        stream.clone(),
        pod,
        sr_model::device_name(device),
        newest_progress,
        in_flight,
        shutdown.clone(),
    ));
    let keeper = tokio::spawn(keep_states(bus, stream, newest_state));
    health.set_ready(true);

    // The thread ends by itself only when it panics: then the program ends too, and is started again.
    let ended = thread.await.context("the learning thread failed");
    shutdown.request();
    let last_words = async { tokio::join!(keeper, intake) };
    if tokio::time::timeout(LAST_WORDS_TIMEOUT, last_words).await.is_err() {
        tracing::warn!("the last state may not be stored");
    }
    ended
}

/// In Kubernetes the host name is the pod's; the process id tells trainers of one machine apart.
fn pod_name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "trainer".to_owned());
    let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if in_cluster { host } else { format!("{host}-{}", std::process::id()) }
}
