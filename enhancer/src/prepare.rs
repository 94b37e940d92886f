//! The thread that makes models of checkpoints, so that no frame waits for one.

use std::{
    sync::mpsc as threads,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use proto::{
    StreamName,
    v1::{Checkpoint, watch_response::Event},
};
use sr_model::Inference;
use sr_net::{Network, Weights};
use tokio::sync::{mpsc, watch};

use crate::{live::Change, metrics::EnhancerMetrics, model::Runtime};

/// A change, ready to be made between two frames.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) change: Change<Inference>,
    /// When the registry's word came.
    pub(crate) received: Instant,
}

/// Makes changes of what the registry says.
#[derive(Debug)]
pub(crate) struct Preparer {
    pub(crate) stream: StreamName,
    pub(crate) network: Network,
    pub(crate) runtime: Runtime,
    pub(crate) frame_size: watch::Receiver<Option<(usize, usize)>>,
    pub(crate) metrics: EnhancerMetrics,
}

impl Preparer {
    /// Runs until `events` ends.
    pub(crate) fn run(&self, mut events: mpsc::Receiver<(Instant, Event)>, changes: &threads::Sender<Prepared>) {
        while let Some((received, event)) = events.blocking_recv() {
            let change = self.prepare(&event);
            let took = received.elapsed();
            if took > Duration::from_millis(100) {
                tracing::debug!(?took, "slow to prepare");
            }
            if changes.send(Prepared { change, received }).is_err() {
                return;
            }
        }
    }

    fn prepare(&self, event: &Event) -> Change<Inference> {
        match event {
            Event::Checkpoint(checkpoint) => self.prepare_checkpoint(checkpoint),
            Event::Withdrawn(withdrawn) => {
                tracing::info!(version = withdrawn.version, reason = withdrawn.reason, "withdrawn");
                Change::Withdraw { version: withdrawn.version }
            }
            Event::Restored(restored) => Change::Restore { version: restored.version },
        }
    }

    fn prepare_checkpoint(&self, checkpoint: &Checkpoint) -> Change<Inference> {
        let version = checkpoint.version;
        match self.build(checkpoint) {
            Ok(model) => Change::Use { version, model },
            Err(error) => {
                self.metrics.count_refused();
                let reason = format!("{error:#}");
                tracing::warn!(version, reason, "the weights before stay in use");
                Change::Refuse { version, reason }
            }
        }
    }

    fn build(&self, checkpoint: &Checkpoint) -> anyhow::Result<Inference> {
        let stream = checkpoint.stream.as_ref().context("the checkpoint names no stream")?;
        let stream = StreamName::try_from(stream)?;
        ensure!(stream == self.stream, "the checkpoint is of {stream}");
        let network: Network = checkpoint.network.as_ref().context("the checkpoint names no network")?.try_into()?;
        ensure!(network == self.network, "the checkpoint is of another network: {network:?}");
        let weights = Weights::from_safetensors(&checkpoint.safetensors, network)?;
        let frame_size = *self.frame_size.borrow();
        Ok(self.runtime.prepare(&weights, frame_size)?)
    }
}
