//! Where a trainer begins: at its own last state, else at the live checkpoint, else at bicubic.

use std::time::Duration;

use bus::{Bus, BusError, Checkpoints};
use proto::StreamName;
use sr_model::{Device, Learner, LearnerState};
use sr_net::Network;
use telemetry::Shutdown;

use crate::{
    offers::{Live, live},
    registry::Registry,
    state,
};

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub(crate) state: Option<LearnerState>,
    pub(crate) live: Option<Live>,
}

const RETRY: Duration = Duration::from_millis(200);

impl Start {
    /// Waits for NATS: without it there are no patches either. `None` when the end is asked for first.
    pub(crate) async fn find(
        bus: &Bus,
        registry: &Registry,
        stream: &StreamName,
        network: Network,
        shutdown: &Shutdown,
    ) -> Option<Self> {
        loop {
            match stored_state(bus, stream).await {
                Ok(bytes) => {
                    let state = bytes.and_then(|bytes| read_state(&bytes, network));
                    return Some(Self { state, live: live(registry, network).await });
                }
                Err(error) => tracing::warn!(%error, "cannot look for the last state; trying again"),
            }
            tokio::select! {
                () = shutdown.requested() => return None,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    pub(crate) fn learner(&self, network: Network, seed: u64, device: Device) -> Learner {
        if let Some(state) = &self.state {
            match Learner::from_state(state, device) {
                Ok(learner) => {
                    tracing::info!(step = learner.step(), "going on from the last state");
                    return learner;
                }
                Err(error) => tracing::warn!(%error, "the last state is not usable"),
            }
        }
        if let Some(live) = &self.live {
            tracing::info!(version = live.version, "starting from the live checkpoint");
            return Learner::from_weights(&live.weights, seed, device);
        }
        tracing::info!("starting from bicubic");
        Learner::from_bicubic(network, seed, device)
    }
}

async fn stored_state(bus: &Bus, stream: &StreamName) -> Result<Option<bytes::Bytes>, BusError> {
    let checkpoints: Checkpoints = bus.checkpoints(stream).await?;
    checkpoints.trainer_state().await
}

fn read_state(bytes: &[u8], network: Network) -> Option<LearnerState> {
    match state::decode(bytes) {
        Ok(state) if state.network == network => Some(state),
        Ok(state) => {
            tracing::info!(network = ?state.network, "the last state is of another network");
            None
        }
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "the last state is not readable");
            None
        }
    }
}
