//! What a decision is made from. Everything is here: two equal inputs after equal pasts give equal decisions.

use crds::{AutoscalingMode, LiveStreamSpec};
use jiff::Timestamp;
use proto::v1::{MediaNodeReport, TrainerReport, trainer_report::State};
use serde::{Deserialize, Serialize};

/// One stream, at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingInputs {
    pub now: Timestamp,
    pub spec: ScalingSpec,
    /// False: what is below may be old, and nothing is concluded from it.
    pub bus_reachable: bool,
    /// `None`: the media-node that runs now has not reported.
    pub media_node: Option<MediaNodeInput>,
    /// One for each trainer pod there is.
    pub trainers: Vec<TrainerInput>,
}

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingSpec {
    pub paused: bool,
    pub enabled: bool,
    pub mode: AutoscalingMode,
    /// Obeyed in the modes `Fixed` and `External`.
    pub replicas: Option<u32>,
    pub min_replicas: u32,
    pub max_replicas: u32,
    /// Of the cluster's budget, when it is short.
    pub weight: u32,
    pub idle_timeout_seconds: u32,
    /// What a trainer takes of the budget: a resource by name…
    pub resource: String,
    /// …and how many of it.
    pub cost: u32,
}

/// The newest report of the media-node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaNodeInput {
    pub publishing: bool,
    /// No publisher since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    pub withdrawn: bool,
    /// `None`: nobody has measured it in the last minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_millidecibels: Option<i32>,
    /// 0, too, while too little is known.
    pub gain_slope_millidecibels_per_second: i32,
    pub scene_changes: u64,
    pub patches_per_second: u32,
    /// Patches that no trainer has taken.
    pub backlog: u64,
}

/// One trainer pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainerInput {
    pub ordinal: u32,
    pub ready: bool,
    /// It has been told to go.
    pub terminating: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<TrainerState>,
}

/// The newest report of a trainer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainerState {
    pub activity: Activity,
    pub steps_per_second: u32,
    /// Patches and offers it would lose.
    pub in_flight: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Activity {
    Draining,
    /// Its gain has saturated.
    Suspended,
    /// For patches.
    Waiting,
    Training,
}

/// The budget's name of trainers without an accelerator.
pub const CPU: &str = "cpu";

impl ScalingSpec {
    /// `resource` and `cost`: what a trainer of this stream takes now ([`CPU`] and 1 while it does without the
    /// accelerator it asks for).
    #[must_use]
    pub fn of(spec: &LiveStreamSpec, resource: String, cost: u32) -> Self {
        let autoscaling = &spec.training.autoscaling;
        Self {
            paused: spec.paused,
            enabled: spec.training.enabled,
            mode: autoscaling.mode,
            replicas: spec.training.replicas,
            min_replicas: autoscaling.min_replicas,
            max_replicas: autoscaling.max_replicas,
            weight: autoscaling.weight,
            idle_timeout_seconds: spec.ingest.idle_timeout_seconds,
            resource,
            cost,
        }
    }
}

impl From<&MediaNodeReport> for MediaNodeInput {
    fn from(report: &MediaNodeReport) -> Self {
        let idle_since = i64::try_from(report.idle_since_unix_us).ok().filter(|since| *since > 0);
        Self {
            publishing: report.publishing,
            idle_since: idle_since.and_then(|since| Timestamp::from_microsecond(since).ok()),
            withdrawn: report.withdrawn,
            gain_millidecibels: report.gain_known.then_some(report.gain_millidecibels),
            gain_slope_millidecibels_per_second: report.gain_slope_millidecibels_per_second,
            scene_changes: report.scene_changes,
            patches_per_second: report.train_patches_per_second,
            backlog: report.backlog,
        }
    }
}

impl From<&TrainerReport> for TrainerState {
    fn from(report: &TrainerReport) -> Self {
        let activity = match report.state() {
            State::Training => Activity::Training,
            State::Suspended => Activity::Suspended,
            State::Draining => Activity::Draining,
            State::Waiting | State::Unspecified => Activity::Waiting,
        };
        Self { activity, steps_per_second: report.steps_per_second, in_flight: report.in_flight }
    }
}
