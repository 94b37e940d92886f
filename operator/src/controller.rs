//! The one task that owns what is known, and decides which stream is looked at when.
//!
//! Everything comes to it as a message; reconciliations run beside it, bounded in number, and report back. It reads no
//! clock: time comes in, so that tests bring their own.

mod observation;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bus::Bus;
use crds::LiveStream;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use kube::{Client, runtime::watcher::Event};
use proto::StreamName;
use telemetry::prometheus_client::metrics::gauge::Gauge;

use crate::{
    addresses::parse_annotation,
    apply::Failure,
    autoscaling::Scaler,
    changes::behind_service,
    context::Context,
    memory::Memory,
    metrics::Metrics,
    observe::Observed,
    outage::{Outage, Turn},
    ports::HostPorts,
    probe::{Probed, Target},
    queue::Queue,
    reconcile::{Job, Report, reconcile, tell_unreadable},
    reports::Reports,
    stores::{Stores, Watched},
};

/// Several changes of a stream's children that come together are looked at together.
const DEBOUNCE: SignedDuration = SignedDuration::from_millis(20);
/// A watch that does not show the operator's own write within this is not waited for any longer.
const ECHO_TIMEOUT: SignedDuration = SignedDuration::from_secs(5);
const FIRST_RETRY: SignedDuration = SignedDuration::from_millis(200);
const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(30);
/// Each request has a shorter timeout of its own.
const JOB_TIMEOUT: Duration = Duration::from_secs(60);

pub struct Operator {
    context: Arc<Context>,
    stores: Stores,
    queue: Queue,
    outage: Outage,
    known: HashMap<StreamName, Known>,
    scaler: Scaler,
    ports: HostPorts,
    /// `None`: nobody reports, and trainers stay as they are.
    reports: Option<Reports>,
    jobs: FuturesUnordered<BoxFuture<'static, Finished>>,
    targets: VecDeque<Target>,
    /// Before it leads it only looks.
    leads: bool,
}

