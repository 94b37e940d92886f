//! The learning itself: one loop on its own thread that drives the buffer, the schedule and the learner.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use proto::{StreamName, v1, v1::Checkpoint};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use settings::{LossKind, TrainerSettings};
use sha2::{Digest, Sha256};
use sr_model::{Device, Learner, Loss};
use sr_net::{Network, Precision, Weights};
use telemetry::Shutdown;
use tokio::sync::{mpsc, watch};

use crate::{
    exam,
    example::{Example, PatchId},
    losses::Losses,
    metrics::Metrics,
    offers::{Answer, Live, Offer},
    replay::{Dated, Replay},
    reporter::Progress,
    saturation::{EPOCHS_COMPARED, Saturation},
    schedule::{Next, Schedule},
    start::Start,
    state,
    tile::TileShape,
};

/// What reaches the learning thread.
#[derive(Debug)]
pub(crate) enum Heard {
    Patch(Arc<Example>),
    Answer(Answer),
}

/// What leaves it; of each only the newest matters.
pub(crate) struct Outlets {
    pub(crate) offers: watch::Sender<Option<Arc<Offer>>>,
    pub(crate) states: watch::Sender<Option<Bytes>>,
    pub(crate) progress: watch::Sender<Progress>,
}

pub(crate) struct Learning {
    stream: StreamName,
    trainer_id: String,
    settings: TrainerSettings,
    device: Device,
    precision: sr_model::Precision,
    learner: Learner,
    tiles: TileShape,
    replay: Replay<Arc<Example>>,
    schedule: Schedule,
    saturation: Saturation,
    random: StdRng,
    metrics: Metrics,
    /// What the trainer believes to be live.
    live: Option<Live>,
    general: Option<Arc<Weights>>,
    losses: Losses,
    /// Weights of up to [`EPOCHS_COMPARED`] epochs ago, with their age in epochs.
    anchor: Option<(u32, Arc<Weights>)>,
    progress: Progress,
    steps_since_offer: u64,
}

/// The judge asks for this much over bicubic.
const LEAST_GAIN_DB: f64 = 0.02;
/// A checkpoint is worth sending when it beats the live one by this much.
const LEAST_RISE_DB: f64 = 0.01;
/// Weights that are so much worse than others at hand have lost.
const LOSS_DB: f64 = 0.05;
/// Fewer fresh patches judge nothing, more take long.
const FRESH_PATCHES: std::ops::RangeInclusive<usize> = 4..=16;
const STATE_INTERVAL: Duration = Duration::from_secs(10);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Taken from the inbox before the next step.
const HEARD_AT_ONCE: usize = 64;

impl Dated for Arc<Example> {
    type Id = PatchId;

    fn id(&self) -> PatchId {
        self.id.clone()
    }

    fn stream_time(&self) -> u64 {
        self.id.stream_time
    }
}

impl Learning {
    pub(crate) fn new(
        settings: TrainerSettings,
        stream: StreamName,
        trainer_id: String,
        network: Network,
        (device, precision): (Device, sr_model::Precision),
        start: Start,
        metrics: Metrics,
    ) -> Self {
        let seed = if settings.seed == 0 { rand::random() } else { settings.seed };
        let learner = start.learner(network, seed, device).with_precision(precision);
        let progress = Progress { step: learner.step(), ..Progress::default() };
        Self {
            replay: Replay::new(settings.buffer_patches as usize, settings.recency_half_life_seconds),
            schedule: Schedule::new(&settings, Duration::ZERO),
            tiles: TileShape::new(network),
            saturation: Saturation::default(),
            random: StdRng::seed_from_u64(seed),
            live: start.live,
            general: start.general,
            losses: Losses::default(),
            anchor: None,
            steps_since_offer: 0,
            stream,
            trainer_id,
            settings,
            device,
            precision,
            learner,
            metrics,
            progress,
        }
    }

