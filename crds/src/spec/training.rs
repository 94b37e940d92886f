//! How the network learns from the stream.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Accelerator;

/// How the network learns from the stream.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Training::default")]
#[x_kube(
    validation = (
        "self.autoscaling.mode != 'Operator' || !has(self.replicas)",
        "the operator decides how many trainers there are: leave replicas out and set autoscaling.minReplicas and maxReplicas, or set autoscaling.mode to Fixed or External",
    ),
    validation = (
        "self.autoscaling.mode != 'Fixed' || has(self.replicas)",
        "autoscaling.mode Fixed needs replicas: write how many trainers there are to be",
    ),
    validation = (
        "!has(self.replicas) || self.replicas <= self.autoscaling.maxReplicas",
        "replicas is more than autoscaling.maxReplicas: raise maxReplicas, or lower replicas",
    )
)]
pub struct Training {
    /// Whether it learns at all. False: no trainers; viewers see the weights there are.
    pub enabled: bool,
    /// What the publisher is asked for.
    pub patches: Patches,
    /// What each trainer computes on. Absent: the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
    /// What happens to a trainer while the cluster has no such accelerator free.
    pub on_no_accelerator: OnNoTrainerAccelerator,
    /// What training begins with.
    pub start: Start,
    /// How many trainers there are to be, in the autoscaling modes `Fixed` and `External`. `kubectl scale` and other
    /// autoscalers write it; until they have, `External` means `autoscaling.minReplicas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 16))]
    pub replicas: Option<u32>,
    /// Who decides how many trainers there are.
    pub autoscaling: Autoscaling,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            enabled: true,
            patches: Patches::default(),
            accelerator: None,
            on_no_accelerator: OnNoTrainerAccelerator::default(),
            start: Start::default(),
            replicas: None,
            autoscaling: Autoscaling::default(),
        }
    }
}

/// What the publisher is asked for: pieces of the picture before it was scaled down, beside the video.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Patches::default")]
pub struct Patches {
    /// The most patches a second.
    #[schemars(range(min = 1, max = 120))]
    pub per_second: u32,
    /// Side of a patch, in pixels of the enhanced picture: a multiple of twice `enhancement.scale`.
    #[schemars(range(min = 16, max = 512))]
    pub size_pixels: u32,
    /// The most kbit/s of patches.
    #[schemars(range(min = 10, max = 10_000))]
    pub max_kbps: u32,
}

impl Default for Patches {
    fn default() -> Self {
        Self { per_second: 20, size_pixels: 96, max_kbps: 400 }
    }
}

#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnNoTrainerAccelerator {
    /// A stand-in trains on the CPU until one is free.
    Cpu,
    /// Its pod waits for one, where a cluster autoscaler sees it; viewers see the weights there are.
    #[default]
    Wait,
}

#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// What this stream has learned already, else the general weights.
    #[default]
    Stream,
    /// The general weights, which were trained on other videos.
    General,
    /// Nothing: exact bicubic.
    None,
}

/// Who decides how many trainers there are, and within which bounds.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Autoscaling::default")]
#[x_kube(validation = (
    "self.minReplicas <= self.maxReplicas",
    "minReplicas is more than maxReplicas: raise maxReplicas, or lower minReplicas",
))]
pub struct Autoscaling {
    /// Who decides.
    pub mode: AutoscalingMode,
    /// The fewest trainers, also while nobody publishes (mode `Operator`).
    #[schemars(range(min = 0, max = 16))]
    pub min_replicas: u32,
    /// The most trainers, in every mode.
    #[schemars(range(min = 1, max = 16))]
    pub max_replicas: u32,
    /// This stream's share of the cluster's trainers, against the weights of others, when there are not enough.
    #[schemars(range(min = 1, max = 100))]
    pub weight: u32,
}

impl Default for Autoscaling {
    fn default() -> Self {
        Self { mode: AutoscalingMode::default(), min_replicas: 0, max_replicas: 2, weight: 10 }
    }
}

#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutoscalingMode {
    /// The operator, from waiting patches and what training still gains.
    #[default]
    Operator,
    /// You, with `training.replicas`.
    Fixed,
    /// Another autoscaler, which writes `training.replicas` through the scale subresource.
    External,
}
