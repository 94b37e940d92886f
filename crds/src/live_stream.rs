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
    doc = "One live stream: where it comes in, who sees it, and how it is enhanced.",
    validation = (
        "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",
        "name a stream by at most 40 of a-z, 0-9 and -, with a letter first and a letter or digit last: its pods and its Service are named after it",
    ),
    scale(
        spec_replicas_path = ".spec.training.replicas",
        status_replicas_path = ".status.trainers.ready",
        label_selector_path = ".status.trainers.selector"
    ),
    selectable = ".spec.paused",
    selectable = ".spec.training.autoscaling.mode",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether a publisher would be accepted"
    ),
    printcolumn(
        name = "Live",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Publishing\")].status",
        description = "Whether a publisher is connected"
    ),
    printcolumn(
        name = "Gain",
        type_ = "string",
        json_path = ".status.gain",
        description = "What the network gains over bicubic"
    ),
    printcolumn(name = "Viewers", type_ = "integer", json_path = ".status.viewers", description = "Viewers now"),
    printcolumn(
        name = "Trainers",
        type_ = "integer",
        json_path = ".status.trainers.ready",
        description = "Trainers that are ready"
    ),
    printcolumn(
        name = "Whip",
        type_ = "string",
        json_path = ".status.endpoints.whip",
        description = "Publish here",
        priority = 1
    ),
    printcolumn(
        name = "Whep",
        type_ = "string",
        json_path = ".status.endpoints.whep",
        description = "Watch here",
        priority = 1
    ),
    printcolumn(
        name = "Checkpoint",
        type_ = "integer",
        json_path = ".status.checkpoint.version",
        description = "The weights that viewers see",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = (
    "self.training.patches.sizePixels % (2 * self.enhancement.scale) == 0",
    "training.patches.sizePixels is not a multiple of twice enhancement.scale: 96 fits every scale",
))]
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
