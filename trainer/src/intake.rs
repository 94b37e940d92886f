//! Patches from NATS into the learning thread's inbox: first those of the last minutes, then each new one.

use std::{sync::Arc, time::Duration};

use bus::{Bus, BusError};
use proto::{StreamName, v1::TrainingPatch};
use telemetry::Shutdown;
use tokio::sync::mpsc;

use crate::{example::Example, learning::Heard, metrics::Metrics};

/// What the buffer is filled with at the start.
const REFILL: Duration = Duration::from_secs(120);
const FETCH_LIMIT: usize = 32;
const FETCH_WAIT: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(500);

pub(crate) struct Intake {
    pub(crate) bus: Bus,
    pub(crate) stream: StreamName,
    pub(crate) scale: usize,
    pub(crate) inbox: mpsc::Sender<Heard>,
    pub(crate) metrics: Metrics,
}

impl Intake {
    /// Runs until the end is asked for; NATS may come and go.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        tokio::select! {
            () = shutdown.requested() => {}
            () = self.take_all() => {}
        }
    }

    async fn take_all(&self) {
        let recent = retried("refilling the buffer", || self.bus.recent_patches(&self.stream, REFILL)).await;
        tracing::info!(patches = recent.len(), "refilled the buffer");
        for patch in &recent {
            self.take(patch).await;
        }
        let mut consumer = retried("consuming patches", || self.bus.consume_patches(&self.stream)).await;
        loop {
            let received = match consumer.fetch(FETCH_LIMIT, FETCH_WAIT).await {
                Ok(received) => received,
                Err(error) => {
                    tracing::warn!(%error, "no patches for now; trying again");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            self.metrics.in_flight.inc_by(received.len() as i64);
            for received in received {
                self.take(&received.patch).await;
                // Unacknowledged it comes again, and is known by then.
                if let Err(error) = received.ack().await {
                    tracing::debug!(%error, "a patch stays unacknowledged");
                }
                self.metrics.in_flight.dec();
            }
        }
    }

    async fn take(&self, patch: &TrainingPatch) {
        match Example::new(patch, self.scale) {
            // The inbox is gone only when the program ends.
            Ok(example) => drop(self.inbox.send(Heard::Patch(Arc::new(example))).await),
            Err(reason) => self.metrics.count_refused(&reason.to_string()),
        }
    }
}

async fn retried<T, F: Future<Output = Result<T, BusError>>>(doing: &str, mut attempt: impl FnMut() -> F) -> T {
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => tracing::warn!(%error, "{doing} failed; trying again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}
