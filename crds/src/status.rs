//! What the operator answers. All of it can be observed again: nothing is remembered here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What the operator last observed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "LiveStreamStatus::default")]
pub struct LiveStreamStatus {
    /// `metadata.generation` that this status answers; -1: none yet.
    pub observed_generation: i64,
    /// What is true of the stream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Where to publish and to watch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// The stream's trainers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trainers: Option<TrainersStatus>,
    /// The stream's enhancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhancer: Option<EnhancerStatus>,
    /// Viewers now, rounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewers: Option<u32>,
    /// What the network gains over bicubic on fresh patches, for people: `+2.1 dB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub gain: Option<String>,
    /// The weights that viewers see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointStatus>,
}

impl Default for LiveStreamStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            conditions: Vec::new(),
            endpoints: None,
            trainers: None,
            enhancer: None,
            viewers: None,
            gain: None,
            checkpoint: None,
        }
    }
}

/// Where to publish and to watch.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// Publish here (WHIP).
    #[schemars(length(max = 512))]
    pub whip: String,
    /// Watch here (WHEP).
    #[schemars(length(max = 512))]
    pub whep: String,
    /// The page, for browsers.
    #[schemars(length(max = 512))]
    pub page: String,
}

/// The stream's trainers.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainersStatus {
    /// How many there are to be.
    pub desired: u32,
    /// How many are ready.
    pub ready: u32,
    /// Label selector of their pods, for autoscalers.
    #[schemars(length(max = 512))]
    pub selector: String,
}

/// The stream's enhancer.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnhancerStatus {
    /// Whether its pod is ready.
    pub ready: bool,
}

/// The weights that viewers see.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointStatus {
    /// Number that the registry gave it; 0: exact bicubic.
    pub version: u64,
    /// Gain over bicubic on fresh patches, in thousandths of a decibel.
    pub gain_millidecibels: i32,
}

/// A list of conditions, bounded as in Kubernetes.
fn conditions(_: &mut SchemaGenerator) -> Schema {
    let name = |pattern: &str, length: u32| json_schema!({"type": "string", "pattern": pattern, "maxLength": length});
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": name("^[A-Z][A-Za-z]*$", 316),
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": name("^[A-Z][A-Za-z0-9]*$", 1024),
                "message": {"type": "string", "maxLength": 32768},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
            },
        },
    })
}
