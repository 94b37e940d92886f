//! Pairs on their way to the trainers. A bus that is away is waited for, by a bounded number of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bus::{Bus, BusError};
use proto::{StreamName, v1::TrainingPatch};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::desk::Desk;

/// The most pairs that wait for the bus.
const QUEUE: usize = 256;
/// The backlog counts patches younger than this.
const BACKLOG_AGE: Duration = Duration::from_secs(60);
const BACKLOG_INTERVAL: Duration = Duration::from_secs(1);
/// A bus that does not answer within this is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
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
    /// What was taken is delivered also after the outbox is gone, by a task among `last_words`.
    pub(crate) fn spawn(bus: Bus, stream: StreamName, desk: Desk, last_words: &mut JoinSet<()>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        // Read every few seconds, and patches are few.
        let (published, published_receiver) = mpsc::unbounded_channel();
        tokio::spawn(watch_backlog(bus.clone(), stream.clone(), desk.clone(), sender.downgrade(), published_receiver));
        last_words.spawn(deliver(bus, stream, desk, receiver, published));
        Self(sender)
    }

    /// # Errors
    /// The reason it is counted under, when the queue is full.
    pub(crate) fn send(&self, outgoing: Outgoing) -> Result<(), &'static str> {
        self.0.try_send(outgoing).map_err(|_| "bus_full")
    }
}

async fn deliver(
    bus: Bus,
    stream: StreamName,
    desk: Desk,
    mut queue: mpsc::Receiver<Outgoing>,
    published: mpsc::UnboundedSender<Instant>,
) {
    while let Some(outgoing) = queue.recv().await {
        publish(&bus, &stream, &desk, &outgoing).await;
        // Nobody counts any more: the end has come.
        let _ = published.send(Instant::now());
    }
}

/// Counts what no trainer has taken, until the outbox is gone. A task of its own: a delivery waits for the bus.
async fn watch_backlog(
    bus: Bus,
    stream: StreamName,
    desk: Desk,
    queue: mpsc::WeakSender<Outgoing>,
    mut published: mpsc::UnboundedReceiver<Instant>,
) {
    let mut backlog = Backlog::default();
    let mut ticks = tokio::time::interval(BACKLOG_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let pending = tokio::time::timeout(ANSWER_WITHIN, bus.patch_backlog(&stream)).await;
        let Some(queue) = queue.upgrade() else { return };
        backlog.published.extend(std::iter::from_fn(|| published.try_recv().ok()));
        if let Ok(Ok(pending)) = pending {
            backlog.pending = pending;
        }
        let waiting = backlog.waiting(Instant::now(), queue.max_capacity() - queue.capacity());
        desk.update(|registry, _| registry.set_backlog(waiting));
    }
}

/// What is known of the patches that no trainer has taken.
#[derive(Debug, Default)]
struct Backlog {
    /// When each of the newest was published.
    published: VecDeque<Instant>,
    /// How many the bus held for trainers when it last answered.
    pending: u64,
}

impl Backlog {
    /// How many patches under [`BACKLOG_AGE`] wait, `queued` of them for the bus.
    fn waiting(&mut self, now: Instant, queued: usize) -> u64 {
        while self.published.front().is_some_and(|at| now.duration_since(*at) > BACKLOG_AGE) {
            self.published.pop_front();
        }
        // Trainers take the oldest first, so what is left are the newest.
        self.pending.min(self.published.len() as u64) + queued as u64
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

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(start: Instant, published: u64, pending: u64) -> Backlog {
        let published = (0..published).map(|second| start + Duration::from_secs(second)).collect();
        Backlog { published, pending }
    }

    #[test]
    fn patches_that_trainers_left_and_those_that_wait_for_the_bus_make_the_backlog() {
        let start = Instant::now();
        let now = start + Duration::from_secs(30);
        assert_eq!(backlog(start, 30, 7).waiting(now, 0), 7);
        assert_eq!(backlog(start, 30, 7).waiting(now, 5), 12);
        assert_eq!(backlog(start, 30, 500).waiting(now, 0), 30, "the others are of an earlier life");
    }

    #[test]
    fn while_the_bus_is_away_old_patches_leave_the_backlog_and_new_ones_join_it() {
        let start = Instant::now();
        let mut backlog = backlog(start, 30, 30);
        let waiting = [30, 70, 100].map(|second| backlog.waiting(start + Duration::from_secs(second), second as usize));
        assert_eq!(waiting, [30 + 30, 20 + 70, 100]);
    }
}
