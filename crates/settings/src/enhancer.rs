//! Settings of an enhancer.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::NetworkSettings;

/// One stream's super-resolution.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnhancerSettings {
    /// The stream, <namespace>/<name>
    #[arg(long, id = "stream", value_name = "NAMESPACE/NAME", default_value = "default/demo")]
    pub stream: String,
    /// The media-node's internal address
    #[arg(long, id = "media_node_url", value_name = "URL", default_value = "http://127.0.0.1:9090")]
    pub media_node_url: String,
    /// File with the internal token
    #[arg(long, id = "internal_token_file", value_name = "FILE")]
    pub internal_token_file: Option<PathBuf>,
    /// NATS server, for reports; without it none are made
    #[arg(long, id = "nats_url", value_name = "URL")]
    pub nats_url: Option<String>,
    /// File with user:password for NATS
    #[arg(long, id = "nats_credentials_file", value_name = "FILE")]
    pub nats_credentials_file: Option<PathBuf>,
    /// How much larger the enhanced picture is
    #[arg(long, id = "scale", value_name = "2|3|4", default_value_t = 2)]
    pub scale: u32,
    #[command(flatten)]
    pub network: NetworkSettings,
    /// auto, cpu or cuda:N
    #[arg(long, id = "device", value_name = "auto|cpu|cuda:N", default_value = "auto")]
    pub device: String,
    /// Threads of the network on the CPU
    #[arg(long, id = "threads", value_name = "N", default_value_t = 1)]
    pub threads: u32,
    /// auto, f32 or bf16
    #[arg(long, id = "precision", value_name = "auto|f32|bf16", default_value = "auto")]
    pub precision: String,
    /// FFmpeg's name of the H264 encoder; where it cannot be opened, libx264 takes its place
    #[arg(long, id = "encoder", value_name = "NAME", default_value = "libx264")]
    pub encoder: String,
    /// Bit rate of the enhanced stream
    #[arg(long, id = "bitrate_kbps", value_name = "KBPS", default_value_t = 6000)]
    pub bitrate_kbps: u32,
    /// Preset of x264
    #[arg(long, id = "preset", value_name = "NAME", default_value = "superfast")]
    pub preset: String,
    /// How long the end waits for another enhancer to take over
    #[arg(long, id = "drain_seconds", value_name = "SECONDS", default_value_t = 15)]
    pub drain_seconds: u32,
    /// Health and metrics
    #[arg(long, id = "health_listen", value_name = "IP:PORT")]
    pub health_listen: Option<std::net::SocketAddr>,
}

impl Default for EnhancerSettings {
    fn default() -> Self {
        crate::load::defaults()
    }
}
