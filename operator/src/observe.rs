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
    /// The media-node that publishers and viewers come to: the one the Service of signalling selects.
    pub selected: Option<PodName>,
    /// Those that any Service of the stream selects.
    pub selected_by_any: BTreeSet<PodName>,
    /// The host port that is set aside for the next media-node; `None`: the range is used up, or none is needed.
    pub media_port: Option<u16>,
    /// Where publishers and viewers reach each media-node, as its annotation is to say it; absent: not known yet.
    pub advertised: BTreeMap<PodName, String>,
    /// What the probe last said, and of which media-node; `None`: nothing yet.
    pub probed: Option<(PodName, bool)>,
    /// Of the media-node that serves.
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

    /// The media-node that serves: the one that is selected, as long as it runs.
    #[must_use]
    pub(crate) fn media_node(&self) -> Option<(PodName, &PodView)> {
        let runs = |name: &PodName| self.pod(*name).is_some_and(|pod| pod.ended.is_none());
        let name = self.selected.filter(runs).or_else(|| self.best_media_node())?;
        Some((name, self.pod(name)?))
    }

    /// The one that would serve best, whatever is selected.
    fn best_media_node(&self) -> Option<PodName> {
        let pods = self.pods_of(Role::MediaNode);
        pods.min_by_key(|(name, pod)| (!pod.is_alive(), !pod.ready, name.ordinal)).map(|(name, _)| name)
    }

    /// Whose addresses are to be probed: those of a successor until they have answered once, else those of the one that
    /// serves. Behind a Service a successor has no address of its own.
    #[must_use]
    pub(crate) fn media_node_to_probe(&self, behind_service: bool) -> Option<&PodView> {
        let runs = |pod: &PodView| pod.is_alive() && pod.containers_ready;
        let (serving, _) = self.media_node()?;
        let mut others = self.pods_of(Role::MediaNode).filter(|(name, _)| *name != serving && !behind_service);
        let unproven = others.find(|(_, pod)| runs(pod) && pod.reachable != Some(true));
        unproven.map(|(_, pod)| pod).or_else(|| self.pod(serving).filter(|pod| runs(pod)))
    }
}
