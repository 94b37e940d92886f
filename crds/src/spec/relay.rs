//! How publisher and viewers reach the stream.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::references::OBJECT_NAME;
use crate::{SecretKeyRef, SecretRef};

/// How publisher and viewers reach the stream.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Relay::default")]
pub struct Relay {
    /// The token a viewer must bear. Absent: anyone who reaches the endpoint may watch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view_token_secret_ref: Option<SecretKeyRef>,
    /// WHIP, WHEP and the page: HTTP.
    pub signalling: Signalling,
    /// Pictures and sound: UDP.
    pub media: Media,
    /// The most viewers at once; others are refused with 503.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_viewers: u32,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            view_token_secret_ref: None,
            signalling: Signalling::default(),
            media: Media::default(),
            max_viewers: 1000,
        }
    }
}

/// How WHIP, WHEP and the page are reached: through one Service, whose port lives as long as the stream.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Signalling::default")]
#[x_kube(
    validation = ("self.exposure != 'Ingress' || has(self.host)", "exposure Ingress needs host: write the stream's host name"),
    validation = (
        "self.exposure == 'Ingress' || !(has(self.host) || has(self.tlsSecretRef) || has(self.ingressClassName))",
        "host, tlsSecretRef and ingressClassName go with exposure Ingress: leave them out, or set exposure to Ingress",
    )
)]
pub struct Signalling {
    /// How the Service is exposed. Cannot change: publishers and viewers hold URLs with its port or address, and another
    /// exposure would give that up for good.
    #[x_kube(validation = (
        "self == oldSelf",
        "exposure cannot change, since URLs of this stream are in use: make another LiveStream with this exposure",
    ))]
    pub exposure: SignallingExposure,
    /// Host name of the Ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = (OBJECT_NAME.0, "write the host name alone, for example live.example.com"))]
    pub host: Option<String>,
    /// Certificate of the Ingress: a Secret of type `kubernetes.io/tls`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_secret_ref: Option<SecretRef>,
    /// Class of the Ingress. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = OBJECT_NAME)]
    pub ingress_class_name: Option<String>,
}

#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignallingExposure {
    /// A port of every node.
    #[default]
    NodePort,
    /// An address of the cluster's load balancer.
    LoadBalancer,
    /// A host name of the ingress controller.
    Ingress,
    /// From inside the cluster only.
    ClusterIP,
}

/// How pictures and sound are reached: one UDP port, which may move with the pod.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default = "Media::default")]
pub struct Media {
    /// How the UDP port is exposed.
    pub exposure: MediaExposure,
}

#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaExposure {
    /// A port of the node that the pod is on, from the operator's range.
    #[default]
    HostPort,
    /// A UDP port of every node.
    NodePort,
    /// An address of the cluster's load balancer.
    LoadBalancer,
    /// The pod's own address: for flat networks, or with TURN in front.
    PodNetwork,
}
