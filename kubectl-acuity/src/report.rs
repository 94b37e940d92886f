//! One stream as the commands show it: what the operator says of it, its pods, and why it is not ready. Pure.

use crds::{ConditionType, LiveStream, LiveStreamStatus, Role, children};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::ResourceExt;
use serde::Serialize;

/// Reasons of Training and Enhancing that say that something is wrong, not that there is nothing to do.
const TROUBLES: [&str; 7] =
    ["NoAccelerator", "Unschedulable", "ImageUnavailable", "CrashLooping", "PodLost", "QuotaExceeded", "PodRefused"];

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamReport {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) created_at: Option<Timestamp>,
    #[serde(flatten)]
    pub(crate) status: LiveStreamStatus,
    pub(crate) pods: Vec<PodReport>,
    /// What keeps it from being as the spec says; empty when nothing does.
    pub(crate) why: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodReport {
    pub(crate) name: String,
    pub(crate) role: String,
    /// In a word, as kubectl says it.
    pub(crate) state: String,
    pub(crate) ready: bool,
    pub(crate) restarts: i32,
    pub(crate) node: Option<String>,
    pub(crate) created_at: Option<Timestamp>,
    /// Why it is in that state, where somebody says.
    pub(crate) message: String,
}

impl StreamReport {
    /// `pods`: of this stream and of others.
    pub(crate) fn new(stream: &LiveStream, pods: &[Pod]) -> Self {
        let (namespace, name) = (stream.namespace().unwrap_or_default(), stream.name_any());
        let of_stream = |pod: &&Pod| {
            pod.namespace().as_ref() == Some(&namespace) && pod.labels().get(children::STREAM_LABEL) == Some(&name)
        };
        let mut pods: Vec<_> = pods.iter().filter(of_stream).map(PodReport::new).collect();
        pods.sort_by_key(|pod| PodReport::order(&name, &pod.name));
        let status = stream.status.clone().unwrap_or_default();
        let why = why(stream.metadata.generation.unwrap_or_default(), &status, &pods);
        let created_at = stream.creation_timestamp().map(|time| time.0);
        Self { namespace, name, created_at, status, pods, why }
    }

    pub(crate) fn state_of(&self, condition: ConditionType) -> &str {
        self.status.condition(condition).map_or("Unknown", |condition| condition.status.as_str())
    }

    pub(crate) fn reason_of(&self, condition: ConditionType) -> &str {
        self.status.condition(condition).map_or("", |condition| condition.reason.as_str())
    }
}

impl PodReport {
    pub(crate) fn new(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        let (state, message) = state(pod, containers);
        Self {
            name: pod.name_any(),
            role: pod.labels().get(children::COMPONENT_LABEL).cloned().unwrap_or_default(),
            state,
            ready: is_condition_true(pod, "Ready"),
            restarts: containers.iter().map(|container| container.restart_count).sum(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            created_at: pod.creation_timestamp().map(|time| time.0),
            message,
        }
    }

    pub(crate) fn is_running(pod: &Pod) -> bool {
        pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
    }

    /// The media-node first, then by ordinal.
    pub(crate) fn order(stream: &str, pod: &str) -> (Option<Role>, u32, String) {
        let named = children::parse_pod_name(stream, pod.strip_suffix("-cpu").unwrap_or(pod));
        (named.map(|(role, _)| role), named.map_or(0, |(_, ordinal)| ordinal), pod.to_owned())
    }
}

fn state(pod: &Pod, containers: &[ContainerStatus]) -> (String, String) {
    let status = pod.status.clone().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() {
        return ("Terminating".to_owned(), String::new());
    }
    if let Some(reason) = status.reason {
        return (reason, status.message.unwrap_or_default());
    }
    let waiting = containers.iter().find_map(|container| container.state.as_ref()?.waiting.as_ref());
    if let Some(waiting) = waiting {
        let last = containers.iter().find_map(|container| container.last_state.as_ref()?.terminated.as_ref());
        let ended = last.map(|last| format!("; it ended with {} before", last.exit_code)).unwrap_or_default();
        let message = format!("{}{ended}", waiting.message.as_deref().unwrap_or_default());
        return (waiting.reason.clone().unwrap_or_else(|| "Waiting".to_owned()), message);
    }
    let phase = status.phase.unwrap_or_else(|| "Pending".to_owned());
    let conditions = status.conditions.unwrap_or_default();
    let mut closed = conditions.into_iter().filter(|condition| condition.status == "False");
    match closed.find(|condition| ["PodScheduled", "Ready"].contains(&condition.type_.as_str())) {
        Some(condition) if phase == "Pending" => {
            (condition.reason.unwrap_or(phase), condition.message.unwrap_or_default())
        }
        Some(condition) => (phase, condition.message.unwrap_or_default()),
        None => (phase, String::new()),
    }
}

fn is_condition_true(pod: &Pod, kind: &str) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == kind && condition.status == "True")
}

/// The story, from the whole to its parts.
fn why(generation: i64, status: &LiveStreamStatus, pods: &[PodReport]) -> Vec<String> {
    if status.observed_generation < 0 {
        return vec!["the operator has not looked at this stream yet: does it run, and for this namespace?".to_owned()];
    }
    let mut why = Vec::new();
    if status.observed_generation < generation {
        why.push(format!(
            "the operator has not answered the newest spec (generation {generation}) yet: it answered {}",
            status.observed_generation
        ));
    }
    let conditions = ConditionType::ALL.iter().filter_map(|&kind| Some((kind, status.condition(kind)?)));
    why.extend(conditions.filter(|(kind, condition)| is_trouble(*kind, condition)).map(|(kind, condition)| {
        let meaning = kind.reasons().iter().find(|(reason, ..)| *reason == condition.reason);
        let meaning = meaning.map_or(condition.reason.as_str(), |(_, _, meaning)| meaning.trim());
        match condition.message.as_str() {
            "" => format!("{}: {meaning}", kind.as_str()),
            message => format!("{}: {meaning} {message}", kind.as_str()),
        }
    }));
    let unready = pods.iter().filter(|pod| !pod.ready && !pod.message.is_empty());
    why.extend(unready.map(|pod| format!("pod {}: {}: {}", pod.name, pod.state, pod.message)));
    why
}

fn is_trouble(kind: ConditionType, condition: &Condition) -> bool {
    match kind {
        ConditionType::Ready => condition.status != "True",
        ConditionType::AddressReachable | ConditionType::BusReachable => condition.status == "False",
        ConditionType::Stalled => condition.status == "True",
        ConditionType::Training | ConditionType::Enhancing => TROUBLES.contains(&condition.reason.as_str()),
        _ => false,
    }
}
