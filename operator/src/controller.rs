//! The one task that owns what is known, and decides which stream is looked at when.
//!
//! Everything comes to it as a message; reconciliations run beside it, bounded in number, and report back. It reads no
//! clock: time comes in, so that tests bring their own.

mod observation;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use kube::runtime::watcher::Event;
use proto::StreamName;

use crate::{
    autoscaling::Scaler,
    context::Context,
    memory::Memory,
    ports::HostPorts,
    queue::Queue,
    reconcile::{Job, Report, reconcile},
    reports::Reports,
    stores::{Stores, Watched},
};

/// Several changes of a stream's children that come together are looked at together.
const DEBOUNCE: SignedDuration = SignedDuration::from_millis(20);
/// A watch that does not show the operator's own write within this is not waited for any longer.
const ECHO_TIMEOUT: SignedDuration = SignedDuration::from_secs(5);
const FIRST_RETRY: SignedDuration = SignedDuration::from_millis(200);
const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(30);

pub struct Operator {
    context: Arc<Context>,
    stores: Stores,
    queue: Queue,
    known: HashMap<StreamName, Known>,
    scaler: Scaler,
    ports: HostPorts,
    /// `None`: nobody reports, and trainers stay as they are.
    reports: Option<Reports>,
    jobs: FuturesUnordered<BoxFuture<'static, Report>>,
    /// Before it leads it only looks.
    leads: bool,
}

/// What is known of a stream besides what the watches show.
#[derive(Debug)]
struct Known {
    memory: Memory,
    /// What the probe last said, of the pod with this UID.
    probed: Option<(String, bool)>,
    first_seen_at: Timestamp,
    /// Its pods were all there once.
    complete: bool,
    /// Failures in a row.
    failures: u32,
    /// Its own writes are waited for until then.
    echo_due_at: Option<Timestamp>,
}

impl Operator {
    #[must_use]
    pub fn new(context: Context) -> Self {
        let (first_port, last_port) = context.options.host_ports;
        Self {
            scaler: Scaler::new(context.options.trainer_budget.clone()),
            ports: HostPorts::new(first_port, last_port),
            reports: None,
            context: Arc::new(context),
            stores: Stores::default(),
            queue: Queue::default(),
            known: HashMap::new(),
            jobs: FuturesUnordered::new(),
            leads: false,
        }
    }

    /// From now on it goes by what pods report.
    pub fn hear(&mut self, reports: Reports) {
        for (stream, _) in self.stores.streams.iter() {
            reports.keep(stream);
        }
        self.reports = Some(reports);
    }

    /// From now on it acts.
    pub fn lead(&mut self, now: Timestamp) {
        self.leads = true;
        self.make_all_due(now);
    }

    /// Takes in what a watch shows.
    pub fn handle_watched(&mut self, watched: Watched, now: Timestamp) {
        let was_complete = self.stores.are_complete();
        let at = if matches!(watched, Watched::Stream(_)) { now } else { now + DEBOUNCE };
        if let (Watched::Stream(Event::Apply((stream, _)) | Event::InitApply((stream, _))), Some(reports)) =
            (&watched, &self.reports)
        {
            reports.keep(stream);
        }
        for stream in self.stores.handle(watched) {
            if was_complete {
                self.queue.schedule(&stream, at);
            }
        }
        if !was_complete && self.stores.are_complete() {
            self.make_all_due(now);
        }
    }

    /// The probe of a media-node's pod was answered, or not.
    pub fn handle_probed(&mut self, stream: &StreamName, pod_uid: String, reachable: bool, now: Timestamp) {
        if let Some(known) = self.known.get_mut(stream) {
            known.probed = Some((pod_uid, reachable));
            self.queue.schedule(stream, now);
        }
    }

    /// A stream has something new that no watch shows.
    pub fn handle_trigger(&mut self, stream: &StreamName, now: Timestamp) {
        self.queue.schedule(stream, now);
    }

