//! What a stream knows of its weights: which are live, how good they are on fresh pairs, what came before. A plain
//! value; time comes in as an argument.

use std::{sync::Arc, time::Duration};

use proto::{
    status::{LearningStatus, StreamEventKind},
    v1::{Checkpoint, Measurement, rejected::Reason},
};
use settings::Unjudged;
use sr_net::Weights;

use super::{
    gain::GainWindow,
    guard::{Errors, GuardChange, LiveGuard, Shown},
    judge::{self, LEAST_PAIRS, MOST_PAIRS, Refusal},
    pair::{Pair, RecentPair, RecentPairs},
    wire::SCENE_DISTANCE,
};

/// Video without a pair for so long: nobody judges what its viewers see.
const UNJUDGED: Duration = Duration::from_secs(10);
/// Without a frame for so long, there is no video.
const PAUSE: Duration = Duration::from_secs(2);

/// The version of the general weights; those of the stream's trainers count up from the next.
pub(crate) const GENERAL_VERSION: u64 = 1;

/// A checkpoint that can be in use.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) checkpoint: Arc<Checkpoint>,
    pub(crate) weights: Arc<Weights>,
}

/// What watchers are told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LiveState {
    pub(crate) checkpoint: Option<Arc<Checkpoint>>,
    /// Why it is not in use now.
    pub(crate) withdrawn: Option<String>,
}

/// What an offer is measured on, and beside.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    /// Newest first.
    pub(crate) pairs: Vec<RecentPair>,
    /// While it is in use.
    pub(crate) live: Option<Live>,
}

#[derive(Debug, Default)]
pub(crate) struct Registry {
    pairs: RecentPairs,
    guard: LiveGuard,
    gain: GainWindow,
    /// The newest that this pairer has counted.
    scene: Option<u64>,
    /// Of the newest pair, also of a pairer before.
    phash: Option<u64>,
    general: Option<Live>,
    /// The newest that was accepted, or the pinned one.
    own: Option<Live>,
    /// Why bicubic takes the place of weights.
    withdrawn: Option<String>,
    /// Since when there are frames and no pairs.
    unjudged_since: Duration,
    last_frame: Option<Duration>,
    pinned: Option<u64>,
    /// `None` until the stored checkpoints are known.
    next_version: Option<u64>,
    /// The counters of the status; its measures are filled in when it is asked for.
    counts: LearningStatus,
    events: Vec<StreamEventKind>,
}

impl Registry {
    pub(crate) fn new(general: Option<Live>, unjudged: Unjudged) -> Self {
        Self { guard: LiveGuard::new(general.is_some(), unjudged), general, ..Self::default() }
    }

    /// Takes up what other lives of the registry left: the newest version ever given, and the newest checkpoint that
    /// still fits.
    pub(crate) fn handle_stored(&mut self, newest_version: u64, live: Option<Live>) {
        let next = newest_version.max(GENERAL_VERSION) + 1;
        self.next_version = self.next_version.max(Some(next));
        if let Some(live) = live
            && self.own_version() < Some(live.checkpoint.version)
        {
            self.put_own(live);
        }
    }

    /// Shows what the media-node before showed: what it found out of these weights holds until there are pairs.
    pub(crate) fn inherit(&mut self, live_version: u64, withdrawn: bool) {
        let shown = match live_version {
            _ if withdrawn => Shown::Bicubic,
            GENERAL_VERSION if self.general.is_some() => Shown::General,
            version if Some(version) == self.own_version() => Shown::Own,
            _ => return,
        };
        self.guard.inherit(shown);
        self.withdrawn = withdrawn.then(|| "so judged the media-node before".to_owned());
    }

    /// The version that the next accepted offer gets; `None` while that is not known.
    pub(crate) fn version_to_come(&self) -> Option<u64> {
        self.next_version
    }

    /// Whether versions can be given.
    pub(crate) fn is_open(&self) -> bool {
        self.next_version.is_some()
    }

    /// What is in use, or was before it was withdrawn.
    pub(crate) fn live(&self) -> Option<Live> {
        match self.guard.shown() {
            Shown::Own => self.own.clone(),
            Shown::General => self.general.clone(),
            Shown::Bicubic if self.withdrawn.is_some() => self.own.clone().or_else(|| self.general.clone()),
            Shown::Bicubic => None,
        }
    }

