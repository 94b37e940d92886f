//! What must be done so that what is observed becomes what is desired. Pure; in the order in which it is done.

use std::collections::BTreeMap;

use crds::{
    LiveStream, MediaExposure,
    children::{ADVERTISED_ADDRESSES_ANNOTATION, POD_LABEL, pod_labels},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    core::v1::{Pod, Service},
    networking::v1::Ingress,
};
use kube::{Resource, ResourceExt};
use proto::StreamName;

use crate::{
    apply::subject,
    desired::{Desired, Earliest, Other},
    memory::FORGIVEN_AFTER,
    names::{PodName, Role, TEMPLATE_HASH},
    observe::Observed,
    views::{AskedIngress, AskedService, Meta, Pairs, PodView},
};

/// A pod that should have been gone for so long is on a node that is gone.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_secs(30);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    CreatePod(PodName, Box<Pod>),
    DeletePod {
        pod: PodName,
        known: Known,
        why: Removal,
    },
    PatchPod {
        pod: PodName,
        known: Known,
        metadata: MissingMetadata,
    },
    /// The readiness gate.
    SetReachable {
        pod: PodName,
        known: Known,
    },
    /// With a new internal token.
    CreateSecret,
    ApplyService(Box<Service>, Option<Known>),
    /// From now on it selects another pod.
    SwitchService(Box<Service>, Known),
    DeleteService(Known),
    ApplyIngress(Box<Ingress>, Option<Known>),
    DeleteIngress(Known),
    DeleteSecret(Known),
}

/// What a pod's metadata lack, or have otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MissingMetadata {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) owner: bool,
}

/// The object a change is meant for: any other one of this name is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub name: String,
    pub uid: String,
    pub version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is not, or no longer, wanted.
    Unwanted,
    /// Its template has changed; another one follows, or has followed already.
    Outdated,
    /// There is no room for its successor beside it, and why.
    MakesRoom(String),
    /// It ended; another one follows.
    Ended(String),
    /// Its node does not end it.
    Stuck,
}

/// What to do, and when to look again although nothing was seen.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Changes {
    /// Before everything else.
    pub pods: Vec<Change>,
    pub rest: Vec<Change>,
    /// Something is on its way out that must be gone first, or waits for a later try.
    pub waiting: bool,
    pub again_at: Option<Timestamp>,
    /// Slots whose pods have made up for earlier failures.
    pub forgiven: Vec<PodName>,
}

impl Known {
    #[must_use]
    pub(crate) fn of(meta: &Meta) -> Self {
        Self { name: meta.name.clone(), uid: meta.uid.clone(), version: meta.version }
    }
}

impl Changes {
    #[must_use]
    pub(crate) fn creates(&self, pod: PodName) -> bool {
        self.pods.iter().any(|change| matches!(change, Change::CreatePod(name, _) if *name == pod))
    }
}

#[must_use]
pub(crate) fn changes(
    stream: &LiveStream,
    name: &StreamName,
    observed: &Observed,
    desired: &Desired,
    now: Timestamp,
) -> Changes {
    let mut plan = Plan {
        uid: stream.meta().uid.as_deref().unwrap_or_default(),
        behind_service: behind_service(stream),
        now,
        changes: Changes::default(),
        again_at: desired.again_at,
    };
    for (pod, view) in &observed.pods {
        match desired.others.get(pod) {
            Some(other) if plan.is_ours(&view.meta) => plan.followed_pod(name, *pod, view, other),
            _ => plan.present_pod(*pod, view, desired.pods.get(pod), observed),
        }
    }
    for (pod, view) in &observed.earlier {
        plan.present_pod(*pod, view, None, observed);
    }
    if stream.meta().deletion_timestamp.is_some() {
        // The rest goes with the stream.
        plan.changes.again_at = plan.again_at.0;
        return plan.changes;
    }
    for (name, pod) in desired.pods.iter().filter(|(name, _)| !observed.pods.contains_key(name)) {
        if observed.earlier.contains_key(name) {
            plan.wait_until(None);
            continue;
        }
        match observed.memory.held_until(name.slot(), hash_of(pod), now) {
            None => plan.changes.pods.push(Change::CreatePod(*name, Box::new(pod.clone()))),
            Some(at) => plan.wait_until(Some(at)),
        }
    }
    plan.services(observed, desired);
    plan.ingress(observed, desired);
    plan.secret(observed);
    plan.hold_back_refused(name, observed);
    plan.changes.again_at = plan.again_at.0;
    plan.changes
}

/// Media come through a Service, which leads to the media-node that serves and to no other.
pub(crate) fn behind_service(stream: &LiveStream) -> bool {
    matches!(stream.spec.relay.media.exposure, MediaExposure::NodePort | MediaExposure::LoadBalancer)
}