/// What is known of a stream besides what the watches show.
#[derive(Debug)]
struct Known {
    uid: String,
    memory: Memory,
    /// What the probe last said, of the pod with this UID.
    probed: Option<(String, bool)>,
    /// The pod that is probed, by its UID, and its addresses.
    target: Option<(String, String)>,
    /// Ordinals of the trainers that were last decided to exist. One of them that goes is replaced under its name; one
    /// that was decided to go keeps its name until it is gone.
    trainers: BTreeSet<u32>,
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
            outage: Outage::default(),
            known: HashMap::new(),
            jobs: FuturesUnordered::new(),
            targets: VecDeque::new(),
            leads: false,
        }
    }

    pub(crate) fn bus(&self) -> Option<Bus> {
        self.context.bus.clone()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.context.metrics
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
        if let Watched::Stream(Event::Apply((name, stream)) | Event::InitApply((name, stream))) = &watched {
            self.meet(name, &stream.uid, was_complete, now);
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

    /// A stream that may be new.
    fn meet(&mut self, name: &StreamName, uid: &str, is_news: bool, now: Timestamp) {
        if let Some(reports) = &self.reports {
            reports.keep(name);
        }
        let known = self.known.entry(name.clone()).or_insert_with(|| Known::new(uid, now));
        // How long pods took that were there before is not known.
        known.complete |= !is_news;
    }

    /// The probe of a media-node's pod was answered, or not.
    pub fn handle_probed(&mut self, probed: Probed, now: Timestamp) {
        if let Some(known) = self.known.get_mut(&probed.stream) {
            known.probed = Some((probed.pod_uid, probed.reachable));
            self.queue.schedule(&probed.stream, now);
        }
    }

    /// A stream has something new that no watch shows.
    pub fn handle_trigger(&mut self, stream: &StreamName, now: Timestamp) {
        self.queue.schedule(stream, now);
    }

    /// When there may be something to do without anything coming in.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        if !self.outage.is_over() {
            return self.outage.ask_at();
        }
        self.queue.next_due().filter(|_| self.acts() && self.has_room())
    }

    /// Begins what is due, as much as may run at the same time.
    pub fn start_due(&mut self, now: Timestamp) {
        if self.outage.take_question(now) {
            let client = self.context.client.clone();
            self.jobs.push(Box::pin(async move { Finished(Done::Asked(ask(client).await)) }));
        }
        while self.acts() && self.outage.is_over() && self.has_room() {
            let Some(stream) = self.queue.next(now) else { return };
            match self.next_course(&stream, now) {
                Some(course) => self.jobs.push(Box::pin(run_job(self.context.clone(), stream, course))),
                None => self.queue.done(&stream),
            }
        }
    }

    /// The next reconciliation that ends; never while none runs.
    pub async fn next_finished(&mut self) -> Finished {
        match self.jobs.next().await {
            Some(finished) => finished,
            None => std::future::pending().await,
        }
    }

    /// Takes in what came of a reconciliation, or of the question whether the API server is there.
    pub fn handle_finished(&mut self, Finished(done): Finished, now: Timestamp) {
        match done {
            Done::Reconciled(stream, report) => self.handle_reconciled(&stream, *report, now),
            Done::Asked(answer) => self.handle_answer(answer, now),
        }
    }

    fn handle_answer(&mut self, answer: kube::Result<()>, now: Timestamp) {
        match (self.outage.handle_answer(answer.is_ok(), now), answer) {
            (Some(Turn::Begins), Err(error)) => {
                tracing::warn!(error = %Chain(&error), "the API server does not answer: everything rests until it does");
            }
            (Some(Turn::Ends), _) => tracing::info!("the API server answers again"),
            _ => {}
        }
        self.context.metrics.api_server_away.set(i64::from(!self.outage.is_over()));
    }

    fn handle_reconciled(&mut self, stream: &StreamName, report: Result<Report, Broken>, now: Timestamp) {
        self.queue.done(stream);
        let metrics = self.context.metrics.clone();
        let (failure, reason, is_silence) = match report {
            Ok(report) => {
                let Some(failure) = self.handle_report(stream, report, now) else { return };
                (Chain(&failure).to_string(), failure.reason(), failure.is_silence())
            }
            Err(broken) => (broken.to_string(), "Broken".to_owned(), matches!(broken, Broken::TimedOut)),
        };
        if is_silence && !self.outage.is_over() {
            tracing::debug!(%stream, error = failure, "reconciling");
        } else {
            tracing::warn!(%stream, error = failure, "reconciling");
        }
        if is_silence {
            self.outage.suspect(now);
        }
        metrics.errors_by_reason.get_or_create(&[("reason", reason)]).inc();
        let Some(known) = self.known.get_mut(stream) else { return };
        let delay = retry_delay(known.failures);
        known.failures += 1;
        self.queue.schedule(stream, now + delay);
    }

    fn handle_report(&mut self, stream: &StreamName, report: Report, now: Timestamp) -> Option<Failure> {
        for watched in report.corrections {
            self.handle_watched(watched, now);
        }
        let known = self.known.get_mut(stream)?;
        if known.memory.written != report.memory.written {
            known.echo_due_at = Some(now + ECHO_TIMEOUT);
        }
        known.memory = report.memory;
        if report.complete && !known.complete {
            known.complete = true;
            let took = now.duration_since(known.first_seen_at);
            self.context.metrics.pods_created_seconds.observe(took.as_secs_f64());
        }
        if report.failure.is_none() {
            known.failures = 0;
        }
        if let Some(at) = report.again_at {
            self.queue.schedule(stream, at);
        }
        report.failure
    }

    /// What is to be probed otherwise than before.
    pub fn next_target(&mut self) -> Option<Target> {
        self.targets.pop_front()
    }

    /// How many streams there are, how they are, and how many of them are due.
    pub fn measure(&self, now: Timestamp) {
        let metrics = &self.context.metrics;
        let set = |gauge: &Gauge, count: usize| gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        set(&metrics.streams, self.stores.streams.iter().count());
        set(&metrics.unreadable_streams, self.stores.unreadable.iter().count());
        let standings = || self.known.values().map(|known| known.memory.standing);
        set(&metrics.ready_streams, standings().filter(|standing| standing.is_ready).count());
        set(&metrics.stalled_streams, standings().filter(|standing| standing.is_stalled).count());
        set(&metrics.queue_depth, self.queue.depth(now));
    }

    /// Does all that is due by `now`, and what follows from it without waiting. For tests that bring their own time.
    pub async fn run_until_idle(&mut self, now: Timestamp) {
        loop {
            self.start_due(now);
            if self.jobs.is_empty() {
                return;
            }
            let finished = self.next_finished().await;
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

    fn has_room(&self) -> bool {
        self.jobs.len() < self.context.options.concurrency
    }

    fn make_all_due(&mut self, now: Timestamp) {
        if !self.acts() {
            return;
        }
        let readable = self.stores.streams.iter().map(|(stream, _)| stream);
        let streams = readable.chain(self.stores.unreadable.iter().map(|(stream, _)| stream));
        let streams: BTreeSet<StreamName> = streams.cloned().collect();
        self.recall(now);
        for stream in &streams {
            self.queue.schedule(stream, now);
        }
    }

    /// What is done for a stream that is due; `None`: nothing for now.
    fn next_course(&mut self, name: &StreamName, now: Timestamp) -> Option<BoxFuture<'static, Report>> {
        let context = self.context.clone();
        let Some(unread) = self.stores.unreadable.first_of(name).cloned() else {
            let job = self.prepare(name, now)?;
            return Some(Box::pin(async move { reconcile(&context, job).await }));
        };
        let borne = self.borne_ports(name);
        self.ports.seen(name, &borne, now);
        let uid = unread.metadata.uid.as_deref().unwrap_or_default();
        let memory = self.known.entry(name.clone()).or_insert_with(|| Known::new(uid, now)).memory.clone();
        let name = name.clone();
        Some(Box::pin(async move { tell_unreadable(&context, &name, &unread, memory, now).await }))
    }

    /// `None`: nothing to do for now.
    fn prepare(&mut self, name: &StreamName, now: Timestamp) -> Option<Job> {
        let Some(stream) = self.stores.streams.first_of(name).map(|packed| packed.open()) else {
            self.forget(name, now);
            return None;
        };
        let uid = stream.metadata.uid.as_deref().unwrap_or_default();
        if self.known.get(name).is_some_and(|known| known.uid != uid) {
            // An earlier stream of this name.
            self.known.remove(name);
        }
        let known = self.known.entry(name.clone()).or_insert_with(|| Known::new(uid, now));
        if let Some(due_at) = known.echo_due_at {
            let echoed = known.memory.written.iter().all(|(kind, version)| self.stores.progress(*kind) >= *version);
            if !echoed && now < due_at {
                self.queue.schedule(name, due_at);
                return None;
            }
            known.echo_due_at = None;
        }
        let observed = self.observe(name, &stream, now);
        self.aim(name, &stream, &observed);
        for other in self.scaler.take_triggered() {
            self.queue.schedule(&other, now);
        }
        let pods_only = self.queue.is_longer_than(self.context.options.concurrency, now);
        Some(Job { name: name.clone(), stream: stream.into(), observed, pods_only, now })
    }

    /// The stream is gone.
    fn forget(&mut self, name: &StreamName, now: Timestamp) {
        if let Some(known) = self.known.remove(name) {
            self.targets.extend(known.target.map(|(pod_uid, _)| Target {
                stream: name.clone(),
                pod_uid,
                addresses: Vec::new(),
            }));
        }
        self.ports.release(name, now);
        self.scaler.forget(name, now);
        if let Some(reports) = &self.reports {
            reports.forget(name);
        }
    }

    /// Has the addresses of a media-node's pod probed, once it was told them.
    fn aim(&mut self, name: &StreamName, stream: &LiveStream, observed: &Observed) {
        let pod = observed.media_node_to_probe(behind_service(stream));
        let target = pod.map(|pod| (pod.meta.uid.clone(), pod.advertised.clone()));
        let Some(known) = self.known.get_mut(name).filter(|known| known.target != target) else { return };
        if let Some((pod_uid, _)) = known.target.take() {
            self.targets.push_back(Target { stream: name.clone(), pod_uid, addresses: Vec::new() });
        }
        if let Some((pod_uid, advertised)) = &target {
            let addresses = parse_annotation(advertised);
            self.targets.push_back(Target { stream: name.clone(), pod_uid: pod_uid.clone(), addresses });
        }
        known.target = target;
    }
}

