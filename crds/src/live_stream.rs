//! The resource itself.

use kube::{CustomResource, KubeSchema};
use proto::{StreamName, StreamNameError};
use serde::{Deserialize, Serialize};

use crate::{Enhancement, Ingest, LiveStreamStatus, Pods, Relay, Training};

/// A live stream: one publisher, many viewers, and super-resolution that learns from the publisher while it runs.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "acuity.video",
    version = "v1alpha1",
    kind = "LiveStream",
    namespaced,
    status = "LiveStreamStatus",
    derive = "PartialEq",
    derive = "Default",
    shortname = "lst",
    category = "acuity",
    doc = "One live stream: where it comes in, who sees it, and how it is enhanced."
)]
#[serde(rename_all = "camelCase", default = "LiveStreamSpec::default")]
pub struct LiveStreamSpec {
    /// No pods run while this is true. Endpoints, Secret and what was learned stay.
    pub paused: bool,
    /// Where the publisher comes in.
    pub ingest: Ingest,
    /// How publisher and viewers reach the stream.
    pub relay: Relay,
    /// How the picture is made larger.
    pub enhancement: Enhancement,
    /// How the network learns from this stream.
    pub training: Training,
    /// What to add to the stream's pods.
    #[serde(skip_serializing_if = "Pods::is_empty")]
    pub pods: Pods,
}

impl LiveStream {
    /// How the stream is named in settings, subjects and reports.
    ///
    /// # Errors
    /// When the object has no namespace, or a name that the API server would not have let in.
    pub fn stream_name(&self) -> Result<StreamName, StreamNameError> {
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        StreamName::new(&part(&self.metadata.namespace), &part(&self.metadata.name))
    }
}
