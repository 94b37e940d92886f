//! What a stream names but does not own.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Rule and message for fields that hold the name of another object.
pub(super) const OBJECT_NAME: (&str, &str) = (
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    "this names an object: use a-z, 0-9, - and ., with a letter or digit at both ends",
);

/// A key of a Secret in the stream's namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = OBJECT_NAME)]
    pub name: String,
    /// Key in the Secret.
    #[serde(default = "token")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ("self.matches('^[-._a-zA-Z0-9]+$')", "a key of a Secret: use letters, digits, -, _ and ."))]
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
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = OBJECT_NAME)]
    pub name: String,
}

/// What each pod gets to compute on: a device by resource name, or a claim made from a template.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Accelerator::default")]
#[x_kube(
    validation = (
        "has(self.resourceName) != has(self.resourceClaimTemplateName)",
        "name one of resourceName (a device plugin's, for example nvidia.com/gpu) and resourceClaimTemplateName",
    ),
    validation = (
        "!has(self.resourceClaimTemplateName) || self.count == 1",
        "leave count out: it goes with resourceName; a claim template says itself how many devices it asks for",
    )
)]
pub struct Accelerator {
    /// Extended resource of the device plugin: a GPU, a share or a slice of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 317))]
    #[x_kube(validation = (
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",
        "write the resource as nodes do, domain/name: for example nvidia.com/gpu or nvidia.com/mig-1g.10gb",
    ))]
    pub resource_name: Option<String>,
    /// How many of `resourceName` each pod gets.
    #[schemars(range(min = 1, max = 16))]
    pub count: u32,
    /// ResourceClaimTemplate (dynamic resource allocation) in the stream's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = OBJECT_NAME)]
    pub resource_claim_template_name: Option<String>,
}

impl Default for Accelerator {
    fn default() -> Self {
        Self { resource_name: None, count: 1, resource_claim_template_name: None }
    }
}