/// What was begun has come to its end; to be handed to [`Operator::handle_finished`].
#[derive(Debug)]
pub struct Finished(Done);

#[derive(Debug)]
enum Done {
    Reconciled(StreamName, Box<Result<Report, Broken>>),
    /// Whether the API server is there.
    Asked(kube::Result<()>),
}

/// A reconciliation that did not come to its end. What it did is seen by the watches.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it took longer than {} s", JOB_TIMEOUT.as_secs())]
    TimedOut,
    #[error("it panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

/// One stream that goes wrong harms no other.
async fn run_job(context: Arc<Context>, stream: StreamName, course: BoxFuture<'static, Report>) -> Finished {
    context.metrics.reconciles.inc();
    let began = Instant::now();
    let report = match tokio::spawn(tokio::time::timeout(JOB_TIMEOUT, course)).await {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(_)) => Err(Broken::TimedOut),
        Err(error) => Err(Broken::Panicked(error)),
    };
    context.metrics.reconcile_seconds.observe(began.elapsed().as_secs_f64());
    Finished(Done::Reconciled(stream, Box::new(report)))
}

/// Whether the API server is there, and has its storage: it says so, or anything else of its own.
async fn ask(client: Client) -> kube::Result<()> {
    let question = http::Request::get("/readyz").body(Vec::new()).map_err(kube::Error::HttpError)?;
    match client.request_text(question).await {
        Err(kube::Error::Api(status)) if status.code < 500 => Ok(()),
        answer => answer.map(drop),
    }
}

impl Known {
    fn new(uid: &str, now: Timestamp) -> Self {
        Self {
            uid: uid.to_owned(),
            memory: Memory::default(),
            probed: None,
            target: None,
            trainers: BTreeSet::new(),
            first_seen_at: now,
            complete: false,
            failures: 0,
            echo_due_at: None,
        }
    }
}

/// Each failure waits twice as long as the one before.
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
