//! Settings of a trainer.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::NetworkSettings;

/// One trainer of a stream.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerSettings {
    /// The stream, <namespace>/<name>
    #[arg(long, id = "stream", value_name = "NAMESPACE/NAME", default_value = "default/demo")]
    pub stream: String,
    /// The media-node's internal address
    #[arg(long, id = "media_node_url", value_name = "URL", default_value = "http://127.0.0.1:9090")]
    pub media_node_url: String,
    /// File with the internal token
    #[arg(long, id = "internal_token_file", value_name = "FILE")]
    pub internal_token_file: Option<PathBuf>,
    /// NATS server
    #[arg(long, id = "nats_url", value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,
    /// File with user:password for NATS
    #[arg(long, id = "nats_credentials_file", value_name = "FILE")]
    pub nats_credentials_file: Option<PathBuf>,
    /// How much larger the enhanced picture is
    #[arg(long, id = "scale", value_name = "2|3|4", default_value_t = 2)]
    pub scale: u32,
    #[command(flatten)]
    pub network: NetworkSettings,
    /// What to begin with: the general weights, what this stream has learned already (else the general weights), or nothing
    #[arg(long, id = "start", value_enum, default_value_t = StartFrom::Stream)]
    pub start: StartFrom,
    /// General weights (safetensors) instead of those the program comes with
    #[arg(long, id = "general_weights_file", value_name = "FILE")]
    pub general_weights_file: Option<PathBuf>,
    /// auto, cpu or cuda:N
    #[arg(long, id = "device", value_name = "auto|cpu|cuda:N", default_value = "auto")]
    pub device: String,
    /// Threads of one trainer on the CPU
    #[arg(long, id = "threads", value_name = "N", default_value_t = 1)]
    pub threads: u32,
    /// Patches in one step
    #[arg(long, id = "batch", value_name = "N", default_value_t = 16)]
    pub batch: u32,
    /// Adam's step size
    #[arg(long, id = "learning_rate", value_name = "RATE", default_value_t = 5e-4)]
    pub learning_rate: f64,
    /// What a step minimises
    #[arg(long, id = "loss", value_enum, default_value_t = LossKind::SquaredError)]
    pub loss: LossKind,
    /// Train without rest, or in epochs with rests between them
    #[arg(long, id = "pattern", value_enum, default_value_t = TrainingPattern::Continuous)]
    pub pattern: TrainingPattern,
    /// Seconds between offers of a checkpoint
    #[arg(long, id = "epoch_seconds", value_name = "SECONDS", default_value_t = 2.0)]
    pub epoch_seconds: f64,
    /// Seconds of rest between epochs (pattern intermittent)
    #[arg(long, id = "rest_seconds", value_name = "SECONDS", default_value_t = 5.0)]
    pub rest_seconds: f64,
    /// The most steps a second; 0: as many as the device does
    #[arg(long, id = "max_steps_per_second", value_name = "N", default_value_t = 0)]
    pub max_steps_per_second: u32,
    /// Patches kept for replay
    #[arg(long, id = "buffer_patches", value_name = "N", default_value_t = 1024)]
    pub buffer_patches: u32,
    /// Age at which a patch is drawn half as often as a new one, in seconds; 0: all alike
    #[arg(long, id = "recency_half_life_seconds", value_name = "SECONDS", default_value_t = 30.0)]
    pub recency_half_life_seconds: f64,
    /// Seed of the random generator; 0: another one at each start
    #[arg(long, id = "seed", value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Health and metrics
    #[arg(long, id = "health_listen", value_name = "IP:PORT")]
    pub health_listen: Option<std::net::SocketAddr>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartFrom {
    General,
    Stream,
    /// Exact bicubic.
    None,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    SquaredError,
    AbsoluteError,
    Charbonnier,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingPattern {
    Continuous,
    Intermittent,
}

impl Default for TrainerSettings {
    fn default() -> Self {
        crate::load::defaults()
    }
}
