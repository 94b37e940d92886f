//! Where a trainer begins: at what the stream has learned (its own last state, else the live checkpoint), at the
//! general weights, or at bicubic.

use std::{sync::Arc, time::Duration};

use bus::{Bus, BusError, Checkpoints};
use proto::StreamName;
use settings::StartFrom;
use sr_model::{Device, Learner, LearnerState};
use sr_net::{Network, Weights};
use telemetry::Shutdown;

use crate::{
    offers::{Live, live, read_live},
    registry::Registry,
    state,
};

/// What the settings ask for.
#[derive(Clone, Debug)]
pub(crate) struct Sought {
    pub(crate) network: Network,
    pub(crate) from: StartFrom,
    pub(crate) general: Option<Arc<Weights>>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub(crate) state: Option<LearnerState>,
    /// What to begin with where there is no state.
    pub(crate) weights: Option<Arc<Weights>>,
    /// To fall back to.
    pub(crate) general: Option<Arc<Weights>>,
    /// To beat.
    pub(crate) live: Option<Live>,
}

const RETRY: Duration = Duration::from_millis(200);
/// The media-node and its store may come up together with the trainer; without them it starts anyway.
const LIVE_WITHIN: Duration = Duration::from_secs(5);

impl Start {
    /// Waits for NATS: without it there are no patches either. `None` when the end is asked for first.
    pub(crate) async fn find(
        bus: &Bus,
        registry: &Registry,
        stream: &StreamName,
        sought: &Sought,
        shutdown: &Shutdown,
    ) -> Option<Self> {
        let (network, from) = (sought.network, sought.from);
        loop {
            match stored_state(bus, stream).await {
                Ok(bytes) => {
                    let state = bytes.filter(|_| from == StartFrom::Stream);
                    let state = state.and_then(|bytes| read_state(&bytes, network));
                    // With a state of its own, what is live is good to know and not worth a wait.
                    let live = if state.is_some() {
                        live(registry, network).await
                    } else {
                        tokio::select! {
                            () = shutdown.requested() => return None,
                            live = live_in_time(registry, network) => live,
                        }
                    };
                    let general = sought.general.clone().filter(|_| from != StartFrom::None);
                    let learned = live.as_ref().filter(|_| from == StartFrom::Stream);
                    let weights = learned.map(|live| Arc::clone(&live.weights)).or_else(|| general.clone());
                    return Some(Self { state, weights, general, live });
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
        match &self.weights {
            Some(weights) => {
                let live = self.live.as_ref().filter(|live| Arc::ptr_eq(&live.weights, weights));
                tracing::info!(live_version = live.map(|live| live.version), "starting from weights");
                Learner::from_weights(weights, seed, device)
            }
            None => {
                tracing::info!("starting from bicubic");
                Learner::from_bicubic(network, seed, device)
            }
        }
    }
}

/// The live checkpoint as soon as the media-node says whether there is one.
async fn live_in_time(registry: &Registry, network: Network) -> Option<Live> {
    let answered = async {
        loop {
            match registry.live().await {
                Ok(checkpoint) => return checkpoint,
                Err(status) => tracing::debug!(%status, "the media-node does not say yet what is live"),
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    match tokio::time::timeout(LIVE_WITHIN, answered).await {
        Ok(checkpoint) => read_live(&checkpoint?, network),
        Err(_) => {
            tracing::warn!("the media-node does not say what is live; starting without");
            None
        }
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
