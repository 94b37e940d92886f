//! Keeps the newest state of the learner in the object store.

use std::time::Duration;

use bus::{Bus, BusError};
use bytes::Bytes;
use proto::StreamName;
use tokio::sync::watch;

const RETRY: Duration = Duration::from_secs(1);

/// Stores each state, always the newest, until no more can come and the last one is stored.
pub(crate) async fn keep_states(bus: Bus, stream: StreamName, mut newest: watch::Receiver<Option<Bytes>>) {
    while newest.changed().await.is_ok() {
        let Some(state) = newest.borrow_and_update().clone() else { continue };
        if let Err(error) = store(&bus, &stream, state).await {
            tracing::warn!(%error, "the state is not stored; trying again");
            tokio::time::sleep(RETRY).await;
            newest.mark_changed();
        }
    }
}

async fn store(bus: &Bus, stream: &StreamName, state: Bytes) -> Result<(), BusError> {
    bus.checkpoints(stream).await?.put_trainer_state(state).await
}
