//! What a stream's children are to be. Pure: the same stream, observations and time give the same children.
//!
//! ```text
//! accelerators  who runs where: on an accelerator, on the CPU, or not now
//! pods          the pod of each role: settings, volumes, probes, security
//! overlay       what the user adds to them
//! services      Services and Ingress
//! ```

mod accelerators;
mod overlay;
mod pods;
mod services;

use std::collections::BTreeMap;

use crds::{EnhancementMode, LiveStream, OnNoEnhancerAccelerator, OnNoTrainerAccelerator};
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
    names::{PodName, Role},
    observe::Observed,
    options::Options,
    stores::Kind,
};
pub(crate) use accelerators::Placement;
pub(crate) use accelerators::waiting_since;
pub(crate) use pods::{INTERNAL_TOKEN_KEY, MEDIA_PORT, nats_key};
pub(crate) use services::{metadata, owner};

#[derive(Clone, Debug)]
pub(crate) struct Desired {
    /// In the order of their names: the media-node first.
    pub pods: BTreeMap<PodName, Pod>,
    /// The Services that are to exist; empty while nothing is known to be needed or unneeded.
    pub services: Vec<Service>,
    pub ingress: Option<Ingress>,
    pub enhancer: EnhancerWanted,
    /// When the answer may be another one without anything having been seen.
    pub again_at: Option<Timestamp>,
    /// Without an accelerator free, no enhancer is tried before this.
    pub accelerator_due_at: Option<Timestamp>,
}

impl Desired {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnhancerWanted {
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
    let mut again_at = Earliest(None);
    let spec = &stream.spec;
    let mut wanted: Vec<(PodName, Placement)> = Vec::new();
    let mut enhancer = enhancer_wanted(stream, observed, &mut again_at, now);
    let mut accelerator_due_at = observed.memory.accelerator_due_at;
    if !spec.paused && stream.metadata.deletion_timestamp.is_none() {
        wanted.push((PodName::new(Role::MediaNode, 0), Placement::Cpu));
        if enhancer == EnhancerWanted::Yes {
            let policy = match spec.enhancement.on_no_accelerator {
                OnNoEnhancerAccelerator::Cpu => accelerators::WhenNoneIsFree::UseCpu,
                OnNoEnhancerAccelerator::Wait => accelerators::WhenNoneIsFree::Wait,
                OnNoEnhancerAccelerator::Bicubic => accelerators::WhenNoneIsFree::DoWithout,
            };
            let placed = accelerators::place(
                PodName::new(Role::Enhancer, 0),
                spec.enhancement.accelerator.as_ref(),
                policy,
                observed,
                now,
            );
            again_at.add(placed.again_at);
            accelerator_due_at = placed.due_at;
            if placed.pods.is_empty() {
                enhancer = EnhancerWanted::NoAccelerator;
            }
            wanted.extend(placed.pods);
        }
        let policy = match spec.training.on_no_accelerator {
            OnNoTrainerAccelerator::Cpu => accelerators::WhenNoneIsFree::UseCpu,
            OnNoTrainerAccelerator::Wait => accelerators::WhenNoneIsFree::Wait,
        };
        for ordinal in observed.trainers.iter().filter(|_| spec.training.enabled) {
            let trainer = PodName::new(Role::Trainer, *ordinal);
            let placed = accelerators::place(trainer, spec.training.accelerator.as_ref(), policy, observed, now);
            again_at.add(placed.again_at);
            wanted.extend(placed.pods);
        }
    }
    let pods = wanted
        .into_iter()
        .filter_map(|(pod, placement)| Some((pod, pods::pod(stream, name, pod, placement, observed, options)?)))
        .collect();
    Desired {
        pods,
        services: services::services(stream, name),
        ingress: services::ingress(stream, name),
        enhancer,
        again_at: again_at.0,
        accelerator_due_at,
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