    /// Learns until the end is asked for, and hands out its last state.
    pub(crate) fn run(mut self, mut inbox: mpsc::Receiver<Heard>, outlets: &Outlets, shutdown: &Shutdown) {
        tch::set_num_threads(i32::try_from(self.settings.threads.max(1)).unwrap_or(1));
        let start = Instant::now();
        let (mut state_at, mut progress_at) = (STATE_INTERVAL, Duration::ZERO);
        let mut stored_step = self.learner.step();
        while !shutdown.is_requested() {
            for heard in std::iter::from_fn(|| inbox.try_recv().ok()).take(HEARD_AT_ONCE) {
                self.hear(start.elapsed(), heard);
            }
            match self.next(start.elapsed()) {
                Next::Step => self.step(),
                Next::EpochEnd => {
                    if let Some(offer) = self.end_epoch() {
                        outlets.offers.send_replace(Some(Arc::new(offer)));
                    }
                }
                Next::Wait(duration) => thread::sleep(duration),
            }
            if start.elapsed() >= progress_at {
                progress_at = start.elapsed() + PROGRESS_INTERVAL;
                outlets.progress.send_replace(self.progress_now());
            }
            if start.elapsed() >= state_at {
                state_at = start.elapsed() + STATE_INTERVAL;
                // A network that began again counts from zero.
                if self.learner.step() != stored_step {
                    stored_step = self.learner.step();
                    outlets.states.send_replace(Some(state::encode(&self.learner.state())));
                }
            }
        }
        outlets.progress.send_replace(Progress { draining: true, ..self.progress_now() });
        outlets.states.send_replace(Some(state::encode(&self.learner.state())));
    }

    fn next(&mut self, now: Duration) -> Next {
        let admitted = self.replay.admit(now);
        self.schedule.patches_admitted(admitted, self.replay.len());
        let work = !self.saturation.is_suspended() && self.schedule.has_work(self.replay.len());
        self.schedule.next(now, work)
    }

    pub(crate) fn hear(&mut self, now: Duration, heard: Heard) {
        match heard {
            Heard::Patch(example) => {
                let phash = example.phash;
                if self.replay.receive(now, example) {
                    self.metrics.patches.inc();
                    if self.saturation.frame_seen(phash) {
                        tracing::debug!("another scene");
                    }
                }
            }
            Heard::Answer(Answer::Accepted { version, offer }) => {
                self.progress.last_accepted_version = version;
                self.losses.handle_accepted();
                self.live = Some(Live { version, weights: offer.weights.clone() });
            }
            Heard::Answer(Answer::BelowLive { live }) => {
                let adopt = self.losses.handle_below_live(live.is_some());
                if live.is_some() {
                    self.live = live;
                }
                if adopt {
                    let live = self.live.as_ref().map(|live| Arc::clone(&live.weights));
                    self.begin_again("it keeps losing against the live checkpoint", live);
                }
            }
            Heard::Answer(Answer::Rejected) => {}
        }
    }

    fn step(&mut self) {
        let examples = self.replay.draw(self.settings.batch.max(1) as usize, &mut self.random);
        let batch = self.tiles.batch(examples.into_iter().map(AsRef::as_ref), &mut self.random);
        let loss = self.learner.train(&batch, loss_of(self.settings.loss), self.settings.learning_rate);
        self.metrics.steps.inc();
        self.steps_since_offer += 1;
        if !loss.is_finite() {
            self.reset("the loss is not finite");
        }
    }

    /// Measures the weights as they would be published, and offers them when they got better.
    pub(crate) fn end_epoch(&mut self) -> Option<Offer> {
        let bytes: Bytes = self.learner.weights().to_safetensors(Precision::F16).into();
        let weights = match Weights::from_safetensors(&bytes, self.learner.network()) {
            Ok(weights) => Arc::new(weights),
            Err(error) => {
                self.reset(&error.to_string());
                return None;
            }
        };
        let fresh: Vec<Arc<Example>> = self.replay.fresh().take(*FRESH_PATCHES.end()).cloned().collect();
        if fresh.len() < *FRESH_PATCHES.start() {
            return None;
        }
        let candidate_db = exam::psnr_db(Some(&weights), &fresh);
        let gain_db = candidate_db - exam::psnr_db(None, &fresh);
        self.metrics.gain_db.set(gain_db);
        self.saturation.gain_measured(gain_db);
        if self.steps_since_offer > 0 {
            self.compare_with_anchor(&weights, candidate_db, &fresh);
        }
        let live_db = self.live.as_ref().map(|live| exam::psnr_db(Some(&live.weights), &fresh));
        if self.give_up(candidate_db, live_db, &fresh) {
            return None;
        }
        let better = live_db.is_none_or(|live_db| candidate_db >= live_db + LEAST_RISE_DB);
        if self.steps_since_offer == 0 || gain_db < LEAST_GAIN_DB || !better {
            return None;
        }
        let claimed = exam::measure(&weights, self.live.as_ref().map(|live| live.weights.as_ref()), &fresh);
        self.steps_since_offer = 0;
        Some(Offer { checkpoint: self.checkpoint(bytes, claimed), weights })
    }

