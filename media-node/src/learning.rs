//! The learning half of a media-node: pairs patches with frames, hands pairs to the trainers, judges what they offer,
//! watches what is live.
//!
//! ```text
//! relay ── access units, patches ──▶ pairer (child) ── pairs ──▶ registry ──▶ status, events, PatchControl
//!                                                        │          ▲ │
//!                                                 bus ◀──┘   offers │ └──▶ live checkpoint
//!                                                  └──▶ trainers ───┘            └──▶ enhancer
//! ```
//!
//! Nothing here makes the relay wait: it drops what does not fit.

mod admission;
mod budget;
mod control;
mod desk;
mod gain;
mod general;
mod guard;
mod judge;
mod measuring;
mod metrics;
mod outbox;
mod pair;
mod pairer;
mod registry;
mod report;
mod service;
mod store;
#[cfg(test)]
mod testing;
pub mod wire;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bus::Bus;
use proto::{
    MAX_GRPC_MESSAGE_BYTES, StreamName,
    status::{LearningStatus, StreamEvent, StreamStatus},
    v1::{Checkpoint, checkpoint_service_server::CheckpointServiceServer},
};
use settings::{PatchSettings, Unjudged};
use sr_net::{Network, Weights};
use telemetry::{Metrics, Shutdown, prometheus_client::metrics::counter::Counter};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
};

pub(crate) use self::desk::unix_us;
pub use self::service::CheckpointRegistry;
use self::{
    admission::Admission,
    control::Control,
    desk::Desk,
    measuring::measure_pairs,
    metrics::StatusCollector,
    outbox::{Outbox, Outgoing},
    pair::Pair,
    pairer::{Ended, Pairer},
    registry::Registry,
    store::Store,
    wire::{DropReason, FromPairerKind, Paired, ReceivedPatch},
};
use crate::{
    bridge::{FromRelay, ToRelay},
    moving::Stages,
};

const TICK: Duration = Duration::from_millis(100);
/// Pairs on their way to be measured; there they are taken at once.
const MEASURED_AT_ONCE: usize = 64;

/// What the learning half works with.
#[derive(Debug)]
pub struct LearningOptions {
    pub stream: StreamName,
    pub scale: u32,
    pub network: Network,
    pub patches: PatchSettings,
    /// Of `network`.
    pub general: Option<Arc<Weights>>,
    pub unjudged: Unjudged,
    /// `None`: nothing is learned, the gain is still measured.
    pub bus: Option<Bus>,
    /// How this pod is named in reports.
    pub pod: String,
    /// For the reports.
    pub stream_status: watch::Receiver<StreamStatus>,
    pub metrics: Metrics,
    pub stages: Stages,
    pub shutdown: Shutdown,
    /// `None`: `patch-pairer` beside this program, else on PATH.
    pub pairer_program: Option<PathBuf>,
}

/// What the rest of the media-node sees of it.
#[derive(Debug)]
pub struct Learning {
    /// Takes messages of up to [`MAX_GRPC_MESSAGE_BYTES`].
    pub service: CheckpointServiceServer<CheckpointRegistry>,
    pub status: watch::Receiver<LearningStatus>,
    /// Others may send their events here too.
    pub events: broadcast::Sender<StreamEvent>,
    /// The checkpoint in use, withdrawn or not.
    pub live: watch::Receiver<Option<Arc<Checkpoint>>>,
    /// LR width and height of the source as last decoded; 0: unknown.
    pub source_size: watch::Receiver<(u32, u32)>,
    /// Of the media-node before.
    pub heir: Heir,
    /// What is still to be done after the shutdown: pairs on their way to the trainers, the report taken back.
    pub last_words: JoinSet<()>,
}