    /// When there may be something to do without anything coming in.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.next_due().filter(|_| self.acts())
    }

    /// Begins what is due, as much as may run at the same time.
    pub fn start_due(&mut self, now: Timestamp) {
        while self.acts() && self.jobs.len() < self.context.options.concurrency {
            let Some(stream) = self.queue.next(now) else { break };
            match self.prepare(&stream, now) {
                Some(job) => {
                    let context = self.context.clone();
                    context.metrics.reconciles.inc();
                    self.jobs.push(Box::pin(async move {
                        match tokio::spawn(async move { reconcile(&context, job).await }).await {
                            Ok(report) => report,
                            Err(error) => std::panic::resume_unwind(error.into_panic()),
                        }
                    }));
                }
                None => self.queue.done(&stream),
            }
        }
        let depth = i64::try_from(self.queue.depth(now)).unwrap_or(i64::MAX);
        self.context.metrics.queue_depth.set(depth);
    }

    /// The next reconciliation that ends; never while none runs.
    pub async fn next_report(&mut self) -> Finished {
        match self.jobs.next().await {
            Some(report) => Finished(report),
            None => std::future::pending().await,
        }
    }

    /// Takes in what came of a reconciliation.
    pub fn handle_finished(&mut self, Finished(report): Finished, now: Timestamp) {
        let Report { name, memory, corrections, again_at, failure, complete } = report;
        self.queue.done(&name);
        for watched in corrections {
            self.handle_watched(watched, now);
        }
        let Some(known) = self.known.get_mut(&name) else { return };
        let wrote = known.memory.written != memory.written;
        known.memory = memory;
        if wrote {
            known.echo_due_at = Some(now + ECHO_TIMEOUT);
        }
        if complete && !known.complete {
            known.complete = true;
            let took = now.duration_since(known.first_seen_at);
            self.context.metrics.pods_created_seconds.observe(took.as_secs_f64());
        }
        match &failure {
            None => known.failures = 0,
            Some(failure) => {
                tracing::warn!(stream = %name, error = %Chain(failure), "reconciling");
                self.context.metrics.errors_by_reason.get_or_create(&[("reason", failure.reason())]).inc();
                let delay = retry_delay(known.failures);
                known.failures += 1;
                self.queue.schedule(&name, now + delay);
            }
        }
        if let Some(at) = again_at {
            self.queue.schedule(&name, at);
        }
    }

    /// Does all that is due by `now`, and what follows from it without waiting. For tests that bring their own time.
    pub async fn run_until_idle(&mut self, now: Timestamp) {
        loop {
            self.start_due(now);
            if self.jobs.is_empty() {
                return;
            }
            let finished = self.next_report().await;
            self.handle_finished(finished, now);
        }
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Everything there is has been seen once.
    #[must_use]
    pub fn has_seen_all(&self) -> bool {
        self.stores.are_complete()
    }

    fn acts(&self) -> bool {
        self.leads && self.stores.are_complete()
    }

    fn make_all_due(&mut self, now: Timestamp) {
        if !self.acts() {
            return;
        }
        let streams: BTreeSet<StreamName> = self.stores.streams.iter().map(|(stream, _)| stream.clone()).collect();
        self.recall(now);
        for stream in &streams {
            self.queue.schedule(stream, now);
        }
    }

    /// `None`: nothing to do for now.
    fn prepare(&mut self, name: &StreamName, now: Timestamp) -> Option<Job> {
        let Some(stream) = self.stores.streams.first_of(name).cloned() else {
            self.known.remove(name);
            self.ports.release(name, now);
            self.scaler.forget(name, now);
            if let Some(reports) = &self.reports {
                reports.forget(name);
            }
            return None;
        };
        let known = self.known.entry(name.clone()).or_insert_with(|| Known::new(now));
        if let Some(due_at) = known.echo_due_at {
            let echoed = known.memory.written.iter().all(|(kind, version)| self.stores.progress(*kind) >= *version);
            if !echoed && now < due_at {
                self.queue.schedule(name, due_at);
                return None;
            }
            known.echo_due_at = None;
        }
        let observed = self.observe(name, &stream, now);
        for other in self.scaler.take_triggered() {
            self.queue.schedule(&other, now);
        }
        Some(Job { name: name.clone(), stream, observed, now })
    }
}

/// What came of a reconciliation; to be handed to [`Operator::handle_finished`].
pub struct Finished(Report);

impl Known {
    fn new(now: Timestamp) -> Self {
        Self {
            memory: Memory::default(),
            probed: None,
            first_seen_at: now,
            complete: false,
            failures: 0,
            echo_due_at: None,
        }
    }
}

/// With a bit of the time, so that many that failed together do not come again together.
fn retry_delay(failures: u32) -> SignedDuration {
    (FIRST_RETRY * (1 << failures.min(10))).min(LONGEST_RETRY)
}

/// An error with its causes.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
