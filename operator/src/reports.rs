//! What pods last said of themselves, by stream; heard from NATS, held in memory that is bounded by the streams there are.
//!
//! [`Book`] is pure; [`spawn`] runs the one task that writes to it. While NATS is away the last reports stay.

mod book;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bus::{Bus, Heard};
use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use proto::StreamName;
use telemetry::{Shutdown, prometheus_client::metrics::gauge::Gauge};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior},
};

use crate::metrics::Metrics;
use book::Book;
pub use book::{Counts, Said, StreamReports};

/// Streams whose change was not taken yet; more wait in order.
const TRIGGERS: usize = 256;
const TICK: Duration = Duration::from_secs(1);
/// NATS is said to be away after so long without it: a blip is nobody's condition.
const AWAY_AFTER: Duration = Duration::from_secs(5);
/// What has not been heard by then is not waited for any more.
const LISTED_AT_LATEST: Duration = Duration::from_secs(5);
/// Numbers that nothing waits for are told this often.
const LAZY_INTERVAL: Duration = Duration::from_secs(10);

/// The newest reports; cheap to clone.
#[derive(Clone)]
pub struct Reports {
    book: Arc<Mutex<Book>>,
    connected: watch::Receiver<bool>,
    listed: watch::Receiver<bool>,
}

/// Hears every report, and names the streams for which something that matters has changed: publishing, scenes, states at
/// once; numbers at most every ten seconds. When NATS comes or goes, every stream is named.
#[must_use]
pub fn spawn(bus: Bus, metrics: &Metrics, shutdown: Shutdown) -> (Reports, mpsc::Receiver<StreamName>) {
    let book = Arc::new(Mutex::new(Book::new(metrics.reports.clone())));
    let (connected, is_connected) = watch::channel(true);
    let (listed, is_listed) = watch::channel(false);
    let (triggers, triggered) = mpsc::channel(TRIGGERS);
    let reports = Reports { book, connected: is_connected, listed: is_listed };
    let listener = Listener {
        bus,
        reports: reports.clone(),
        connected,
        listed,
        away: metrics.nats_away.clone(),
        pending: BTreeSet::new(),
        started: Instant::now(),
        last_connected: Instant::now(),
        last_lazy: Instant::now(),
    };
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.requested() => {}
            () = listener.run(triggers) => {}
        }
    });
    (reports, triggered)
}

impl Reports {
    /// Nothing is held of streams that are not kept.
    pub fn keep(&self, stream: &StreamName) {
        self.book().keep(stream);
    }

    /// The stream is gone.
    pub fn forget(&self, stream: &StreamName) {
        self.book().forget(stream);
    }

    #[must_use]
    pub fn of(&self, stream: &StreamName) -> StreamReports {
        self.book().of(stream)
    }

    /// Whether NATS is reachable; a blip does not count.
    #[must_use]
    pub fn connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Returns when every report there is has been heard once; after five seconds in any case.
    pub async fn listed(&self) {
        // The sender ends with the process.
        let _ = self.listed.clone().wait_for(|listed| *listed).await;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Listener {
    bus: Bus,
    reports: Reports,
    connected: watch::Sender<bool>,
    listed: watch::Sender<bool>,
    away: Gauge,
    pending: BTreeSet<StreamName>,
    started: Instant,
    last_connected: Instant,
    last_lazy: Instant,
}

impl Listener {
    async fn run(mut self, triggers: mpsc::Sender<StreamName>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard: BoxStream<'static, Heard> = futures::stream::pending().boxed();
        let mut is_hearing = false;
        loop {
            tokio::select! {
                permit = triggers.reserve(), if !self.pending.is_empty() => {
                    let Ok(permit) = permit else { return };
                    if let Some(stream) = self.pending.pop_first() {
                        permit.send(stream);
                    }
                }
                Some(heard) = heard.next() => self.handle(heard),
                _ = ticks.tick() => {
                    if !is_hearing && self.bus.is_connected() {
                        match self.bus.hear_reports(None).await {
                            Ok(reports) => (heard, is_hearing) = (reports, true),
                            Err(error) => tracing::debug!(%error, "hearing reports"),
                        }
                    }
                    self.handle_tick();
                }
            }
        }
    }

    fn handle(&mut self, heard: Heard) {
        match heard {
            Heard::Complete => self.list_is_complete(),
            heard => self.pending.extend(self.reports.book().handle(heard)),
        }
    }

    fn handle_tick(&mut self) {
        let now = Instant::now();
        if self.bus.is_connected() {
            self.last_connected = now;
        }
        let connected = now - self.last_connected < AWAY_AFTER;
        if self.connected.send_if_modified(|known| std::mem::replace(known, connected) != connected) {
            tracing::warn!(connected, "NATS");
            self.away.set(i64::from(!connected));
            self.pending.extend(self.reports.book().streams());
        }
        if now - self.last_lazy >= LAZY_INTERVAL {
            self.last_lazy = now;
            self.pending.extend(self.reports.book().take_lazy());
        }
        if now - self.started >= LISTED_AT_LATEST {
            self.list_is_complete();
        }
    }

    fn list_is_complete(&self) {
        self.listed.send_if_modified(|listed| !std::mem::replace(listed, true));
    }
}

/// When a report was made.
pub(crate) fn time_of(unix_us: u64) -> Timestamp {
    i64::try_from(unix_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}