/// Starts the learning half; it ends with `options.shutdown`, or when the relay drops its ends.
pub fn spawn(
    options: LearningOptions,
    from_relay: mpsc::Receiver<FromRelay>,
    to_relay: mpsc::Sender<ToRelay>,
) -> Learning {
    let LearningOptions {
        stream,
        scale,
        network,
        patches,
        general,
        unjudged,
        bus,
        pod,
        stream_status,
        metrics,
        stages,
        shutdown,
        pairer_program,
    } = options;
    let general = general.map(|weights| general::checkpoint(&stream, weights));
    let desk = Desk::new(Registry::new(general, unjudged));
    let collector = Box::new(StatusCollector(desk.status()));
    let unmeasured = Counter::default();
    {
        let mut metrics = metrics.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        metrics.register_collector(collector);
        let help = "Pairs that no weights were measured on, because that is too slow";
        metrics.register("pairs_unmeasured", help, unmeasured.clone());
    }

    let mut last_words = JoinSet::new();
    let store = bus.clone().map(|bus| Store::new(bus, stream.clone()));
    let heir = Heir { desk: desk.clone(), store: store.clone(), network };
    if let Some(store) = store.clone() {
        let desk = desk.clone();
        spawn_until(&shutdown, async move { store.load(&desk, network).await });
    }
    if let Some(bus) = bus.clone() {
        last_words.spawn(report::report(bus, stream.clone(), pod, stream_status, shutdown.clone()));
    }
    let (to_measure, pairs) = mpsc::channel(MEASURED_AT_ONCE);
    spawn_until(&shutdown, measure_pairs(desk.clone(), pairs, unmeasured.clone()));

    let (source_size, source_size_receiver) = watch::channel((0, 0));
    let loop_ = Loop {
        scale,
        desk: desk.clone(),
        admission: Admission::new(scale, &patches),
        pairer: Pairer::new(pairer_program.unwrap_or_else(pairer::find_program)),
        control: Control::new(scale, patches, bus.is_some()),
        outbox: bus.map(|bus| Outbox::spawn(bus, stream.clone(), desk.clone(), &mut last_words)),
        to_measure,
        unmeasured,
        publisher: None,
        source_size,
        stream: stream.clone(),
        to_relay,
    };
    spawn_until(&shutdown, loop_.run(from_relay));

    let registry = CheckpointRegistry::new(stream, network, desk.clone(), store, stages, shutdown);
    Learning {
        service: CheckpointServiceServer::new(registry)
            .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES),
        status: desk.status(),
        events: desk.events(),
        live: desk.live(),
        source_size: source_size_receiver,
        heir,
        last_words,
    }
}

/// Takes over from the media-node before.
#[derive(Clone, Debug)]
pub struct Heir {
    desk: Desk,
    store: Option<Store>,
    network: Network,
}

impl Heir {
    /// `last`: how that one was doing when last heard of.
    pub(crate) async fn take_over(&self, last: &LearningStatus) {
        if let Some(store) = &self.store {
            store.load(&self.desk, self.network).await;
        }
        self.desk.update(|registry, _| registry.inherit(last.live_version, last.withdrawn));
    }
}

fn spawn_until(shutdown: &Shutdown, work: impl Future<Output = ()> + Send + 'static) {
    let token = shutdown.token();
    tokio::spawn(async move { token.run_until_cancelled(work).await });
}

/// The one task between the relay, the pairer and the registry.
struct Loop {
    stream: StreamName,
    scale: u32,
    desk: Desk,
    admission: Admission,
    pairer: Pairer,
    control: Control,
    outbox: Option<Outbox>,
    to_measure: mpsc::Sender<Arc<Pair>>,
    unmeasured: Counter,
    /// The session that said hello on the patch channel.
    publisher: Option<String>,
    source_size: watch::Sender<(u32, u32)>,
    to_relay: mpsc::Sender<ToRelay>,
}

impl Loop {
    async fn run(mut self, mut from_relay: mpsc::Receiver<FromRelay>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let clock = self.desk.clone();
        loop {
            tokio::select! {
                message = from_relay.recv() => match message {
                    Some(message) => self.handle_relay(message),
                    None => return,
                },
                answer = self.pairer.next_answer(|| clock.now()) => self.handle_pairer(answer),
                _ = ticks.tick() => self.handle_tick(),
            }
        }
    }

