//! Pairs on their way to the trainers. A bus that is away is waited for, by a bounded number of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bus::{Bus, BusError};
use proto::{StreamName, v1::TrainingPatch};
use tokio::{sync::mpsc, time::Instant};

use super::desk::Desk;

/// The most pairs that wait for the bus.
const QUEUE: usize = 256;
/// The backlog counts patches younger than this.
const BACKLOG_AGE: Duration = Duration::from_secs(60);
const BACKLOG_INTERVAL: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) session: String,
    pub(crate) sequence: u64,
    pub(crate) patch: Arc<TrainingPatch>,
}

#[derive(Debug)]
pub(crate) struct Outbox(mpsc::Sender<Outgoing>);

impl Outbox {
    pub(crate) fn spawn(bus: Bus, stream: StreamName, desk: Desk) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(deliver(bus, stream, desk, receiver));
        Self(sender)
    }

    /// # Errors
    /// The reason it is counted under, when the queue is full.
    pub(crate) fn send(&self, outgoing: Outgoing) -> Result<(), &'static str> {
        self.0.try_send(outgoing).map_err(|_| "bus_full")
    }
}

async fn deliver(bus: Bus, stream: StreamName, desk: Desk, mut queue: mpsc::Receiver<Outgoing>) {
    let mut published = VecDeque::new();
    let mut backlog_ticks = tokio::time::interval(BACKLOG_INTERVAL);
    backlog_ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            outgoing = queue.recv() => {
                let Some(outgoing) = outgoing else { return };
                publish(&bus, &stream, &desk, &outgoing).await;
                published.push_back(Instant::now());
            }
            _ = backlog_ticks.tick() => {
                while published.front().is_some_and(|at: &Instant| at.elapsed() > BACKLOG_AGE) {
                    published.pop_front();
                }
                // Trainers take the oldest first, so what is left are the newest.
                if let Ok(pending) = bus.patch_backlog(&stream).await {
                    let waiting = pending.min(published.len() as u64) + queue.len() as u64;
                    desk.update(|registry, _| registry.set_backlog(waiting));
                }
            }
        }
    }
}

/// Until it is stored, or can never be.
async fn publish(bus: &Bus, stream: &StreamName, desk: &Desk, outgoing: &Outgoing) {
    let message_id = format!("{}:{}", outgoing.session, outgoing.sequence);
    let mut retry = FIRST_RETRY;
    loop {
        match bus.publish_patch(stream, &message_id, &outgoing.patch).await {
            Ok(()) => return,
            Err(error @ (BusError::Malformed(_) | BusError::Configuration(_))) => {
                tracing::warn!(%message_id, %error, "a patch cannot be stored");
                desk.update(|registry, _| registry.count_dropped("bus_refused"));
                return;
            }
            Err(error) => tracing::debug!(%message_id, %error, "storing a patch again"),
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(LAST_RETRY);
    }
}
