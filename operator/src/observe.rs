//! What is known of one stream's surroundings when it is decided on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proto::v1::MediaNodeReport;

use crate::{
    autoscaling::{ScalingDecision, TrainerState},
    memory::Memory,
    names::{PodName, Role},
    views::{IngressView, PodView, SecretView, ServiceView},
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// The stream's pods, also those on their way out.
    pub pods: BTreeMap<PodName, Arc<PodView>>,
    /// Pods of an earlier stream of this name, which must be gone first.
    pub earlier: BTreeMap<PodName, Arc<PodView>>,
    pub services: BTreeMap<String, Arc<ServiceView>>,
    pub secret: Option<Arc<SecretView>>,
    pub ingress: Option<Arc<IngressView>>,
    /// The host port that is set aside for the stream; `None`: the range is used up, or none is needed.
    pub media_port: Option<u16>,
    /// Where publishers and viewers reach the media-node, as its annotation says it; `None`: not known yet.
    pub advertised: Option<String>,
    /// What the probe last said of the media-node's pod; `None`: nothing yet.
    pub reachable: Option<bool>,
    /// Of the media-node that runs now.
    pub report: Option<MediaNodeReport>,
    /// `None`: nobody has tried to reach NATS yet.
    pub bus_connected: Option<bool>,
    /// What each trainer last said it does.
    pub activities: BTreeMap<PodName, TrainerState>,
    /// How many trainers there are to be, and why; `None`: nothing is decided any more.
    pub scaling: Option<ScalingDecision>,
    /// Ordinals of the trainers that are to exist.
    pub trainers: BTreeSet<u32>,
    pub memory: Memory,
}

impl Observed {
    /// The pods of `role`, by name.
    pub(crate) fn pods_of(&self, role: Role) -> impl Iterator<Item = (PodName, &PodView)> {
        self.pods.iter().filter(move |(name, _)| name.role == role).map(|(name, pod)| (*name, &**pod))
    }

    #[must_use]
    pub(crate) fn pod(&self, name: PodName) -> Option<&PodView> {
        self.pods.get(&name).map(|pod| &**pod)
    }

    #[must_use]
    pub(crate) fn media_node(&self) -> Option<&PodView> {
        self.pod(PodName::new(Role::MediaNode, 0))
    }
}
