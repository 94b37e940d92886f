//! Training patches: stream `ACUITY_PATCHES`, subject `acuity.patches.<ns>.<name>`.

use std::time::Duration;

use proto::{StreamName, v1::TrainingPatch};

use crate::{Bus, BusError};

/// The durable pull consumer of a stream's trainers.
#[derive(Debug)]
pub struct PatchConsumer {}

/// A patch with its acknowledgement still owed: ack when it is in the replay buffer.
#[derive(Debug)]
pub struct ReceivedPatch {
    pub patch: TrainingPatch,
}

impl Bus {
    /// # Errors
    /// When NATS is away.
    pub async fn ensure_patches(&self) -> Result<(), BusError> {
        todo!()
    }

    /// Returns when JetStream has stored it. `message_id` (`<session>:<sequence>`) makes a second one of it vanish.
    ///
    /// # Errors
    /// When it was not stored; it may be tried again.
    pub async fn publish_patch(&self, _stream: &StreamName, _message_id: &str, _patch: &TrainingPatch) -> Result<(), BusError> {
        todo!()
    }

    /// # Errors
    /// When NATS is away.
    pub async fn consume_patches(&self, _stream: &StreamName) -> Result<PatchConsumer, BusError> {
        todo!()
    }

    /// Every patch of the last `window`, oldest first, acknowledged or not.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn recent_patches(&self, _stream: &StreamName, _window: Duration) -> Result<Vec<TrainingPatch>, BusError> {
        todo!()
    }

    /// Patches no trainer has taken yet.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn patch_backlog(&self, _stream: &StreamName) -> Result<u64, BusError> {
        todo!()
    }
}

impl PatchConsumer {
    /// At most `limit` patches, waiting up to `wait` for the first. A malformed message is acknowledged, counted in
    /// the log and left out.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn fetch(&mut self, _limit: usize, _wait: Duration) -> Result<Vec<ReceivedPatch>, BusError> {
        todo!()
    }
}

impl ReceivedPatch {
    /// # Errors
    /// When NATS is away; the patch then comes again.
    pub async fn ack(&self) -> Result<(), BusError> {
        todo!()
    }
}