    /// Goes on from the live or the general weights when these have been better for some epochs: what was learnt since
    /// fits patches that are gone.
    fn give_up(&mut self, candidate_db: f64, live_db: Option<f64>, fresh: &[Arc<Example>]) -> bool {
        let live = self.live.as_ref().zip(live_db).map(|(live, db)| (Arc::clone(&live.weights), db));
        let general = self.general.clone().map(|general| {
            let db = exam::psnr_db(Some(&general), fresh);
            (general, db)
        });
        let best = live.into_iter().chain(general).max_by(|(_, a), (_, b)| a.total_cmp(b));
        let Some((better, _)) = best.filter(|(_, db)| *db > candidate_db + LOSS_DB) else {
            self.losses.handle_epoch_won();
            return false;
        };
        let adopt = self.losses.handle_epoch_lost();
        if adopt {
            self.begin_again("older weights are better", Some(better));
        }
        adopt
    }

    /// Every few epochs: whether the weights still rise. On the same patches, so that what is shown does not matter.
    fn compare_with_anchor(&mut self, weights: &Arc<Weights>, candidate_db: f64, fresh: &[Arc<Example>]) {
        self.anchor = match self.anchor.take() {
            Some((age, anchor)) if age < EPOCHS_COMPARED => Some((age + 1, anchor)),
            Some((_, anchor)) => {
                self.saturation.rise_measured(candidate_db - exam::psnr_db(Some(&anchor), fresh));
                Some((1, weights.clone()))
            }
            None => Some((1, weights.clone())),
        };
    }

    fn checkpoint(&self, safetensors: Bytes, claimed: v1::Measurement) -> Checkpoint {
        Checkpoint {
            stream: Some(self.stream.to_id()),
            parent: self.live.as_ref().map_or(0, |live| live.version),
            network: Some(self.learner.network().to_proto()),
            sha256: Sha256::digest(&safetensors).to_vec().into(),
            safetensors,
            claimed: Some(claimed),
            trainer_id: self.trainer_id.clone(),
            trained_through_stream_time: self.replay.trained_through(),
            ..Checkpoint::default()
        }
    }

    /// What is not finite never heals.
    fn reset(&mut self, reason: &str) {
        self.metrics.resets.inc();
        let live = self.live.as_ref().map(|live| Arc::clone(&live.weights));
        self.begin_again(reason, live.or_else(|| self.general.clone()));
    }

    /// From bicubic when there are no weights.
    fn begin_again(&mut self, reason: &str, weights: Option<Arc<Weights>>) {
        tracing::warn!(reason, step = self.learner.step(), "starting the network again");
        let start = Start { weights, ..Start::default() };
        let learner = start.learner(self.learner.network(), self.random.random(), self.device);
        self.learner = learner.with_precision(self.precision);
        self.anchor = None;
        self.steps_since_offer = 0;
    }

    fn progress_now(&mut self) -> Progress {
        self.metrics.examples.set(self.replay.len() as i64);
        self.metrics.suspended.set(self.saturation.is_suspended().into());
        self.progress.step = self.learner.step();
        self.progress.suspended = self.saturation.is_suspended();
        self.progress.training = self.schedule.has_work(self.replay.len());
        self.progress.clone()
    }
}

pub(crate) fn loss_of(kind: LossKind) -> Loss {
    match kind {
        LossKind::SquaredError => Loss::SquaredError,
        LossKind::AbsoluteError => Loss::AbsoluteError,
        LossKind::Charbonnier => Loss::Charbonnier,
    }
}

#[cfg(test)]
mod tests;
