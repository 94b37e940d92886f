//! Where the publisher comes in.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::SecretKeyRef;

/// Where the publisher comes in.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Ingest::default")]
pub struct Ingest {
    /// The token a publisher must bear. Absent: anyone who reaches the endpoint may publish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_token_secret_ref: Option<SecretKeyRef>,
    /// After so long without a publisher the enhancer goes, and trainers but for `training.autoscaling.minReplicas`; they
    /// come back with the publisher.
    #[schemars(range(min = 5, max = 86_400))]
    pub idle_timeout_seconds: u32,
}

impl Default for Ingest {
    fn default() -> Self {
        Self { publish_token_secret_ref: None, idle_timeout_seconds: 60 }
    }
}