    pub(crate) fn find(&self, version: u64) -> Option<Live> {
        self.at_hand().into_iter().find(|one| one.checkpoint.version == version)
    }

    /// All that can be in use without an offer.
    pub(crate) fn at_hand(&self) -> Vec<Live> {
        let general = self.general.iter().filter(|_| self.own_version() != Some(GENERAL_VERSION));
        general.chain(&self.own).cloned().collect()
    }

    pub(crate) fn live_state(&self) -> LiveState {
        LiveState { checkpoint: self.live().map(|live| live.checkpoint), withdrawn: self.withdrawn.clone() }
    }

    /// A frame of the source came.
    pub(crate) fn handle_frame(&mut self, now: Duration) {
        if self.last_frame.replace(now).is_none_or(|last| now.saturating_sub(last) >= PAUSE) {
            self.unjudged_since = now;
        }
        if now.saturating_sub(self.unjudged_since) >= UNJUDGED
            && let Some(change) = self.guard.handle_unjudged(now)
        {
            self.handle_guard(&change, &format!("no fresh patches for {} s to judge it by", UNJUDGED.as_secs()));
        }
    }

    pub(crate) fn handle_pair(&mut self, now: Duration, pair: Arc<Pair>, scene: u64) {
        self.counts.patches_accepted += 1;
        let is_another = match (self.scene, self.phash.replace(pair.phash)) {
            (Some(before), _) => scene > before,
            (None, before) => before.is_some_and(|before| sr_net::hamming(before, pair.phash) >= SCENE_DISTANCE),
        };
        self.scene = self.scene.max(Some(scene));
        self.pairs.push(now, pair);
        if is_another {
            self.counts.scene_changes += 1;
            self.guard.forget();
            self.events.push(StreamEventKind::SceneChange);
        }
    }

    /// `measured`: the versions that were at hand, and their mean squared errors.
    pub(crate) fn handle_measured(&mut self, now: Duration, pair: &Arc<Pair>, measured: &[(u64, f64)]) {
        self.unjudged_since = now;
        self.pairs.remember_measured(pair, measured);
        let mse = |version| measured.iter().find(|(known, _)| Some(*known) == version).map(|(_, mse)| *mse);
        let bicubic = pair.planes.bicubic_mse();
        let errors = Errors { bicubic, general: mse(Some(GENERAL_VERSION)), own: mse(self.own_version()) };
        if let Some(change) = self.guard.handle_measured(now, errors) {
            let gain_db = change.gain_db.unwrap_or_default();
            self.handle_guard(&change, &format!("{gain_db:+.2} dB against bicubic on fresh patches"));
        }
        if pair.random {
            let shown = match self.guard.shown() {
                Shown::Bicubic => None,
                Shown::General => errors.general,
                Shown::Own => errors.own,
            };
            self.gain.push(now, bicubic, shown.unwrap_or(bicubic));
        }
    }

    fn handle_guard(&mut self, change: &GuardChange, reason: &str) {
        let version = |shown| match shown {
            Shown::Bicubic => None,
            Shown::General => Some(GENERAL_VERSION),
            Shown::Own => self.own_version(),
        };
        let (from, to) = (version(change.from), version(change.to));
        self.withdrawn = to.is_none().then(|| reason.to_owned());
        if change.to == Shown::Own || change.from == Shown::Bicubic {
            self.events.extend(to.map(|version| StreamEventKind::Restored { version }));
        } else if let Some(version) = from {
            let instead = if to.is_some() { ": the general weights instead" } else { "" };
            self.counts.checkpoints_withdrawn += 1;
            self.events.push(StreamEventKind::Withdrawn { version, reason: format!("{reason}{instead}") });
        }
    }

    /// What to measure an offer on that was trained on patches up to `trained_through` (stream time).
    pub(crate) fn start_judgement(&mut self, now: Duration, trained_through: u64) -> Result<Judgement, Refusal> {
        self.check_pin()?;
        let pairs = self.pairs.newer_than(now, trained_through, MOST_PAIRS);
        if pairs.len() < LEAST_PAIRS {
            let detail =
                format!("{} patches are newer than its training, at least {LEAST_PAIRS} are needed", pairs.len());
            return Err(Refusal::new(Reason::TooFewPatches, detail));
        }
        Ok(Judgement { pairs, live: self.live().filter(|_| self.withdrawn.is_none()) })
    }

