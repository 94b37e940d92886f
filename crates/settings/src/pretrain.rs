//! Settings of a trainer that runs offline.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{LossKind, NetworkSettings};

/// How general weights are trained.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainSettings {
    /// How much larger the enhanced picture is
    #[arg(long, id = "scale", value_name = "2|3|4", default_value_t = 2)]
    pub scale: u32,
    #[command(flatten)]
    pub network: NetworkSettings,
    /// Training steps in all
    #[arg(long, id = "steps", value_name = "N", default_value_t = 6000)]
    pub steps: u64,
    /// End the training after so many seconds instead: not the same weights on every machine
    #[arg(long, id = "seconds", value_name = "SECONDS", conflicts_with = "steps")]
    pub seconds: Option<f64>,
    /// Patches in one step
    #[arg(long, id = "batch", value_name = "N", default_value_t = 16)]
    pub batch: u32,
    /// Adam's step size at the beginning; it falls to nothing along a cosine
    #[arg(long, id = "learning_rate", value_name = "RATE", default_value_t = 1e-3)]
    pub learning_rate: f64,
    /// What a step minimises
    #[arg(long, id = "loss", value_enum, default_value_t = LossKind::SquaredError)]
    pub loss: LossKind,
    /// Seed of the random generator
    #[arg(long, id = "seed", value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// auto, cpu or cuda:N
    #[arg(long, id = "device", value_name = "auto|cpu|cuda:N", default_value = "auto")]
    pub device: String,
    /// Threads on the CPU
    #[arg(long, id = "threads", value_name = "N", default_value_t = 1)]
    pub threads: u32,
}

impl Default for PretrainSettings {
    fn default() -> Self {
        crate::load::defaults()
    }
}
