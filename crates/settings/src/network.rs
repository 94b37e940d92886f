//! Shape of the network, shared by all pods of a stream.

use clap::Args;
use serde::{Deserialize, Serialize};

/// Shape of the super-resolution network; the scale is the stream's.
#[derive(Args, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// 1: convolutions at LR resolution, 2: at half of it
    #[arg(long = "network-unshuffle", id = "network.unshuffle", value_name = "1|2", default_value_t = 1)]
    pub unshuffle: u32,
    /// Channels between the convolutions
    #[arg(long = "network-features", id = "network.features", value_name = "N", default_value_t = 16)]
    pub features: u32,
    /// Convolutions in all
    #[arg(long = "network-layers", id = "network.layers", value_name = "N", default_value_t = 5)]
    pub layers: u32,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { unshuffle: 1, features: 16, layers: 5 }
    }
}
