//! Offers checkpoints to the media-node: always the newest one, again until it is answered.

use std::{sync::Arc, time::Duration};

use proto::v1::{Checkpoint, publish_response, rejected::Reason};
use rand::RngExt;
use sr_net::{Network, Weights};
use telemetry::Shutdown;
use tokio::sync::{mpsc, watch};

use crate::{learning::Heard, metrics::Metrics, registry::Registry};

/// A checkpoint on its way, with the weights that its bytes hold.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) weights: Arc<Weights>,
}

/// What the media-node made of an offer.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Accepted {
        version: u64,
        offer: Arc<Offer>,
    },
    /// `live` is what beat it, when it can be had and is of the trainer's network.
    BelowLive {
        live: Option<Live>,
    },
    /// For any other reason.
    Rejected,
}

/// The checkpoint that is in use.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) version: u64,
    pub(crate) weights: Arc<Weights>,
}

const RETRY: std::ops::Range<Duration> = Duration::from_millis(200)..Duration::from_secs(2);

/// Runs until the end is asked for.
pub(crate) async fn offer_newest(
    registry: Registry,
    mut newest: watch::Receiver<Option<Arc<Offer>>>,
    answers: mpsc::Sender<Heard>,
    metrics: Metrics,
    shutdown: Shutdown,
) {
    let mut delay = RETRY.start;
    loop {
        let offered = tokio::select! {
            () = shutdown.requested() => return,
            changed = newest.changed() => changed,
        };
        if offered.is_err() {
            return;
        }
        let Some(offer) = newest.borrow_and_update().clone() else { continue };
        metrics.offers.inc();
        metrics.in_flight.inc();
        let published = registry.publish(offer.checkpoint.clone()).await;
        metrics.in_flight.dec();
        match published {
            Ok(response) => {
                delay = RETRY.start;
                let answer = answer(response.result, offer, &registry, &metrics).await;
                if answers.send(Heard::Answer(answer)).await.is_err() {
                    return;
                }
            }
            Err(status) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "the media-node took no checkpoint; trying again");
                metrics.offers_unanswered.inc();
                tokio::select! {
                    () = shutdown.requested() => return,
                    () = tokio::time::sleep(delay.mul_f64(rand::rng().random_range(0.5..1.0))) => {}
                }
                delay = (delay * 2).min(RETRY.end);
                newest.mark_changed();
            }
        }
    }
}

async fn answer(
    result: Option<publish_response::Result>,
    offer: Arc<Offer>,
    registry: &Registry,
    metrics: &Metrics,
) -> Answer {
    let rejected = match result {
        Some(publish_response::Result::Accepted(accepted)) => {
            let gain_db = accepted.measured.map_or(0.0, |measured| measured.psnr_db - measured.bicubic_psnr_db);
            tracing::info!(version = accepted.version, gain_db, "checkpoint accepted");
            metrics.accepted.inc();
            return Answer::Accepted { version: accepted.version, offer };
        }
        Some(publish_response::Result::Rejected(rejected)) => rejected,
        None => {
            tracing::warn!("the media-node's answer says nothing");
            return Answer::Rejected;
        }
    };
    let reason = rejected.reason();
    metrics.count_rejected(reason.as_str_name());
    match reason {
        Reason::BelowBicubic | Reason::BelowLive | Reason::TooFewPatches | Reason::Pinned => {
            tracing::info!(reason = reason.as_str_name(), detail = rejected.detail, "checkpoint rejected");
        }
        _ => tracing::error!(reason = reason.as_str_name(), detail = rejected.detail, "checkpoint rejected"),
    }
    match reason {
        Reason::BelowLive => Answer::BelowLive { live: live(registry, offer.weights.network).await },
        _ => Answer::Rejected,
    }
}

/// The live checkpoint, when it is there, readable and of this network.
pub(crate) async fn live(registry: &Registry, network: Network) -> Option<Live> {
    match registry.live().await {
        Ok(checkpoint) => checkpoint.and_then(|checkpoint| read_live(&checkpoint, network)),
        Err(status) => {
            tracing::warn!(code = ?status.code(), message = status.message(), "the media-node does not say what is live");
            None
        }
    }
}

pub(crate) fn read_live(checkpoint: &Checkpoint, network: Network) -> Option<Live> {
    let same = checkpoint.network.as_ref().is_some_and(|live| Network::try_from(live) == Ok(network));
    if !same {
        tracing::info!(version = checkpoint.version, "the live checkpoint is of another network");
        return None;
    }
    match Weights::from_safetensors(&checkpoint.safetensors, network) {
        Ok(weights) => Some(Live { version: checkpoint.version, weights: Arc::new(weights) }),
        Err(error) => {
            tracing::warn!(version = checkpoint.version, %error, "the live checkpoint is not readable");
            None
        }
    }
}
