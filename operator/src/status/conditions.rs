//! Each condition, with its reason.

use crds::conditions::{
    AddressReachable, BusReachable, Enhancing, Publishing, Ready, Reconciling, ScalingActive, Stalled, Training,
    condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    Situation,
    troubles::{Trouble, of_refusal, trouble},
};
use crate::{
    autoscaling::Activity,
    desired::{EnhancerWanted, Move, Other, wants_room},
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
    let serving = serving_media_node(at);
    let obstacle = serving.map(|(name, _)| name).or(at.desired.media_node).and_then(|name| obstacle(at, name));
    if let Some(said) = obstacle {
        return said;
    }
    let Some((_, pod)) = serving else {
        return match at.desired.moves.iter().find(|step| step.to.role == Role::MediaNode) {
            Some(step) => say(Ready::Moving, moving(at, *step)),
            None => say(Ready::Starting, "the media-node's pod is being made"),
        };
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

/// The media-node that publishers and viewers come to, unless it is on its way out.
fn serving_media_node<'a>(at: Situation<'a>) -> Option<(PodName, &'a PodView)> {
    at.observed.media_node().filter(|(_, pod)| pod.is_alive())
}

/// What keeps a media-node from taking publishers.
fn obstacle(at: Situation<'_>, name: PodName) -> Option<Said<Ready>> {
    let pod = at.observed.pod(name);
    if pod.is_none() && !at.desired.pods.contains_key(&name) {
        return Some(say(Ready::NoFreePort, "every host port of the operator's range is taken or rests"));
    }
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
        return Some(say(reason, format!("{message}{hint}")));
    }
    let missing = at.observed.memory.secret_missing.as_ref().filter(|_| pod.is_none_or(|pod| !pod.containers_ready));
    missing.map(|missing| say(Ready::SecretMissing, missing))
}

fn moving(at: Situation<'_>, Move { from, to }: Move) -> String {
    let [from, to] = [from, to].map(|pod| pod.of(at.name.name()));
    format!("{to} is to take over from {from}")
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
    let mut ready = at.observed.pods_of(Role::Enhancer).filter(|(_, pod)| pod.ready).map(|(name, _)| name).peekable();
    if ready.peek().is_some() {
        return match &at.observed.report {
            None => say(Enhancing::NoReport, ""),
            Some(report) if !report.publishing => say(Enhancing::NoPublisher, ""),
            Some(report) if !report.enhanced_live => say(Enhancing::Starting, "the enhanced picture is not live yet"),
            Some(_) if ready.any(|pod| !pod.stand_in) => say(Enhancing::Live, ""),
            Some(_) => say(Enhancing::LiveOnCpu, ""),
        };
    }
    let accelerator = at.stream.spec.enhancement.accelerator.as_ref();
    // What stands in matters most: it is what would work.
    let name = at.desired.pods.keys().rfind(|pod| pod.role == Role::Enhancer && pod.stand_in);
    let name = name.or_else(|| at.desired.pods.keys().find(|pod| pod.role == Role::Enhancer));
    let name = name.copied().unwrap_or(PodName::new(Role::Enhancer, 0));
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
    let Some((name, pod)) = running_media_node(at) else { return say(AddressReachable::NotRunning, "") };
    if pod.advertised.is_empty() {
        return say(AddressReachable::AddressPending, "");
    }
    let probed = at.observed.probed.filter(|(probed, _)| *probed == name).map(|(_, reachable)| reachable);
    match probed.or(pod.reachable) {
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
        None if let Some(why) = making_room(at) => say(Reconciling::MakingRoom, why),
        None if let Some(step) = at.desired.moves.first() => say(Reconciling::Moving, moving(at, *step)),
        None if at.waiting => say(Reconciling::Progressing, "something must be gone first, or waits for its next try"),
        None => say(Reconciling::InSync, ""),
    }
}

/// Why a pod had to go before its successor can begin.
fn making_room(at: Situation<'_>) -> Option<&str> {
    let makes_room = at.desired.others.values().find_map(|other| match other {
        Other::MakesRoom(why) => Some(why.as_str()),
        _ => None,
    });
    let goes = |pod| at.observed.pod(pod).is_some_and(|pod| pod.meta.is_deleting());
    let waits = at.desired.moves.iter().filter(|step| goes(step.from)).find_map(|step| {
        let unschedulable = at.observed.pod(step.to)?.unschedulable.as_ref()?;
        Some(unschedulable.message.as_str()).filter(|message| wants_room(message))
    });
    makes_room.or(waits)
}

fn stalled(at: Situation<'_>, ready: &Said<Ready>) -> Said<Stalled> {
    stalled_by(ready).or_else(|| stalled_by(&successors_obstacle(at)?)).unwrap_or_else(|| others_refused(at))
}

/// What keeps the media-node that is to take over from doing so, other than a want of room.
fn successors_obstacle(at: Situation<'_>) -> Option<Said<Ready>> {
    let next = at.desired.media_node?;
    serving_media_node(at).filter(|(serving, _)| *serving != next)?;
    let (reason, message) = obstacle(at, next)?;
    let passes = reason == Ready::QuotaExceeded || reason == Ready::Unschedulable && wants_room(&message);
    (!passes).then(|| (reason, format!("{}: {message}", next.of(at.name.name()))))
}

fn stalled_by((ready, message): &Said<Ready>) -> Option<Said<Stalled>> {
    let reason = match ready {
        Ready::SecretMissing => Stalled::SecretMissing,
        Ready::ImageUnavailable => Stalled::ImageUnavailable,
        Ready::CrashLooping => Stalled::CrashLooping,
        Ready::Unschedulable => Stalled::Unschedulable,
        Ready::QuotaExceeded => Stalled::QuotaExceeded,
        Ready::PodRefused => Stalled::PodRefused,
        Ready::NoFreePort => Stalled::NoFreePort,
        _ => return None,
    };
    Some(say(reason, message))
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

fn running_media_node<'a>(at: Situation<'a>) -> Option<(PodName, &'a PodView)> {
    at.observed.media_node().filter(|(_, pod)| pod.ended.is_none() && pod.containers_ready)
}
