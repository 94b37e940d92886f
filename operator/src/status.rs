//! What the user is told. Pure: computed in one place, from what is observed, desired and remembered.

mod conditions;
mod numbers;
mod troubles;

use std::collections::BTreeSet;

use crds::{Endpoints, EnhancerStatus, LiveStream, LiveStreamStatus, SignallingExposure, TrainersStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proto::StreamName;

use crate::{addresses::parse_annotation, desired::Desired, names::Role, observe::Observed};

/// Numbers change all the time: they are not written more often than this.
const NUMBERS_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// A status, and when it may be another one although nothing was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub status: LiveStreamStatus,
    pub numbers_changed: bool,
    pub again_at: Option<Timestamp>,
}

/// Everything a status is made from.
#[derive(Clone, Copy)]
pub(crate) struct Situation<'a> {
    pub stream: &'a LiveStream,
    pub name: &'a StreamName,
    pub observed: &'a Observed,
    pub desired: &'a Desired,
    /// Something is on its way out, or waits for a later try.
    pub waiting: bool,
    /// A request has to be tried again, and why.
    pub failure: Option<&'a str>,
    pub now: Timestamp,
}

#[must_use]
pub(crate) fn status(situation: Situation<'_>) -> Answer {
    let Situation { stream, name, observed, desired, now, .. } = situation;
    let old = stream.status.clone().unwrap_or_default();
    let mut status = LiveStreamStatus {
        observed_generation: stream.metadata.generation.unwrap_or(0),
        conditions: old.conditions.clone(),
        endpoints: endpoints(stream, name, observed),
        trainers: Some(trainers(name, observed, desired)),
        enhancer: Some(EnhancerStatus { ready: observed.pods_of(Role::Enhancer).any(|(_, pod)| pod.ready) }),
        ..LiveStreamStatus::default()
    };
    for condition in conditions::conditions(situation, &seconds(now)) {
        status.set_condition(condition);
    }
    let mut again_at = None;
    let numbers = numbers::numbers(observed);
    let mut numbers_changed = numbers != numbers::Numbers::of(&old);
    let due_at = observed.memory.numbers_written_at.map(|at| at + NUMBERS_EVERY);
    if numbers_changed && due_at.is_some_and(|at| at > now) && numbers.is_like(&old) {
        numbers::Numbers::of(&old).write(&mut status);
        (again_at, numbers_changed) = (due_at, false);
    } else {
        numbers.write(&mut status);
    }
    Answer { status, numbers_changed, again_at }
}

fn trainers(name: &StreamName, observed: &Observed, desired: &Desired) -> TrainersStatus {
    let wanted = desired.pods.keys().filter(|pod| pod.role == Role::Trainer && !pod.stand_in).count();
    let wanted =
        observed.scaling.as_ref().map_or(u32::try_from(wanted).unwrap_or(u32::MAX), |scaling| scaling.replicas);
    let ready: BTreeSet<u32> =
        observed.pods_of(Role::Trainer).filter(|(_, pod)| pod.ready).map(|(name, _)| name.ordinal).collect();
    TrainersStatus {
        desired: wanted,
        ready: u32::try_from(ready.len()).unwrap_or(u32::MAX),
        selector: crds::children::selector(name.name(), Role::Trainer),
    }
}

/// As long as the host is not known, none.
fn endpoints(stream: &LiveStream, name: &StreamName, observed: &Observed) -> Option<Endpoints> {
    let signalling = &stream.spec.relay.signalling;
    let service = observed.services.get(name.name());
    let base = match signalling.exposure {
        SignallingExposure::NodePort => {
            let port = service?.node_ports.get("http")?;
            format!("http://{}:{port}", bracketed(&host(observed)?))
        }
        SignallingExposure::LoadBalancer => {
            format!("http://{}", bracketed(service?.ingress.first()?))
        }
        SignallingExposure::Ingress => {
            let scheme = if signalling.tls_secret_ref.is_some() { "https" } else { "http" };
            format!("{scheme}://{}", signalling.host.as_ref()?)
        }
        SignallingExposure::ClusterIP => format!("http://{}.{}.svc", name.name(), name.namespace()),
    };
    Some(Endpoints { whip: format!("{base}/whip"), whep: format!("{base}/whep"), page: format!("{base}/") })
}

/// As the API server writes times.
fn seconds(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// Every node serves a node port; the one that media come to does for sure.
fn host(observed: &Observed) -> Option<String> {
    let (name, pod) = observed.media_node()?;
    let advertised = parse_annotation(observed.advertised.get(&name).map_or(&pod.advertised, |advertised| advertised));
    let first = advertised.first().map(|address| address.ip().to_string());
    first.or_else(|| pod.host_ip.clone())
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests;
