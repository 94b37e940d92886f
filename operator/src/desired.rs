//! What a stream's children are to be. Pure: the same stream, observations and time give the same children.
//!
//! ```text
//! succession    who follows whom: the successor first
//! accelerators  who runs where: on an accelerator, on the CPU, or not now
//! pods          the pod of each role: settings, volumes, probes, security
//! overlay       what the user adds to them
//! services      Services and Ingress
//! ```

mod accelerators;
mod overlay;
mod pods;
mod services;
mod succession;

use std::collections::BTreeMap;

use crds::{EnhancementMode, LiveStream, MediaExposure, OnNoEnhancerAccelerator, OnNoTrainerAccelerator};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        core::v1::{Pod, Service},
        networking::v1::Ingress,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use proto::StreamName;

use crate::{
    memory::AcceleratorWait,
    names::{PodName, Role},
    observe::Observed,
    options::Options,
    stores::Kind,
};
use accelerators::WhenNoneIsFree;
pub(crate) use accelerators::{Placement, waiting_since};
use pods::Template;
pub(crate) use pods::{INTERNAL_TOKEN_KEY, MEDIA_PORT, nats_key};
pub(crate) use services::{metadata, owner};
pub(crate) use succession::{Other, wants_room};
use succession::{Succession, succession};

#[derive(Clone, Debug, Default)]
pub(crate) struct Desired {
    /// In the order of their names: the media-node first.
    pub pods: BTreeMap<PodName, Pod>,
    /// What becomes of pods that are followed by one of these.
    pub others: BTreeMap<PodName, Other>,
    /// Who takes over from whom.
    pub moves: Vec<Move>,
    /// The media-node there is to be, whether it exists or not. Not among the pods: there is no host port for it.
    pub media_node: Option<PodName>,
    /// The Services that are to exist; empty while nothing is known to be needed or unneeded.
    pub services: Vec<Service>,
    pub ingress: Option<Ingress>,
    pub enhancer: EnhancerWanted,
    /// When the answer may be another one without anything having been seen.
    pub again_at: Earliest,
    /// Without an accelerator free, no enhancer is tried before this.
    pub accelerator_due_at: Option<Timestamp>,
    pub accelerator_wait: AcceleratorWait,
}

/// One pod takes over from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub from: PodName,
    pub to: PodName,
}

impl Desired {
    /// The pod there is to be of a slot.
    pub(crate) fn of_slot(&self, slot: PodName) -> Option<&Pod> {
        self.pods.iter().find(|(name, _)| name.slot() == slot).map(|(_, pod)| pod)
    }

    /// Whether an object that is no pod is to exist.
    pub(crate) fn has(&self, (kind, object): &(Kind, String), stream: &StreamName) -> bool {
        let named = |metadata: &ObjectMeta| metadata.name.as_ref() == Some(object);
        match kind {
            Kind::Service => self.services.iter().any(|service| named(&service.metadata)),
            Kind::Ingress => self.ingress.as_ref().is_some_and(|ingress| named(&ingress.metadata)),
            Kind::Secret => *object == crds::children::secret_name(stream.name()),
            Kind::Stream | Kind::Pod => false,
        }
    }
}

/// Whether there is to be an enhancer, and why not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EnhancerWanted {
    #[default]
    Yes,
    Disabled,
    Paused,
    /// For longer than `ingest.idleTimeoutSeconds`.
    NobodyPublishes,
    /// No accelerator is free, and the spec does without then.
    NoAccelerator,
}

