//! Each condition, with its reason.

use crds::{
    LiveStream, MediaExposure,
    conditions::{
        AddressReachable, BusReachable, Enhancing, Publishing, Ready, Reconciling, ScalingActive, Stalled, Training,
        condition,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    Situation,
    troubles::{Trouble, of_refusal, trouble},
};
use crate::{
    autoscaling::Activity,
    desired::EnhancerWanted,
    names::{PodName, Role},
    views::PodView,
};

type Said<R> = (R, String);

pub(super) fn conditions(at: Situation<'_>, now: &Time) -> Vec<Condition> {
    let generation = at.stream.metadata.generation.unwrap_or(0);
    let ready = ready(at);
    let stalled = stalled(at, &ready);
    macro_rules! each {
        ($($said:expr),+ $(,)?) => { vec![$({
            let (reason, message) = $said;
            condition(reason, &message, generation, now)
        }),+] };
    }
    each![
        ready,
        publishing(at),
        training(at),
        enhancing(at),
        address_reachable(at),
        bus_reachable(at),
        reconciling(at),
        stalled,
    ]
    .into_iter()
    .chain(scaling(at, generation, now))
    .collect()
}

/// As the scaler says it.
fn scaling(at: Situation<'_>, generation: i64, now: &Time) -> Vec<Condition> {
    let Some(scaling) = &at.observed.scaling else { return Vec::new() };
    let (active, limited) = (&scaling.active, &scaling.limited);
    vec![
        condition(active.reason, active.message, generation, now),
        condition(limited.reason, limited.message, generation, now),
    ]
}

fn say<R>(reason: R, message: impl Into<String>) -> Said<R> {
    (reason, message.into())
}

fn ready(at: Situation<'_>) -> Said<Ready> {
    if at.stream.metadata.deletion_timestamp.is_some() {
        return say(Ready::Deleting, "");
    }
    if at.stream.spec.paused {
        return say(Ready::Paused, "spec.paused is true");
    }
    if needs_host_port(at.stream) && at.observed.media_port.is_none() {
        return say(Ready::NoFreePort, "every host port of the operator's range is taken or rests");
    }
    let name = PodName::new(Role::MediaNode, 0);
    let pod = at.observed.media_node();
    if let Some((trouble, message)) = trouble(name, pod, None, &at.observed.memory, at.now) {
        let reason = match trouble {
            Trouble::NoAccelerator | Trouble::Unschedulable => Ready::Unschedulable,
            Trouble::ImageUnavailable => Ready::ImageUnavailable,
            Trouble::CrashLooping => Ready::CrashLooping,
            Trouble::Lost => Ready::PodLost,
            Trouble::QuotaExceeded => Ready::QuotaExceeded,
            Trouble::Refused | Trouble::NameTaken | Trouble::Invalid => Ready::PodRefused,
            Trouble::NamespaceEnds => Ready::Deleting,
        };
        let hint = if message.contains("hostPort") { ": choose another spec.relay.media.exposure" } else { "" };
        return say(reason, format!("{message}{hint}"));
    }
    if let Some(missing) = &at.observed.memory.secret_missing {
        return say(Ready::SecretMissing, missing);
    }
    let Some(pod) = pod.filter(|pod| pod.is_alive()) else {
        return say(Ready::Starting, "the media-node's pod is being made");
    };
    if !pod.containers_ready {
        return say(Ready::Starting, "the media-node starts");
    }
    if pod.advertised.is_empty() {
        return say(Ready::AddressPending, "the media-node has no address yet that publishers and viewers reach");
    }
    if !pod.ready {
        return say(Ready::AddressPending, format!("the media-node was not reached at {} yet", pod.advertised));
    }
    say(Ready::Accepting, "")
}

fn publishing(at: Situation<'_>) -> Said<Publishing> {
    match (running_media_node(at), &at.observed.report) {
        (None, _) => say(Publishing::NotRunning, ""),
        (_, None) => say(Publishing::NoReport, ""),
        (_, Some(report)) if report.publishing => say(Publishing::PublisherConnected, ""),
        _ => say(Publishing::NoPublisher, ""),
    }
}

fn training(at: Situation<'_>) -> Said<Training> {
    let spec = &at.stream.spec;
    if !spec.training.enabled {
        return say(Training::Disabled, "spec.training.enabled is false");
    }
    if spec.paused {
        return say(Training::Paused, "spec.paused is true");
    }
    let wanted: Vec<PodName> = at.desired.pods.keys().copied().filter(|pod| pod.role == Role::Trainer).collect();
    if wanted.is_empty() {
        return match at.observed.scaling.as_ref().map(|scaling| scaling.active.reason) {
            Some(ScalingActive::NobodyPublishes) => say(Training::NoPublisher, ""),
            Some(ScalingActive::Saturated) => say(Training::Saturated, ""),
            _ => say(Training::ScaledToZero, ""),
        };
    }
    let ready: Vec<_> = wanted.iter().filter(|pod| at.observed.pod(**pod).is_some_and(|pod| pod.ready)).collect();
    if !ready.is_empty() {
        let activity = ready.iter().filter_map(|pod| at.observed.activities.get(pod)).map(|said| said.activity).max();
        return match activity {
            None => say(Training::NoReport, ""),
            Some(Activity::Training) => say(Training::Running, ""),
            Some(Activity::Suspended) => say(Training::Saturated, "the gain has saturated"),
            Some(Activity::Waiting | Activity::Draining) => say(Training::WaitingForPatches, ""),
        };
    }
    let accelerator = spec.training.accelerator.as_ref();
    let mut troubles =
        wanted.iter().filter_map(|pod| trouble(*pod, at.observed.pod(*pod), accelerator, &at.observed.memory, at.now));
    // What stands in matters most: it is what would work.
    match troubles.next_back() {
        None => say(Training::Starting, ""),
        Some((trouble, message)) => {
            let reason = match trouble {
                Trouble::NoAccelerator => Training::NoAccelerator,
                Trouble::Unschedulable => Training::Unschedulable,
                Trouble::ImageUnavailable => Training::ImageUnavailable,
                Trouble::CrashLooping => Training::CrashLooping,
                Trouble::Lost | Trouble::NamespaceEnds => Training::PodLost,
                Trouble::QuotaExceeded => Training::QuotaExceeded,
                Trouble::Refused | Trouble::NameTaken | Trouble::Invalid => Training::PodRefused,
            };
            say(reason, message)
        }
    }
}

fn enhancing(at: Situation<'_>) -> Said<Enhancing> {
    match at.desired.enhancer {
        EnhancerWanted::Disabled => return say(Enhancing::Disabled, "spec.enhancement.mode is Disabled"),
        EnhancerWanted::Paused => return say(Enhancing::Paused, "spec.paused is true"),
        EnhancerWanted::NobodyPublishes => return say(Enhancing::NoPublisher, ""),
        EnhancerWanted::NoAccelerator => {
            return say(Enhancing::Bicubic, "no accelerator is free; another try every 5 minutes");
        }
        EnhancerWanted::Yes => {}
    }
    let enhancer = PodName::new(Role::Enhancer, 0);
    let (pod, stand_in) = (at.observed.pod(enhancer), at.observed.pod(enhancer.stand_in()));
    let is_ready = |pod: Option<&PodView>| pod.is_some_and(|pod| pod.ready);
    if is_ready(pod) || is_ready(stand_in) {
        return match &at.observed.report {
            None => say(Enhancing::NoReport, ""),
            Some(report) if !report.publishing => say(Enhancing::NoPublisher, ""),
            Some(report) if !report.enhanced_live => say(Enhancing::Starting, "the enhanced picture is not live yet"),
            Some(_) if is_ready(pod) => say(Enhancing::Live, ""),
            Some(_) => say(Enhancing::LiveOnCpu, ""),
        };
    }
    let accelerator = at.stream.spec.enhancement.accelerator.as_ref();
    let name = if at.desired.pods.contains_key(&enhancer.stand_in()) { enhancer.stand_in() } else { enhancer };
    match trouble(name, at.observed.pod(name), accelerator, &at.observed.memory, at.now) {
        None => say(Enhancing::Starting, ""),
        Some((trouble, message)) => {
            let reason = match trouble {
                Trouble::NoAccelerator => Enhancing::NoAccelerator,
                Trouble::Unschedulable => Enhancing::Unschedulable,
                Trouble::ImageUnavailable => Enhancing::ImageUnavailable,
                Trouble::CrashLooping => Enhancing::CrashLooping,
                Trouble::Lost | Trouble::NamespaceEnds => Enhancing::PodLost,
                Trouble::QuotaExceeded => Enhancing::QuotaExceeded,
                Trouble::Refused | Trouble::NameTaken | Trouble::Invalid => Enhancing::PodRefused,
            };
            say(reason, message)
        }
    }
}

fn address_reachable(at: Situation<'_>) -> Said<AddressReachable> {
    let Some(pod) = running_media_node(at) else { return say(AddressReachable::NotRunning, "") };
    if pod.advertised.is_empty() {
        return say(AddressReachable::AddressPending, "");
    }
    match at.observed.reachable.or(pod.reachable) {
        Some(true) => say(AddressReachable::ProbeAnswered, &pod.advertised),
        Some(false) => say(AddressReachable::ProbeUnanswered, format!("no answer from {}", pod.advertised)),
        None => say(AddressReachable::NotProbed, ""),
    }
}

fn bus_reachable(at: Situation<'_>) -> Said<BusReachable> {
    match at.observed.bus_connected {
        Some(true) => say(BusReachable::Connected, ""),
        Some(false) => say(BusReachable::Disconnected, "NATS is away: what was decided last stays"),
        None => say(BusReachable::NotTried, ""),
    }
}

fn reconciling(at: Situation<'_>) -> Said<Reconciling> {
    if at.stream.metadata.deletion_timestamp.is_some() {
        return say(Reconciling::Deleting, "");
    }
    match at.failure {
        Some(failure) => say(Reconciling::Retrying, failure),
        None if at.waiting => say(Reconciling::Progressing, "something must be gone first, or waits for its next try"),
        None => say(Reconciling::InSync, ""),
    }
}

fn stalled(at: Situation<'_>, (ready, message): &Said<Ready>) -> Said<Stalled> {
    let reason = match ready {
        Ready::SecretMissing => Stalled::SecretMissing,
        Ready::ImageUnavailable => Stalled::ImageUnavailable,
        Ready::CrashLooping => Stalled::CrashLooping,
        Ready::Unschedulable => Stalled::Unschedulable,
        Ready::QuotaExceeded => Stalled::QuotaExceeded,
        Ready::PodRefused => Stalled::PodRefused,
        Ready::NoFreePort => Stalled::NoFreePort,
        _ => return others_refused(at),
    };
    say(reason, message)
}

/// Services, Secret, Ingress.
fn others_refused(at: Situation<'_>) -> Said<Stalled> {
    let Some(((_, name), setback)) = at.observed.memory.refused.first_key_value() else {
        return say(Stalled::Unobstructed, "");
    };
    let reason = match of_refusal(setback.why.reason) {
        Trouble::NameTaken => Stalled::NameTaken,
        Trouble::QuotaExceeded => Stalled::QuotaExceeded,
        Trouble::Invalid => Stalled::InvalidSpec,
        _ => Stalled::PodRefused,
    };
    say(reason, format!("{name}: {}", setback.why.message))
}

fn running_media_node<'a>(at: Situation<'a>) -> Option<&'a PodView> {
    at.observed.media_node().filter(|pod| pod.is_alive() && pod.containers_ready)
}

fn needs_host_port(stream: &LiveStream) -> bool {
    stream.spec.relay.media.exposure == MediaExposure::HostPort
}
