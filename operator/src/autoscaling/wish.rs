//! How many trainers one stream wishes for, whatever others wish.
//!
//! ```text
//!             patches wait                too few steps, or backlog (15 s apart)
//!       0 ───────────────────▶ 1 ──────────────────────────────────────────▶ 2 … max
//!       ▲   scene, gain fell   │ ◀────────────────────────────────────────── │
//!       │                      │        flat, or enough steps, for 60 s      │
//!       └──────────────────────┴─────────────────────────────────────────────┘
//!          saturated (3 s … 96 s), nobody publishes (idle timeout), no patches (60 s), paused (at once)
//! ```

use crds::{
    AutoscalingMode,
    conditions::{ScalingActive, ScalingLimited},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    inputs::{Activity, MediaNodeInput, ScalingInputs, TrainerInput, TrainerState},
    reason, timing,
};

/// The past decision, and what of the past the next one needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    pub(super) trainers: u32,
    /// Of the last change, or of what holds since.
    #[serde(with = "reason")]
    pub(super) reason: ScalingActive,
    /// The stream wished for more than it got.
    pub(super) limited: bool,
    /// More training would find nothing more, until something changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plateau: Option<Plateau>,
    /// At the last look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scene_changes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raised_at: Option<Timestamp>,
    /// The last rise from none, and how many came close to each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) risen_at: Option<Timestamp>,
    pub(super) rises: u32,
    /// There are more trainers than there should be since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shrinking_since: Option<Timestamp>,
    pub(super) windows: Windows,
}

/// The stream as it was when its trainers found nothing more; unknown after a restart of the operator, until the next
/// report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plateau {
    gain_millidecibels: Option<i32>,
    scene_changes: Option<u64>,
    withdrawn: bool,
}

/// Since when each holds without a break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Windows {
    #[serde(skip_serializing_if = "Option::is_none")]
    silent: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_patches: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saturated: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fewer: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    pub(super) trainers: u32,
    pub(super) reason: ScalingActive,
    pub(super) limit: Option<ScalingLimited>,
    /// The past, brought up to now except for what depends on the decision.
    pub(super) memory: Memory,
    /// Time alone changes the wish then.
    pub(super) again_at: Option<Timestamp>,
}

#[must_use]
pub(super) fn next_wish(past: &Memory, inputs: &ScalingInputs) -> Wish {
    let memory = Memory { windows: Windows::default(), ..past.clone() };
    let mut rules = Rules { past, inputs, next: memory, again_at: None };
    let (wanted, reason) = rules.wanted();
    let spec = &inputs.spec;
    let least = if spec.obeys_minimum() { spec.min_replicas } else { 0 };
    let trainers = wanted.max(least).min(spec.max_replicas);
    let limit = match trainers {
        _ if wanted > trainers => Some(ScalingLimited::MaxReplicas),
        _ if wanted < trainers => Some(ScalingLimited::MinReplicas),
        _ => None,
    };
    Wish { trainers, reason, limit, memory: rules.next, again_at: rules.again_at }
}

impl super::inputs::ScalingSpec {
    fn obeys_minimum(&self) -> bool {
        !self.paused && self.enabled && self.mode == AutoscalingMode::Operator
    }
}

impl Default for Memory {
    /// Of a stream that is new.
    fn default() -> Self {
        Self {
            trainers: 0,
            reason: ScalingActive::Steady,
            limited: false,
            plateau: None,
            scene_changes: None,
            raised_at: None,
            risen_at: None,
            rises: 0,
            shrinking_since: None,
            windows: Windows::default(),
        }
    }
}

impl Memory {
    /// What is left of it after a restart of the operator: how many trainers there are, and why.
    pub(super) fn recalled(trainers: u32, reason: Option<ScalingActive>) -> Self {
        let has_plateau = matches!(reason, Some(ScalingActive::Saturated | ScalingActive::GainFlat));
        Self {
            trainers,
            reason: reason.unwrap_or(ScalingActive::Steady),
            plateau: has_plateau.then(Plateau::default),
            rises: trainers.min(1),
            ..Self::default()
        }
    }

    /// How long a saturated trainer is held.
    fn saturated_hold(&self) -> SignedDuration {
        timing::SATURATED_HOLD * (1 << self.rises.saturating_sub(1).min(timing::MOST_DOUBLINGS))
    }

    /// Takes note of a decision that is a change.
    pub(super) fn change_to(&mut self, trainers: u32, now: Timestamp) {
        if trainers > self.trainers {
            self.raised_at = Some(now);
        }
        if self.trainers == 0 {
            let rest = self.risen_at.map_or(SignedDuration::MAX, |last| now.duration_since(last));
            let forgiven = u32::try_from(rest.as_secs() / timing::FORGIVEN_AFTER.as_secs()).unwrap_or(0);
            self.rises = (self.rises.saturating_sub(forgiven) + 1).min(timing::MOST_DOUBLINGS + 1);
            self.risen_at = Some(now);
        }
        self.trainers = trainers;
    }
}

