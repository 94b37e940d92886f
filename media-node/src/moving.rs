//! The end of a media-node's life, so that nobody who watches notices: it goes on relaying until another one answers at
//! the address that clients use, sends its clients there, and says goodbye to the rest.
//!
//! ```text
//! Serving ──SIGTERM──▶ Leaving ──another one answers──▶ Moved ──clients have left──▶ the end
//!                         │ (no new sessions, no offers)   (Moved to publisher and viewers)  ▲
//!                         └──nobody comes, or there is no such address────────────────────────┘
//! ```

mod service;

use std::{sync::PoisonError, time::Duration};

use proto::{
    status::{StreamEvent, StreamEventKind},
    v1::Moved,
};
use telemetry::{Health, Metrics, Shutdown, prometheus_client::metrics::gauge::Gauge};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, timeout},
};

use crate::{
    learning::{Heir, unix_us},
    relay::Relay,
    tokens::TokenFile,
};
pub(crate) use service::{INSTANCE, Instance, Service};

/// How long clients that were told where to go may take to get there.
const CLIENTS_LEAVE: Duration = Duration::from_millis(2500);

/// How far a media-node's life has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    #[default]
    Serving,
    /// Sessions go on, and no others begin; checkpoints are offered in vain.
    Leaving,
    /// Another one has taken its place.
    Moved,
}

/// The stage to everyone who acts on it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Stages(watch::Receiver<Stage>);

impl Default for Stages {
    /// Always serving.
    fn default() -> Self {
        Self(watch::Sender::default().subscribe())
    }
}

impl Stages {
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        *self.0.borrow() >= Stage::Leaving
    }

    /// Returns when another one has taken the place; never, when that does not happen.
    pub(crate) async fn moved(&self) {
        let mut stages = self.0.clone();
        if stages.wait_for(|stage| *stage == Stage::Moved).await.is_err() {
            std::future::pending().await
        }
    }
}

/// The beginning: while another one still answers at the service's address, this one is its successor. What it says is
/// live holds, and what it stored meanwhile is read, once clients come here.
pub(crate) async fn take_over(service: Service, view_token: TokenFile, heir: Heir) {
    if let Some(last) = service.predecessor(&view_token).await {
        tracing::info!(live_version = last.live_version, withdrawn = last.withdrawn, "taking over");
        heir.take_over(&last).await;
    }
}

/// What it takes to leave.
pub(crate) struct Departure {
    /// `None`: nobody takes the place.
    pub(crate) service: Option<Service>,
    /// How long it is waited for.
    pub(crate) drain: Duration,
    pub(crate) relay: Relay,
    pub(crate) events: broadcast::Sender<StreamEvent>,
    pub(crate) health: Health,
    pub(crate) stage: StageSender,
}

/// Changes the stage.
pub(crate) struct StageSender {
    stage: watch::Sender<Stage>,
    shown: Gauge,
}

impl StageSender {
    /// Also shown among the metrics.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let (stage, shown) = (watch::Sender::default(), Gauge::default());
        let help = "How far its life has come: 0 serving, 1 leaving, 2 moved";
        metrics.lock().unwrap_or_else(PoisonError::into_inner).register("stage", help, shown.clone());
        Self { stage, shown }
    }

    pub(crate) fn stages(&self) -> Stages {
        Stages(self.stage.subscribe())
    }

    fn enter(&self, stage: Stage) {
        self.shown.set(stage as i64);
        self.stage.send_replace(stage);
    }
}

impl Departure {
    /// Waits for the shutdown, then leaves; at once, when that is asked for a second time.
    pub(crate) async fn run(self, shutdown: &Shutdown) {
        shutdown.requested().await;
        tokio::select! {
            () = self.leave() => {}
            () = shutdown.insisted() => tracing::warn!("asked a second time: ending at once"),
        }
    }

    async fn leave(&self) {
        self.health.set_ready(false);
        self.stage.enter(Stage::Leaving);
        let Some(service) = &self.service else { return };
        if self.relay.is_idle().await {
            return tracing::info!("ending: nobody publishes or watches");
        }
        tracing::info!(service = service.url(), "leaving: waiting for another media-node to answer there");
        let asked = Instant::now();
        match timeout(self.drain, service.successor()).await {
            Ok(instance) => tracing::info!(instance, waited = ?asked.elapsed(), "another media-node takes over"),
            Err(_) => return tracing::warn!(waited = ?self.drain, "no other media-node came: ending without"),
        }
        self.send_away().await;
    }

    async fn send_away(&self) {
        self.stage.enter(Stage::Moved);
        let told = Instant::now();
        // The same URL, and another one behind it.
        let moved = Moved { url: String::new() };
        let event = StreamEvent { at_unix_us: unix_us(), kind: StreamEventKind::Moved { url: moved.url.clone() } };
        // Nobody has to listen.
        let _ = self.events.send(event);
        match timeout(CLIENTS_LEAVE, self.relay.send_away(moved)).await {
            Ok(()) => tracing::info!(took = ?told.elapsed(), "all clients have left"),
            Err(_) => tracing::info!("clients that do not follow are closed"),
        }
    }
}