pub(crate) fn desired(
    stream: &LiveStream,
    name: &StreamName,
    observed: &Observed,
    options: &Options,
    now: Timestamp,
) -> Desired {
    let mut plan = Plan { stream, name, observed, options, now, desired: Desired::default() };
    let again_at = &mut plan.desired.again_at;
    plan.desired.enhancer = enhancer_wanted(stream, observed, again_at, now);
    plan.desired.accelerator_due_at = observed.memory.accelerator_due_at;
    plan.desired.accelerator_wait = observed.memory.accelerator_wait;
    if lives(stream) {
        plan.media_node();
        if plan.desired.enhancer == EnhancerWanted::Yes {
            plan.enhancer();
        }
        plan.trainers();
    }
    let serving = serving(observed, plan.desired.media_node);
    Desired {
        services: services::services(stream, name, serving),
        ingress: services::ingress(stream, name),
        ..plan.desired
    }
}

/// Whether a media-node is to be made that needs a host port: one is set aside for it then.
pub(crate) fn wants_media_port(
    stream: &LiveStream,
    name: &StreamName,
    observed: &Observed,
    options: &Options,
    now: Timestamp,
) -> bool {
    if !lives(stream) || stream.spec.relay.media.exposure != MediaExposure::HostPort {
        return false;
    }
    let template = Template::new(stream, name, Role::MediaNode, Placement::Cpu, options);
    let next = succession(MEDIA_NODE, &template, observed, now).pod;
    !observed.pods.contains_key(&next)
}

const MEDIA_NODE: PodName = PodName { role: Role::MediaNode, ordinal: 0, stand_in: false };
const ENHANCER: PodName = PodName { role: Role::Enhancer, ordinal: 0, stand_in: false };

/// It is to have pods.
fn lives(stream: &LiveStream) -> bool {
    !stream.spec.paused && stream.metadata.deletion_timestamp.is_none()
}

/// Whom the Services are to select: the successor as soon as it is ready, until then whom they select, as long as that one
/// runs.
fn serving(observed: &Observed, next: Option<PodName>) -> PodName {
    let is_ready = |name: &PodName| observed.pod(*name).is_some_and(|pod| pod.is_alive() && pod.ready);
    let others = || observed.media_node().map(|(name, _)| name).filter(|name| observed.selected == Some(*name));
    let any_ready = || observed.pods_of(Role::MediaNode).map(|(name, _)| name).find(is_ready);
    next.filter(is_ready).or_else(others).or_else(any_ready).or(next).unwrap_or(MEDIA_NODE)
}

struct Plan<'a> {
    stream: &'a LiveStream,
    name: &'a StreamName,
    observed: &'a Observed,
    options: &'a Options,
    now: Timestamp,
    desired: Desired,
}

impl<'a> Plan<'a> {
    fn media_node(&mut self) {
        let template = self.template(Role::MediaNode, Placement::Cpu);
        let succession = self.succession(MEDIA_NODE, &template);
        self.desired.media_node = Some(succession.pod);
        self.follow(&succession, &template);
    }

    fn enhancer(&mut self) {
        let spec = &self.stream.spec.enhancement;
        let policy = match spec.on_no_accelerator {
            OnNoEnhancerAccelerator::Cpu => WhenNoneIsFree::UseCpu,
            OnNoEnhancerAccelerator::Wait => WhenNoneIsFree::Wait,
            OnNoEnhancerAccelerator::Bicubic => WhenNoneIsFree::DoWithout,
        };
        let placement = spec.accelerator.as_ref().map_or(Placement::Cpu, Placement::Accelerator);
        let template = self.template(Role::Enhancer, placement);
        let succession = self.succession(ENHANCER, &template);
        let old = succession.predecessor.and_then(|old| self.observed.pod(old));
        let wait = self.observed.memory.accelerator_wait.next(old.is_some(), self.now);
        let placed = accelerators::place(
            accelerators::Asked { pod: succession.pod, old, wait },
            spec.accelerator.as_ref(),
            policy,
            self.observed,
            self.now,
        );
        self.desired.again_at.add(placed.again_at);
        (self.desired.accelerator_due_at, self.desired.accelerator_wait) = (placed.due_at, wait);
        if placed.pods.is_empty() {
            self.desired.enhancer = EnhancerWanted::NoAccelerator;
            return;
        }
        self.follow(&succession, &template);
        if placed.pods.iter().any(|(pod, _)| pod.stand_in) {
            let template = self.template(Role::Enhancer, Placement::Cpu);
            let succession = self.succession(ENHANCER.stand_in(), &template);
            self.follow(&succession, &template);
        }
    }

