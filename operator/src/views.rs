//! What is kept of each object that is watched: the little that decisions need, so that ten thousand streams fit into
//! memory, and nothing secret.

mod children;
mod packed;
mod pairs;
mod pod;

pub use children::{AskedIngress, AskedService, IngressView, SecretView, ServiceView};
pub use packed::PackedStream;
pub use pairs::Pairs;
pub use pod::{PodView, Unschedulable, Waiting};

use jiff::Timestamp;
use kube::{Resource, ResourceExt};

/// Identity and version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub name: String,
    pub uid: String,
    /// `resourceVersion`, which the API server orders as a number.
    pub version: u64,
    /// Of the owner that controls it.
    pub controller_uid: Option<String>,
    pub created_at: Timestamp,
    /// When its grace period is over, once it is being deleted.
    pub deletion_due_at: Option<Timestamp>,
}

impl Meta {
    /// `None` for what no API server sends.
    pub fn of<K: Resource>(object: &K) -> Option<Self> {
        let meta = object.meta();
        Some(Self {
            name: meta.name.clone()?,
            uid: meta.uid.clone()?,
            version: meta.resource_version.as_deref().and_then(parse_version)?,
            controller_uid: object
                .owner_references()
                .iter()
                .find(|owner| owner.controller == Some(true))
                .map(|owner| owner.uid.clone()),
            created_at: meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            deletion_due_at: meta.deletion_timestamp.as_ref().map(|time| time.0),
        })
    }

    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.deletion_due_at.is_some()
    }
}

/// Versions are decimal numbers that grow (Kubernetes 1.35 promises what has always been so).
#[must_use]
pub fn parse_version(text: &str) -> Option<u64> {
    text.parse().ok()
}