pub(crate) fn hash_of(pod: &Pod) -> &str {
    pod.annotations().get(TEMPLATE_HASH).map_or("", String::as_str)
}

struct Plan<'a> {
    uid: &'a str,
    behind_service: bool,
    now: Timestamp,
    changes: Changes,
    again_at: Earliest,
}

impl Plan<'_> {
    fn present_pod(&mut self, name: PodName, pod: &PodView, wanted: Option<&Pod>, observed: &Observed) {
        let delete = |why| Change::DeletePod { pod: name, known: Known::of(&pod.meta), why };
        if pod.meta.is_deleting() {
            return self.leaving_pod(name, pod);
        }
        let Some(wanted) = wanted.filter(|_| self.is_ours(&pod.meta)) else {
            return self.changes.pods.push(delete(Removal::Unwanted));
        };
        if let Some(why) = &pod.ended {
            return self.changes.pods.push(delete(Removal::Ended(why.clone())));
        }
        let image = wanted.spec.as_ref().and_then(|spec| spec.containers.first()?.image.as_deref());
        // One whose annotation somebody removed gets it back.
        let is_other = hash_of(wanted) != pod.template_hash && !pod.template_hash.is_empty();
        if is_other || image != Some(&pod.image) {
            return self.changes.pods.push(delete(Removal::Outdated));
        }
        self.restore_metadata(name, pod, wanted, observed);
        if observed.memory.setbacks.contains_key(&name.slot()) {
            match pod.ready_since.map(|since| since + FORGIVEN_AFTER) {
                Some(at) if at <= self.now => self.changes.forgiven.push(name.slot()),
                at => self.again_at.add(at),
            }
        }
    }

    fn leaving_pod(&mut self, pod: PodName, view: &PodView) {
        let Some(due_at) = view.meta.deletion_due_at else { return };
        let given_up_at = due_at + GIVEN_UP_AFTER;
        if given_up_at <= self.now {
            let known = Known::of(&view.meta);
            self.changes.pods.push(Change::DeletePod { pod, known, why: Removal::Stuck });
        }
        self.wait_until(Some(given_up_at));
    }

    /// One beside which there is to be another.
    fn followed_pod(&mut self, stream: &StreamName, name: PodName, pod: &PodView, other: &Other) {
        let why = match (other, &pod.ended) {
            _ if pod.meta.is_deleting() => return self.leaving_pod(name, pod),
            (_, Some(why)) => Removal::Ended(why.clone()),
            (Other::Outdated | Other::Ends, None) => Removal::Outdated,
            (Other::MakesRoom(why), None) => Removal::MakesRoom(why.clone()),
            (Other::Stays, None) => {
                self.changes.waiting = true;
                let mut labels = pod_labels(stream.name(), name.role);
                labels.insert(POD_LABEL.to_owned(), pod.meta.name.clone());
                let metadata = missing_metadata(pod, &labels, &BTreeMap::new());
                return self.patch_pod(name, pod, metadata);
            }
        };
        self.changes.pods.push(Change::DeletePod { pod: name, known: Known::of(&pod.meta), why });
    }

    fn patch_pod(&mut self, pod: PodName, view: &PodView, metadata: MissingMetadata) {
        if metadata != MissingMetadata::default() {
            self.changes.pods.push(Change::PatchPod { pod, known: Known::of(&view.meta), metadata });
        }
    }

    /// Labels and annotations that the operator wrote are put back; others stay.
    fn restore_metadata(&mut self, name: PodName, pod: &PodView, wanted: &Pod, observed: &Observed) {
        let mut metadata = missing_metadata(pod, wanted.labels(), wanted.annotations());
        if let Some(addresses) = observed.advertised.get(&name).filter(|addresses| **addresses != pod.advertised) {
            metadata.annotations.insert(ADVERTISED_ADDRESSES_ANNOTATION.to_owned(), addresses.clone());
        }
        self.patch_pod(name, pod, metadata);
        let gated = wanted.spec.as_ref().is_some_and(|spec| spec.readiness_gates.is_some());
        // It is raised and never lowered: a probe that goes unanswered later must not take a working stream out of its
        // Service.
        if gated && pod.reachable != Some(true) && self.is_reachable(name, pod, observed) {
            self.changes.pods.push(Change::SetReachable { pod: name, known: Known::of(&pod.meta) });
        }
    }

    /// Its probe was answered; or no probe can come to it before it serves, at an address that another one serves now.
    fn is_reachable(&self, name: PodName, pod: &PodView, observed: &Observed) -> bool {
        let is_successor = observed.media_node().is_some_and(|(serving, _)| serving != name);
        let cannot_be_probed =
            self.behind_service && is_successor && pod.containers_ready && !pod.advertised.is_empty();
        observed.probed == Some((name, true)) || cannot_be_probed
    }

    fn services(&mut self, observed: &Observed, desired: &Desired) {
        for wanted in &desired.services {
            let asked = wanted.spec.as_ref().map(AskedService::of);
            let known = match observed.services.get(&wanted.name_any()) {
                None => None,
                Some(service) if service.meta.is_deleting() => {
                    self.wait_until(None);
                    continue;
                }
                Some(service) if !self.is_ours(&service.meta) => {
                    self.changes.rest.push(Change::DeleteService(Known::of(&service.meta)));
                    continue;
                }
                Some(service)
                    if Some(&service.asked) == asked.as_ref()
                        && service.labels.contain_all(wanted.labels())
                        && service.meta.controller_uid.is_some() =>
                {
                    continue;
                }
                Some(service) if asked.as_ref().is_some_and(|asked| service.asked.selects_another_pod_than(asked)) => {
                    let known = Known::of(&service.meta);
                    self.changes.rest.push(Change::SwitchService(Box::new(wanted.clone()), known));
                    continue;
                }
                Some(service) => Some(Known::of(&service.meta)),
            };
            self.changes.rest.push(Change::ApplyService(Box::new(wanted.clone()), known));
        }
        // What comes through one that is not needed any more comes to the old media-node, as long as there is one.
        if desired.others.keys().any(|pod| pod.role == Role::MediaNode) {
            return;
        }
        let unwanted = observed.services.iter().filter(|(name, service)| {
            !service.meta.is_deleting()
                && !desired.services.iter().any(|wanted| wanted.metadata.name.as_deref() == Some(name.as_str()))
        });
        self.changes.rest.extend(unwanted.map(|(_, service)| Change::DeleteService(Known::of(&service.meta))));
    }

    fn ingress(&mut self, observed: &Observed, desired: &Desired) {
        let change = match (&observed.ingress, &desired.ingress) {
            (None, None) => return,
            (Some(ingress), _) if ingress.meta.is_deleting() => return self.wait_until(None),
            (None, Some(wanted)) => Change::ApplyIngress(Box::new(wanted.clone()), None),
            (Some(ingress), Some(wanted)) if self.is_ours(&ingress.meta) => {
                let asked = wanted.spec.as_ref().map(AskedIngress::of);
                if Some(&ingress.asked) == asked.as_ref() && ingress.labels.contain_all(wanted.labels()) {
                    return;
                }
                Change::ApplyIngress(Box::new(wanted.clone()), Some(Known::of(&ingress.meta)))
            }
            (Some(ingress), _) => Change::DeleteIngress(Known::of(&ingress.meta)),
        };
        self.changes.rest.push(change);
    }

    /// Never rewritten: what is in it stays as long as the stream.
    fn secret(&mut self, observed: &Observed) {
        match &observed.secret {
            None => self.changes.rest.push(Change::CreateSecret),
            Some(secret) if secret.meta.is_deleting() => self.wait_until(None),
            Some(secret) if !self.is_ours(&secret.meta) => {
                self.changes.rest.push(Change::DeleteSecret(Known::of(&secret.meta)));
            }
            Some(_) => {}
        }
    }

    /// What was refused is tried again later.
    fn hold_back_refused(&mut self, stream: &StreamName, observed: &Observed) {
        for change in std::mem::take(&mut self.changes.rest) {
            let (kind, name, ..) = subject(&change, stream);
            match observed.memory.refused_until(&(kind, name), self.now) {
                Some(at) => self.wait_until(Some(at)),
                None => self.changes.rest.push(change),
            }
        }
    }

    /// One of an earlier stream of this name is not; one that lost its owner is.
    fn is_ours(&self, meta: &Meta) -> bool {
        meta.controller_uid.as_deref().is_none_or(|uid| uid == self.uid)
    }

    fn wait_until(&mut self, at: Option<Timestamp>) {
        self.changes.waiting = true;
        self.again_at.add(at);
    }
}

/// What of these a pod lacks, or has otherwise.
fn missing_metadata(
    pod: &PodView,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> MissingMetadata {
    let missing = |pairs: &Pairs, wanted: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let missing = wanted.iter().filter(|(key, value)| !pairs.contain(key, value));
        missing.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    MissingMetadata {
        labels: missing(&pod.labels, labels),
        annotations: missing(&pod.annotations, annotations),
        owner: pod.meta.controller_uid.is_none(),
    }
}

#[cfg(test)]
mod tests;