    fn trainers(&mut self) {
        let spec = &self.stream.spec.training;
        let policy = match spec.on_no_accelerator {
            OnNoTrainerAccelerator::Cpu => WhenNoneIsFree::UseCpu,
            OnNoTrainerAccelerator::Wait => WhenNoneIsFree::Wait,
        };
        for ordinal in self.observed.trainers.iter().filter(|_| spec.enabled) {
            let pod = PodName::new(Role::Trainer, *ordinal);
            let asked = accelerators::Asked { pod, old: None, wait: AcceleratorWait::Always };
            let placed = accelerators::place(asked, spec.accelerator.as_ref(), policy, self.observed, self.now);
            self.desired.again_at.add(placed.again_at);
            for (pod, placement) in placed.pods {
                self.make(pod, &self.template(Role::Trainer, placement));
            }
        }
    }

    fn template(&self, role: Role, placement: Placement<'_>) -> Template {
        Template::new(self.stream, self.name, role, placement, self.options)
    }

    fn succession(&self, slot: PodName, template: &Template) -> Succession {
        succession(slot, template, self.observed, self.now)
    }

    fn follow(&mut self, succession: &Succession, template: &Template) {
        self.make(succession.pod, template);
        self.desired.again_at.add(succession.again_at);
        self.desired.others.extend(succession.others.clone());
        let to = succession.pod;
        self.desired.moves.extend(succession.predecessor.map(|from| Move { from, to }));
    }

    /// One that exists keeps its host port.
    fn make(&mut self, pod: PodName, template: &Template) {
        let host_port = match self.observed.pod(pod) {
            Some(present) => present.media_port,
            None => self.observed.media_port,
        };
        self.desired.pods.extend(template.pod(self.name, pod, host_port).map(|made| (pod, made)));
    }
}

fn enhancer_wanted(
    stream: &LiveStream,
    observed: &Observed,
    again_at: &mut Earliest,
    now: Timestamp,
) -> EnhancerWanted {
    if stream.spec.enhancement.mode == EnhancementMode::Disabled {
        return EnhancerWanted::Disabled;
    }
    if stream.spec.paused {
        return EnhancerWanted::Paused;
    }
    let Some(report) = &observed.report else {
        return without_report(stream, observed);
    };
    if report.publishing {
        return EnhancerWanted::Yes;
    }
    let idle_since = i64::try_from(report.idle_since_unix_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    let Some(idle_since) = idle_since.filter(|since| *since > Timestamp::UNIX_EPOCH) else {
        return EnhancerWanted::Yes;
    };
    let ends_at = idle_since + SignedDuration::from_secs(stream.spec.ingest.idle_timeout_seconds.into());
    if now < ends_at {
        again_at.add(Some(ends_at));
        // One that went for want of a publisher does not come back for the rest of the time.
        return without_report(stream, observed);
    }
    EnhancerWanted::NobodyPublishes
}

/// What was decided last stays.
fn without_report(stream: &LiveStream, observed: &Observed) -> EnhancerWanted {
    let away = stream.status.as_ref().and_then(|status| status.condition(crds::ConditionType::Enhancing));
    let away = away.is_some_and(|condition| condition.reason == "NoPublisher");
    let exists = observed.pods_of(Role::Enhancer).any(|(_, pod)| !pod.meta.is_deleting());
    if away && !exists { EnhancerWanted::NobodyPublishes } else { EnhancerWanted::Yes }
}

/// The earliest of several times.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Earliest(pub(crate) Option<Timestamp>);

impl Earliest {
    pub(crate) fn add(&mut self, at: Option<Timestamp>) {
        self.0 = match (self.0, at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

#[cfg(test)]
mod tests;
