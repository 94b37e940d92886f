//! Patches from NATS into the learning thread's inbox: first those of the last minutes, then each new one.

use std::{sync::Arc, time::Duration};

use bus::{Bus, BusError, PatchConsumer};
use proto::{StreamName, v1::TrainingPatch};
use telemetry::Shutdown;
use tokio::sync::mpsc;

use crate::{example::Example, learning::Heard, metrics::Metrics};

/// What the buffer is filled with at the start.
const REFILL: Duration = Duration::from_secs(120);
const FETCH_LIMIT: usize = 32;
/// The end of the program waits for it too: what is under way is given back.
const FETCH_WAIT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(500);

pub(crate) struct Intake {
    pub(crate) bus: Bus,
    pub(crate) stream: StreamName,
    pub(crate) scale: usize,
    pub(crate) inbox: mpsc::Sender<Heard>,
    pub(crate) metrics: Metrics,
}

impl Intake {
    /// Runs until the end is asked for; NATS may come and go. What was fetched and not taken by then is given back.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        tokio::select! {
            () = shutdown.requested() => {}
            consumer = self.begin() => self.consume(consumer, &shutdown).await,
        }
    }

    async fn begin(&self) -> PatchConsumer {
        let recent = retried("refilling the buffer", || self.bus.recent_patches(&self.stream, REFILL)).await;
        tracing::info!(patches = recent.len(), "refilled the buffer");
        for patch in &recent {
            self.take(patch).await;
        }
        retried("consuming patches", || self.bus.consume_patches(&self.stream)).await
    }

    async fn consume(&self, mut consumer: PatchConsumer, shutdown: &Shutdown) {
        while !shutdown.is_requested() {
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
                let taken = !shutdown.is_requested() && self.take(&received.patch).await;
                let answered = if taken { received.ack().await } else { received.give_back().await };
                // It comes again, and is known by then.
                if let Err(error) = answered {
                    tracing::debug!(%error, "a patch stays unacknowledged");
                }
                self.metrics.in_flight.dec();
            }
        }
    }

    /// False when the inbox is gone, since the program ends.
    async fn take(&self, patch: &TrainingPatch) -> bool {
        match Example::new(patch, self.scale) {
            Ok(example) => self.inbox.send(Heard::Patch(Arc::new(example))).await.is_ok(),
            Err(reason) => {
                self.metrics.count_refused(&reason.to_string());
                true
            }
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
