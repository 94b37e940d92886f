//! Checkpoints and trainer states: object store `acuity_checkpoints`.

use bytes::Bytes;
use proto::{StreamName, v1::Checkpoint};

use crate::BusError;
use crate::Bus;

/// The stored checkpoints of one stream.
#[derive(Clone, Debug)]
pub struct Checkpoints {}

impl Bus {
    /// # Errors
    /// When NATS is away.
    pub async fn ensure_checkpoints(&self) -> Result<(), BusError> {
        todo!()
    }

    /// The stored checkpoints of `stream`.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn checkpoints(&self, _stream: &StreamName) -> Result<Checkpoints, BusError> {
        todo!()
    }
}

impl Checkpoints {
    /// How many versions of a stream are kept.
    pub const KEPT: usize = 5;

    /// Stores it under its version and removes all but the newest [`Self::KEPT`].
    ///
    /// # Errors
    /// When it is not stored.
    pub async fn put(&self, _checkpoint: &Checkpoint) -> Result<(), BusError> {
        todo!()
    }

    /// # Errors
    /// When NATS is away.
    pub async fn get(&self, _version: u64) -> Result<Option<Checkpoint>, BusError> {
        todo!()
    }

    /// Stored versions, oldest first.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn versions(&self) -> Result<Vec<u64>, BusError> {
        todo!()
    }

    /// What a trainer needs to go on after its death; opaque here.
    ///
    /// # Errors
    /// When it is not stored.
    pub async fn put_trainer_state(&self, _state: Bytes) -> Result<(), BusError> {
        todo!()
    }

    /// # Errors
    /// When NATS is away.
    pub async fn trainer_state(&self) -> Result<Option<Bytes>, BusError> {
        todo!()
    }
}
