//! Settings of a media-node.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::NetworkSettings;

/// One stream's ingest, relay, registry and judge.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaNodeSettings {
    /// The stream, <namespace>/<name>
    #[arg(long, id = "stream", value_name = "NAMESPACE/NAME", default_value = "default/demo")]
    pub stream: String,
    /// Public HTTP: WHIP, WHEP, pages, status
    #[arg(long, id = "listen", default_value = "[::]:8080")]
    pub listen: SocketAddr,
    /// In-cluster HTTP and gRPC: checkpoints, the enhancer's WHIP and WHEP, health, metrics
    #[arg(long, id = "internal_listen", default_value = "[::]:9090")]
    pub internal_listen: SocketAddr,
    /// The one UDP socket of all media
    #[arg(long, id = "media_listen", default_value = "[::]:8189")]
    pub media_listen: SocketAddr,
    /// Addresses that publishers and viewers reach the media socket at; without any, the machine's own
    #[arg(long = "advertised-address", id = "advertised_addresses", value_name = "IP:PORT")]
    pub advertised_addresses: Vec<SocketAddr>,
    /// File with these addresses, separated by commas; read again when it changes. While it is empty or absent, sessions
    /// are refused with 503
    #[arg(long, id = "advertised_addresses_file", value_name = "FILE", conflicts_with = "advertised_addresses")]
    pub advertised_addresses_file: Option<PathBuf>,
    /// File with the token publishers must bear; without it anyone may publish
    #[arg(long, id = "publish_token_file", value_name = "FILE")]
    pub publish_token_file: Option<PathBuf>,
    /// File with the token viewers must bear; without it anyone may watch
    #[arg(long, id = "view_token_file", value_name = "FILE")]
    pub view_token_file: Option<PathBuf>,
    /// File with the token of trainers and enhancers; without it the internal socket must be loopback
    #[arg(long, id = "internal_token_file", value_name = "FILE")]
    pub internal_token_file: Option<PathBuf>,
    /// NATS server; without it nothing is learned
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
    #[command(flatten)]
    pub patches: PatchSettings,
    /// What viewers get while nobody can judge, for want of fresh patches: the general weights, or exact bicubic
    #[arg(long, id = "unjudged", value_enum, default_value_t = Unjudged::General)]
    pub unjudged: Unjudged,
    /// General weights (safetensors) instead of those the program comes with
    #[arg(long, id = "general_weights_file", value_name = "FILE")]
    pub general_weights_file: Option<PathBuf>,
    /// The most viewers taken at once
    #[arg(long, id = "max_viewers", value_name = "N", default_value_t = 1000)]
    pub max_viewers: u32,
    /// Where clients reach the stream's media-node, whichever that is at the time (in Kubernetes the Service's address):
    /// this one asks there who answers, when it begins and before it ends. Without it, it ends at once
    #[arg(long, id = "service_url", value_name = "URL")]
    pub service_url: Option<String>,
    /// How long the end waits for another media-node to answer at the service's address
    #[arg(long, id = "drain_seconds", value_name = "SECONDS", default_value_t = 20)]
    pub drain_seconds: u32,
    /// File written once all sockets are bound: JSON {"listen": …, "internal_listen": …, "media_listen": …}
    #[arg(long, id = "ports_file", value_name = "FILE")]
    pub ports_file: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unjudged {
    General,
    Bicubic,
}

/// What the publisher is asked for.
#[derive(Args, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatchSettings {
    /// The most patches a second
    #[arg(long = "patches-per-second", id = "patches.per_second", value_name = "N", default_value_t = 20)]
    pub per_second: u32,
    /// Side of a patch in HR pixels
    #[arg(long = "patch-size-pixels", id = "patches.size_pixels", value_name = "PIXELS", default_value_t = 96)]
    pub size_pixels: u32,
    /// The most kbit/s of patches
    #[arg(long = "patches-max-kbps", id = "patches.max_kbps", value_name = "KBPS", default_value_t = 400)]
    pub max_kbps: u32,
}

impl Default for PatchSettings {
    fn default() -> Self {
        Self { per_second: 20, size_pixels: 96, max_kbps: 400 }
    }
}

impl Default for MediaNodeSettings {
    fn default() -> Self {
        crate::load::defaults()
    }
}