    /// The version of an offer that measured well enough. It is given once, whether the offer is then stored or not.
    pub(crate) fn next_version(&mut self, judgement: &Judgement, measured: &Measurement) -> Result<u64, Refusal> {
        self.check_pin()?;
        judge::decide(measured, judgement.live.is_some() && self.withdrawn.is_none())?;
        let version = self.next_version.expect("offers are taken once the stored versions are known");
        self.next_version = Some(version + 1);
        Ok(version)
    }

    fn check_pin(&self) -> Result<(), Refusal> {
        self.pinned.map_or(Ok(()), |version| Err(Refusal::new(Reason::Pinned, format!("version {version} is pinned"))))
    }

    /// Stored and accepted: live from now on.
    pub(crate) fn accept(&mut self, live: Live) {
        let gain_db = live.checkpoint.measured.as_ref().map_or(0.0, judge::gain_db);
        self.counts.checkpoints_accepted += 1;
        self.events.push(StreamEventKind::CheckpointAccepted { version: live.checkpoint.version, gain_db });
        self.put_own(live);
    }

    pub(crate) fn pin(&mut self, live: Live) {
        self.pinned = Some(live.checkpoint.version);
        if self.guard.shown() != Shown::Own || Some(live.checkpoint.version) != self.own_version() {
            self.put_own(live);
        }
    }

    pub(crate) fn unpin(&mut self) {
        self.pinned = None;
    }

    pub(crate) fn pinned(&self) -> Option<u64> {
        self.pinned
    }

    fn put_own(&mut self, own: Live) {
        if self.guard.shown() == Shown::Bicubic && self.withdrawn.is_none() {
            self.gain.clear();
        }
        self.guard.show_own();
        self.withdrawn = None;
        self.own = Some(own);
    }

    fn own_version(&self) -> Option<u64> {
        self.own.as_ref().map(|own| own.checkpoint.version)
    }

    pub(crate) fn count_offer(&mut self) {
        self.counts.checkpoints_offered += 1;
    }

    pub(crate) fn count_refusal(&mut self, refusal: &Refusal) {
        *self.counts.checkpoints_rejected_by_reason.entry(refusal.name().to_owned()).or_default() += 1;
        let (reason, detail) = (refusal.name().to_owned(), refusal.detail.clone());
        self.events.push(StreamEventKind::CheckpointRejected { reason, detail });
    }

    pub(crate) fn count_received(&mut self) {
        self.counts.patches_received += 1;
    }

    pub(crate) fn count_dropped(&mut self, reason: &'static str) {
        *self.counts.patches_dropped_by_reason.entry(reason.to_owned()).or_default() += 1;
    }

    pub(crate) fn handle_pairer_started(&mut self) {
        self.scene = None;
        self.events.push(StreamEventKind::PairerStarted);
    }

    pub(crate) fn count_pairer_died(&mut self, reason: String) {
        self.counts.pairer_deaths += 1;
        self.events.push(StreamEventKind::PairerDied { reason });
    }

    pub(crate) fn set_backlog(&mut self, patches: u64) {
        self.counts.patches_waiting = patches;
    }

    /// By how much the stream's own weights are better than what there is without them, on fresh pairs.
    pub(crate) fn advantage_db(&self) -> Option<f64> {
        self.guard.advantage_db()
    }

    pub(crate) fn status(&mut self, now: Duration) -> LearningStatus {
        let gain = self.gain.gain(now);
        LearningStatus {
            live_version: self.live().map_or(0, |live| live.checkpoint.version),
            withdrawn: self.withdrawn.is_some(),
            gain_db: gain.map(|gain| gain.gain_db()),
            gain_slope_db_per_second: gain.and_then(|gain| gain.slope_db_per_second),
            bicubic_psnr_db: gain.map(|gain| gain.bicubic_psnr_db),
            enhanced_psnr_db: gain.map(|gain| gain.shown_psnr_db),
            ..self.counts.clone()
        }
    }

    pub(crate) fn take_events(&mut self) -> Vec<StreamEventKind> {
        std::mem::take(&mut self.events)
    }
}

#[cfg(test)]
mod tests;