    fn handle_relay(&mut self, message: FromRelay) {
        match message {
            FromRelay::SessionStarted { .. } => self.pairer.handle_frames_lost(),
            FromRelay::SessionEnded { session } => {
                self.publisher.take_if(|publisher| *publisher == session);
            }
            FromRelay::FramesLost => self.pairer.handle_frames_lost(),
            FromRelay::AccessUnit { stream_time, keyframe, data, .. } => {
                self.desk.update(|registry, now| registry.handle_frame(now));
                self.pairer.handle_access_unit(stream_time, keyframe, data);
            }
            FromRelay::Hello { session, hello } => {
                self.publisher = Some(session);
                self.admission.handle_hello(hello);
                self.control.forget();
                self.handle_tick();
            }
            FromRelay::Patch { session, stream_time, captured_at_unix_us, patch } => {
                self.desk.update(|registry, _| registry.count_received());
                let now = self.desk.now();
                let taken = self.admission.admit(now, &patch).and_then(|()| {
                    self.control.handle_patch(now, patch.luma.len());
                    let patch = ReceivedPatch {
                        session,
                        stream_time,
                        captured_at_unix_us,
                        scale: self.scale,
                        patch: Some(patch),
                    };
                    self.pairer.handle_patch(now, patch)
                });
                match taken {
                    Ok(false) => {}
                    Ok(true) => {
                        self.desk.update(|registry, _| registry.handle_pairer_started());
                        self.handle_tick();
                    }
                    Err(reason) => self.drop_patch(reason),
                }
            }
            FromRelay::PatchRefused { reason } => {
                self.desk.update(|registry, _| registry.count_received());
                self.drop_patch(reason);
            }
        }
    }

    fn handle_pairer(&mut self, answer: Result<FromPairerKind, Ended>) {
        match answer {
            Ok(FromPairerKind::Pair(paired)) => self.handle_pair(paired),
            Ok(FromPairerKind::Dropped(dropped)) => {
                let reason = DropReason::try_from(dropped.reason).unwrap_or(DropReason::Unspecified);
                self.drop_patch(reason.as_str());
            }
            Ok(FromPairerKind::KeyframeWanted(_)) => self.handle_tick(),
            Err(Ended { reason }) => self.desk.update(|registry, _| registry.count_pairer_died(reason)),
        }
    }

    fn handle_pair(&mut self, paired: Paired) {
        let Paired { patch, sequence, scene, frame_width, frame_height } = paired;
        let Some((pair, mut patch)) = patch.and_then(|patch| Some((Arc::new(Pair::new(&patch)?), patch))) else {
            return self.drop_patch("pairer_malformed");
        };
        self.desk.update(|registry, now| registry.handle_pair(now, Arc::clone(&pair), scene));
        if self.to_measure.try_send(pair).is_err() {
            self.unmeasured.inc();
        }
        self.source_size.send_if_modified(|size| {
            std::mem::replace(size, (frame_width, frame_height)) != (frame_width, frame_height)
        });
        patch.stream = Some(self.stream.to_id());
        let session = patch.publisher_session.clone();
        if let Some(Err(reason)) =
            self.outbox.as_ref().map(|outbox| outbox.send(Outgoing { session, sequence, patch: Arc::new(patch) }))
        {
            self.drop_patch(reason);
        }
    }

    fn handle_tick(&mut self) {
        let now = self.desk.now();
        if self.pairer.handle_tick(now) {
            self.tell_relay(ToRelay::KeyframeWanted);
        }
        if self.publisher.is_some() {
            let (status, advantage_db) =
                self.desk.update(|registry, now| (registry.status(now), registry.advantage_db()));
            if let Some(advantage_db) = advantage_db {
                self.control.handle_advantage(now, advantage_db);
            }
            if let Some(control) = self.control.next_control(now, &status) {
                self.tell_relay(ToRelay::PatchControl(control));
            }
        }
    }

    /// The relay's inbox is bounded too; both kinds of messages are said again.
    fn tell_relay(&self, message: ToRelay) {
        if let Err(error) = self.to_relay.try_send(message) {
            tracing::debug!(%error, "the relay does not listen");
        }
    }

    fn drop_patch(&self, reason: &'static str) {
        self.desk.update(|registry, _| registry.count_dropped(reason));
    }
}
