//! How the picture is made larger.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Accelerator;

/// How the picture is made larger.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Enhancement::default")]
pub struct Enhancement {
    /// Where frames are enhanced.
    pub mode: EnhancementMode,
    /// How many times wider and higher the enhanced picture is.
    #[schemars(range(min = 2, max = 4))]
    pub scale: u32,
    /// Shape of the super-resolution network. Another shape starts anew from the general weights.
    pub network: NetworkShape,
    /// What the enhancer computes on. Absent: the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
    /// What happens while the cluster has no such accelerator free.
    pub on_no_accelerator: OnNoEnhancerAccelerator,
    /// How the enhanced picture is encoded.
    pub encoder: Encoder,
    /// What viewers get while no fresh patch can judge the network.
    pub unjudged: Unjudged,
}

impl Default for Enhancement {
    fn default() -> Self {
        Self {
            mode: EnhancementMode::default(),
            scale: 2,
            network: NetworkShape::default(),
            accelerator: None,
            on_no_accelerator: OnNoEnhancerAccelerator::default(),
            encoder: Encoder::default(),
            unjudged: Unjudged::default(),
        }
    }
}

#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnhancementMode {
    /// In an enhancer pod, once for all viewers.
    #[default]
    Server,
    /// Nowhere: viewers get the source. Training goes on, unless it is disabled too.
    Disabled,
}

/// Shape of the super-resolution network.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "NetworkShape::default")]
pub struct NetworkShape {
    /// 1: convolutions at the source's resolution; 2: at half of it, four times cheaper.
    #[schemars(range(min = 1, max = 2))]
    pub unshuffle: u32,
    /// Channels between the convolutions.
    #[schemars(range(min = 1, max = 64))]
    pub features: u32,
    /// Convolutions in all.
    #[schemars(range(min = 2, max = 16))]
    pub layers: u32,
}

impl Default for NetworkShape {
    fn default() -> Self {
        Self { unshuffle: 1, features: 16, layers: 5 }
    }
}

#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnNoEnhancerAccelerator {
    /// A stand-in runs the network on the CPU, as fast as that goes, until one is free.
    #[default]
    Cpu,
    /// There is no enhancer: viewers get the source, which their player scales up. Another try every 5 minutes.
    Bicubic,
    /// Its pod waits for one, where a cluster autoscaler sees it; viewers get the source meanwhile.
    Wait,
}

/// How the enhanced picture is encoded: H.264.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Encoder::default")]
pub struct Encoder {
    /// What encodes.
    pub implementation: EncoderImplementation,
    /// Bit rate of the enhanced picture.
    #[schemars(range(min = 100, max = 100_000))]
    pub bitrate_kbps: u32,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { implementation: EncoderImplementation::default(), bitrate_kbps: 6000 }
    }
}

#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncoderImplementation {
    /// x264, on the CPU.
    #[default]
    X264,
    /// The accelerator's own encoder where it is an NVIDIA GPU that has one (an H100 has none), else x264.
    Nvenc,
}

#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unjudged {
    /// The general weights, which were trained on other videos.
    #[default]
    General,
    /// Exact bicubic.
    Bicubic,
}