struct Rules<'a> {
    past: &'a Memory,
    inputs: &'a ScalingInputs,
    next: Memory,
    again_at: Option<Timestamp>,
}

/// How many, and which rule says so. [`ScalingActive::Steady`] leaves it at what it is.
type Ruling = (u32, ScalingActive);

impl Rules<'_> {
    fn wanted(&mut self) -> Ruling {
        let spec = &self.inputs.spec;
        let named = spec.replicas.unwrap_or(spec.min_replicas);
        let by_others = match spec.mode {
            _ if spec.paused => Some((0, ScalingActive::Paused)),
            _ if !spec.enabled => Some((0, ScalingActive::TrainingDisabled)),
            AutoscalingMode::Fixed => Some((named, ScalingActive::Fixed)),
            AutoscalingMode::External => Some((named, ScalingActive::External)),
            AutoscalingMode::Operator => None,
        };
        if let Some(ruling) = by_others {
            self.next.plateau = None;
            return ruling;
        }
        match &self.inputs.media_node {
            _ if !self.inputs.bus_reachable => self.keep(ScalingActive::BusUnreachable),
            None => self.unheard(),
            Some(media_node) if !media_node.publishing => self.unpublished(media_node),
            Some(media_node) => self.published(media_node),
        }
    }

    fn keep(&self, reason: ScalingActive) -> Ruling {
        (self.past.trainers, reason)
    }

    fn unheard(&mut self) -> Ruling {
        let silent = self.past.windows.silent;
        match self.has_lasted(silent, self.idle_timeout(), |windows| &mut windows.silent) {
            true => (0, ScalingActive::NobodyPublishes),
            false => self.keep(ScalingActive::NoReport),
        }
    }

    fn unpublished(&mut self, media_node: &MediaNodeInput) -> Ruling {
        let silent = media_node.idle_since.or(self.past.windows.silent);
        if self.has_lasted(silent, self.idle_timeout(), |windows| &mut windows.silent) {
            self.next.plateau = None;
            return (0, ScalingActive::NobodyPublishes);
        }
        self.keep(ScalingActive::Steady)
    }

    fn published(&mut self, media_node: &MediaNodeInput) -> Ruling {
        let is_new_scene = self.past.scene_changes.is_some_and(|seen| media_node.scene_changes > seen);
        self.next.scene_changes = Some(media_node.scene_changes);
        let end_of_plateau = self.follow_plateau(media_node);

        if media_node.patches_per_second == 0 && media_node.backlog == 0 {
            let since = self.past.windows.no_patches;
            let ended = self.has_lasted(since, timing::NO_PATCHES_WINDOW, |windows| &mut windows.no_patches);
            return if ended { (0, ScalingActive::NoPatches) } else { self.keep(ScalingActive::Steady) };
        }
        let trainers = self.past.trainers;
        if trainers == 0 {
            return match self.next.plateau {
                Some(_) => (0, ScalingActive::Saturated),
                None => (1, end_of_plateau.unwrap_or(ScalingActive::PatchesWait)),
            };
        }
        // A new scene is none of what the trainers have not yet said a word about.
        let past = if is_new_scene { Windows::default() } else { self.past.windows };
        if self.are_all_suspended() {
            let hold = self.past.saturated_hold();
            if self.has_lasted(past.saturated, hold, |windows| &mut windows.saturated) {
                self.next.plateau = Some(Plateau::of(media_node));
                return (0, ScalingActive::Saturated);
            }
            return self.keep(ScalingActive::Steady);
        }
        if let Some(reason) = self.why_fewer(media_node)
            && self.has_lasted(past.fewer, timing::LOWER_WINDOW, |windows| &mut windows.fewer)
        {
            self.next.windows.fewer = None;
            if reason == ScalingActive::GainFlat {
                self.next.plateau = Some(Plateau::of(media_node));
            }
            return (trainers - 1, reason);
        }
        if self.next.plateau.is_none()
            && let Some(reason) = self.why_more(media_node)
        {
            let raised_at = self.past.raised_at.unwrap_or(Timestamp::UNIX_EPOCH);
            if self.is_over(raised_at, timing::RAISE_INTERVAL) {
                return (trainers + 1, reason);
            }
        }
        self.keep(ScalingActive::Steady)
    }

    /// Whether the plateau ends now, and why.
    fn follow_plateau(&mut self, media_node: &MediaNodeInput) -> Option<ScalingActive> {
        let plateau = self.past.plateau?;
        let now = Plateau::of(media_node);
        let scenes = plateau.scene_changes.unwrap_or(media_node.scene_changes);
        let gain = plateau.gain_millidecibels.or(media_node.gain_millidecibels);
        let falls = gain.zip(media_node.gain_millidecibels);
        let has_fallen = falls.is_some_and(|(then, now)| now <= then.saturating_sub(timing::GAIN_FALL_MILLIDECIBELS));
        let end = if media_node.scene_changes > scenes {
            Some(ScalingActive::SceneChanged)
        } else if has_fallen || media_node.withdrawn && !plateau.withdrawn {
            Some(ScalingActive::GainFell)
        } else {
            None
        };
        // A restarted media-node counts scenes from zero; weights that are back may be withdrawn once more.
        let followed = Plateau { gain_millidecibels: gain, ..now };
        self.next.plateau = if end.is_none() { Some(followed) } else { None };
        end
    }

    fn alive(&self) -> impl Iterator<Item = &TrainerInput> {
        self.inputs.trainers.iter().filter(|trainer| !trainer.terminating)
    }

    /// What ready trainers say of themselves; `None` unless all that are wished for do.
    fn working(&self) -> Option<Vec<TrainerState>> {
        let said: Option<Vec<_>> = self.alive().map(|trainer| trainer.report.filter(|_| trainer.ready)).collect();
        said.filter(|said| !said.is_empty() && said.len() >= self.past.trainers as usize)
    }

    fn are_all_suspended(&self) -> bool {
        self.working().is_some_and(|said| said.iter().all(|one| one.activity == Activity::Suspended))
    }

    /// Steps a second of all, when every one trains at a known speed.
    fn steps_per_second(&self) -> Option<u64> {
        let said = self.working()?;
        let is_busy = |one: &TrainerState| one.activity == Activity::Training && one.steps_per_second > 0;
        said.iter().all(is_busy).then(|| said.iter().map(|one| u64::from(one.steps_per_second)).sum())
    }

    fn why_fewer(&self, media_node: &MediaNodeInput) -> Option<ScalingActive> {
        let trainers = u64::from(self.past.trainers);
        if trainers < 2 {
            return None;
        }
        let is_suspended = |one: &TrainerState| one.activity == Activity::Suspended;
        if self.working().is_some_and(|said| said.iter().any(is_suspended)) {
            return Some(ScalingActive::GainFlat);
        }
        let steps = self.steps_per_second()?;
        if media_node.gain_millidecibels.is_some() && media_node.gain_slope_millidecibels_per_second == 0 {
            return Some(ScalingActive::GainFlat);
        }
        let of_the_rest = 10 * steps * (trainers - 1) / trainers;
        let enough = timing::ENOUGH_STEPS_PER_PATCH_TENTHS * u64::from(media_node.patches_per_second);
        (of_the_rest >= enough && !has_long_backlog(media_node)).then_some(ScalingActive::EnoughSteps)
    }

    fn why_more(&self, media_node: &MediaNodeInput) -> Option<ScalingActive> {
        let steps = self.steps_per_second()?;
        let patches = u64::from(media_node.patches_per_second);
        // Who is refused one more goes on wishing for it until there are clearly enough: a limit does not flicker.
        let few = match self.past.limited {
            true => timing::FEW_STEPS_WHEN_LIMITED_TENTHS,
            false => timing::FEW_STEPS_PER_PATCH_TENTHS,
        };
        if 10 * steps < few * patches {
            return Some(ScalingActive::TooFewSteps);
        }
        has_long_backlog(media_node).then_some(ScalingActive::BacklogGrows)
    }

    fn idle_timeout(&self) -> SignedDuration {
        SignedDuration::from_secs(self.inputs.spec.idle_timeout_seconds.into())
    }

    /// Whether what began at `since`, or begins now, has lasted for `length`. A clock that was set back begins it anew.
    fn has_lasted(
        &mut self,
        since: Option<Timestamp>,
        length: SignedDuration,
        window: fn(&mut Windows) -> &mut Option<Timestamp>,
    ) -> bool {
        let now = self.inputs.now;
        let since = since.unwrap_or(now).min(now);
        *window(&mut self.next.windows) = Some(since);
        self.is_over(since, length)
    }

    fn is_over(&mut self, since: Timestamp, length: SignedDuration) -> bool {
        let now = self.inputs.now;
        let end = since.saturating_add(length).unwrap_or(Timestamp::MAX);
        if now < end {
            self.again_at = Some(self.again_at.map_or(end, |at| at.min(end)));
        }
        now >= end
    }
}

fn has_long_backlog(media_node: &MediaNodeInput) -> bool {
    let patches = u64::from(media_node.patches_per_second);
    patches > 0 && media_node.backlog > timing::LONG_BACKLOG_SECONDS * patches
}

impl Plateau {
    fn of(media_node: &MediaNodeInput) -> Self {
        Self {
            gain_millidecibels: media_node.gain_millidecibels,
            scene_changes: Some(media_node.scene_changes),
            withdrawn: media_node.withdrawn,
        }
    }
}
