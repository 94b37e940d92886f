//! What to add to the stream's pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Affinity, EnvVar, LocalObjectReference, ResourceRequirements, Toleration, TopologySpreadConstraint,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::references::OBJECT_NAME;
use crate::Role;

const NO_ACCELERATORS: (&str, &str) = (
    "self.all(name, !name.contains('/'))",
    "devices do not go here: use enhancement.accelerator and training.accelerator",
);

const QUANTITIES: (&str, &str) = (
    "self.all(name, isQuantity(string(self[name])) && !quantity(string(self[name])).isLessThan(quantity('0')))",
    "a quantity is a number, with a unit or without: for example 500m, 2 or 4Gi",
);

/// What to add to the stream's pods, by role.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Pods::default")]
pub struct Pods {
    /// The pod that takes the publisher in and relays to viewers.
    #[serde(skip_serializing_if = "PodOverlay::is_empty")]
    pub media_node: PodOverlay,
    /// The pods that train.
    #[serde(skip_serializing_if = "PodOverlay::is_empty")]
    pub trainer: PodOverlay,
    /// The pod that enhances.
    #[serde(skip_serializing_if = "PodOverlay::is_empty")]
    pub enhancer: PodOverlay,
}

impl Pods {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn of(&self, role: Role) -> &PodOverlay {
        match role {
            Role::MediaNode => &self.media_node,
            Role::Enhancer => &self.enhancer,
            Role::Trainer => &self.trainer,
        }
    }
}

/// What to add to pods of one role: where they run, what they get, who they are.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "PodOverlay::default")]
pub struct PodOverlay {
    /// Further labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = (
        "self.all(key, !key.startsWith('app.kubernetes.io/') && !key.startsWith('acuity.video/'))",
        "labels of app.kubernetes.io/ and acuity.video/ are the operator's: use a prefix of yours",
    ))]
    pub labels: BTreeMap<String, String>,
    /// Further annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = (
        "self.all(key, !key.startsWith('acuity.video/'))",
        "annotations of acuity.video/ are the operator's: use a prefix of yours",
    ))]
    pub annotations: BTreeMap<String, String>,
    /// Labels a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that do not keep the pod away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Vec<Toleration>,
    /// Which nodes and neighbours it wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// How pods are spread over the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["topologyKey".into(), "whenUnsatisfiable".into()]))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// CPU and memory of its container, in place of the operator's defaults.
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    /// PriorityClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = OBJECT_NAME)]
    pub priority_class_name: Option<String>,
    /// RuntimeClass, where GPUs need one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = OBJECT_NAME)]
    pub runtime_class_name: Option<String>,
    /// ServiceAccount.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = OBJECT_NAME)]
    pub service_account_name: Option<String>,
    /// Secrets to pull images with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Further environment variables of its container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = (
            "self.all(each, !each.name.startsWith('ACUITY_'))",
            "variables that begin with ACUITY_ are the operator's: set what they say in the spec",
        )
    )]
    pub extra_env: Vec<EnvVar>,
}

impl PodOverlay {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// CPU and memory of a container.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Resources::default")]
pub struct Resources {
    /// What the scheduler sets aside.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = NO_ACCELERATORS, validation = QUANTITIES)]
    pub requests: BTreeMap<String, Quantity>,
    /// What it never gets more of.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = NO_ACCELERATORS, validation = QUANTITIES)]
    pub limits: BTreeMap<String, Quantity>,
}

impl Resources {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn to_requirements(&self) -> ResourceRequirements {
        let unless_empty = |map: &BTreeMap<String, Quantity>| Some(map.clone()).filter(|map| !map.is_empty());
        ResourceRequirements {
            requests: unless_empty(&self.requests),
            limits: unless_empty(&self.limits),
            ..ResourceRequirements::default()
        }
    }
}
