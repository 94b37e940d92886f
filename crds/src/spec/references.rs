//! What a stream names but does not own.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A key of a Secret in the stream's namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret.
    #[serde(default = "token")]
    pub key: String,
}

fn token() -> String {
    "token".to_owned()
}

/// A Secret in the stream's namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: String,
}

/// What each pod gets to compute on: a device by resource name, or a claim made from a template.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Accelerator::default")]
pub struct Accelerator {
    /// Extended resource of the device plugin: a GPU, a share or a slice of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// How many of `resourceName` each pod gets.
    pub count: u32,
    /// ResourceClaimTemplate (dynamic resource allocation) in the stream's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_claim_template_name: Option<String>,
}

impl Default for Accelerator {
    fn default() -> Self {
        Self { resource_name: None, count: 1, resource_claim_template_name: None }
    }
}
