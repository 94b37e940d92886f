//! Puts the parts of a media-node together: sockets, relay, learning, the two HTTP sides.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use axum::Router;
use bus::Bus;
use proto::{StreamName, status::StreamStatus};
use serde_json::json;
use settings::MediaNodeSettings;
use sr_net::Network;
use telemetry::{Health, Shutdown};
use tokio::sync::{mpsc, watch};
use tonic::service::Routes;

use crate::{
    http::{self, HttpListener, Public},
    learning::{self, Learning, LearningOptions},
    moving::{self, Departure, Instance, Service, StageSender},
    relay::{Advertised, Candidates, MediaSocket, Relay, RelayMetrics, RelayOptions, RelaySnapshot},
    tokens::TokenFile,
};

/// Messages from the relay to the learning half: a second of frames and patches.
const FROM_RELAY: usize = 256;
const TO_RELAY: usize = 64;
/// How long the relay may take to say goodbye to everyone, and the learning half for its last words.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs until the shutdown, and then until its clients are with another media-node.
///
/// # Errors
/// When the settings are not usable or a socket cannot be bound.
pub async fn run(settings: MediaNodeSettings, shutdown: Shutdown) -> anyhow::Result<()> {
    let stream: StreamName = settings.stream.parse()?;
    let network = network(&settings)?;
    let internal_token = TokenFile::new(settings.internal_token_file.clone());
    if settings.internal_token_file.is_none() && !settings.internal_listen.ip().is_loopback() {
        bail!("the internal socket {} is not loopback: give an internal token file", settings.internal_listen);
    }
    let listener = HttpListener::bind(settings.listen)?;
    let internal_listener = HttpListener::bind(settings.internal_listen)?;
    let socket = MediaSocket::bind(settings.media_listen)?;
    let media_address = socket.local_address()?;
    let bound = json!({
        "listen": listener.local_address()?,
        "internal_listen": internal_listener.local_address()?,
        "media_listen": media_address,
    });

    let metrics = telemetry::metrics("media-node");
    let bus = match &settings.nats_url {
        Some(url) => Some(Bus::connect(url, settings.nats_credentials_file.as_deref(), "media-node").await?),
        None => None,
    };
    let instance = Instance::random();
    let service = settings.service_url.as_deref().map(|url| Service::new(url, instance.clone())).transpose()?;
    // The parts end when the clients have left, or at once when this function fails.
    let end = Shutdown::default();
    let _ends_with_this = end.token().drop_guard();
    let stage = StageSender::register(&metrics);
    let (status_sender, status) = watch::channel(StreamStatus { stream: stream.to_string(), ..Default::default() });
    let (from_relay, relay_messages) = mpsc::channel(FROM_RELAY);
    let (to_relay, learning_messages) = mpsc::channel(TO_RELAY);
    let learning_options = LearningOptions {
        stream: stream.clone(),
        scale: settings.scale,
        network,
        patches: settings.patches.clone(),
        general: general_weights::load(settings.general_weights_file.as_deref(), network)?,
        unjudged: settings.unjudged,
        bus,
        pod: pod_name(),
        stream_status: status.clone(),
        metrics: metrics.clone(),
        stages: stage.stages(),
        shutdown: end.clone(),
        pairer_program: None,
    };
    let Learning { service: checkpoints, status: learning_status, events, live, source_size, heir, last_words } =
        learning::spawn(learning_options, relay_messages, to_relay);
    let advertised = Advertised::new(settings.advertised_addresses.clone(), settings.advertised_addresses_file.clone());
    let (relay, relay_thread) = Relay::spawn(RelayOptions {
        socket,
        candidates: Candidates::new(media_address, advertised),
        max_viewers: settings.max_viewers,
        metrics: RelayMetrics::register(&metrics),
        from_relay,
        to_relay: learning_messages,
        events: events.clone(),
        stages: stage.stages(),
        shutdown: end.clone(),
    })?;
    let health = Health::default();

    let view_token = TokenFile::new(settings.view_token_file.clone());
    if let Some(service) = service.clone() {
        let take_over = moving::take_over(service, view_token.clone(), heir);
        let end = end.token();
        tokio::spawn(async move { end.run_until_cancelled(take_over).await });
    }

    let public = Public {
        relay: relay.clone(),
        publish_token: TokenFile::new(settings.publish_token_file.clone()),
        view_token,
        status,
        events: events.clone(),
        live,
        instance,
        health: health.clone(),
        shutdown: end.clone(),
    };
    let grpc = Routes::new(checkpoints).into_axum_router();
    let internal = http::internal_routes(&public, internal_token, grpc, health.routes(metrics));
    let public = http::public_routes(public);
    let serve =
        |listener: HttpListener, routes: Router| tokio::spawn(listener.serve(routes, stage.stages(), end.clone()));
    let servers = [serve(listener, public), serve(internal_listener, internal)];

    if let Some(file) = &settings.ports_file {
        write_ports(file, &bound.to_string())?;
    }
    health.set_ready(true);
    tracing::info!(%stream, addresses = %bound, "ready");

    let assemble = |snapshot: RelaySnapshot| {
        let (source_width, source_height) = *source_size.borrow();
        StreamStatus {
            stream: stream.to_string(),
            publishing: snapshot.room.publishing,
            enhanced_live: snapshot.room.enhanced_live,
            viewers: snapshot.room.viewers,
            uplink_kbps: snapshot.uplink,
            frames_per_second: snapshot.room.frames_per_second,
            source_width,
            source_height,
            scale: settings.scale,
            learning: learning_status.borrow().clone(),
        }
    };
    let mut snapshots = relay.snapshot();
    let drain = Duration::from_secs(settings.drain_seconds.into());
    let departure = Departure { service, drain, relay, events, health, stage };
    let mut departure = std::pin::pin!(departure.run(&shutdown));
    loop {
        tokio::select! {
            () = &mut departure => break,
            changed = snapshots.changed() => {
                if changed.is_err() {
                    bail!("the relay's thread ended");
                }
                status_sender.send_replace(assemble(*snapshots.borrow_and_update()));
            }
        }
    }

    end.request();
    for server in servers {
        server.await?;
    }
    let joined = tokio::task::spawn_blocking(move || relay_thread.join());
    if tokio::time::timeout(END_TIMEOUT, joined).await.is_err() {
        tracing::warn!("the relay did not end in time");
    }
    if tokio::time::timeout(END_TIMEOUT, last_words.join_all()).await.is_err() {
        tracing::warn!("the trainers did not get the last pairs");
    }
    tracing::info!("ended");
    Ok(())
}

fn network(settings: &MediaNodeSettings) -> anyhow::Result<Network> {
    let size = |value: u32| usize::try_from(value).context("network too large");
    Ok(Network {
        scale: size(settings.scale)?,
        unshuffle: size(settings.network.unshuffle)?,
        features: size(settings.network.features)?,
        layers: size(settings.network.layers)?,
    })
}

/// Kubernetes names the host after the pod.
fn pod_name() -> String {
    std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "media-node".to_owned())
}

/// Whoever waits for the file finds it whole.
fn write_ports(file: &Path, text: &str) -> anyhow::Result<()> {
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, text)
        .and_then(|()| std::fs::rename(&unfinished, file))
        .with_context(|| format!("writing {}", file.display()))
}
