//! What becomes of a pod, and the status that a kubelet or a scheduler would write of it.

use std::net::IpAddr;

use k8s_openapi::{
    api::core::v1::{Container, Pod, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use serde_json::{Value, json};

/// What becomes of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// Placed on a node, running, and ready once its readiness gates are true.
    #[default]
    Run,
    /// Running, and never ready.
    NotReady,
    /// Nobody has looked at it yet.
    Pending,
    /// The scheduler finds no node for it.
    Unschedulable {
        message: String,
    },
    /// Its containers are being made, for ever.
    Creating,
    ImagePullBackOff,
    /// It names a secret or config map that is not there.
    ConfigError {
        message: String,
    },
    CrashLoop {
        restarts: i32,
    },
    /// It ended by itself, and badly.
    Fail {
        reason: String,
        exit_code: i32,
    },
    Succeed,
    /// The node was short of something.
    Evict {
        message: String,
    },
}

/// Where a pod was put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) host: IpAddr,
    pub(super) pod: IpAddr,
}

impl Fate {
    pub(super) fn needs_node(&self) -> bool {
        !matches!(self, Fate::Pending | Fate::Unschedulable { .. })
    }
}

/// The status of a pod that meets this fate; nothing when that is its status already. Conditions of others stay.
pub(super) fn next_status(pod: &Pod, fate: &Fate, addresses: Addresses, now: Timestamp) -> Option<PodStatus> {
    let current = pod.status.as_ref().map(|status| json!(status)).unwrap_or_default();
    let desired = match fate {
        Fate::Pending => return None,
        Fate::Unschedulable { message } => json!({
            "phase": "Pending",
            "conditions": [condition("PodScheduled", Some(("Unschedulable", message)))],
        }),
        Fate::Evict { message } => json!({
            "phase": "Failed",
            "reason": "Evicted",
            "message": message,
            "conditions": [condition("Ready", Some(("PodFailed", "")))],
        }),
        _ => placed_status(pod, fate, addresses, now),
    };
    let mut next = current.clone();
    merge(&mut next, &desired);
    if next == current {
        return None;
    }
    for condition in next["conditions"].as_array_mut().into_iter().flatten() {
        let before = of_type(&current["conditions"], &condition["type"]);
        if before.is_none_or(|before| before["status"] != condition["status"]) {
            condition["lastTransitionTime"] = json!(Time(now));
        }
    }
    Some(serde_json::from_value(next).expect("it is made of what a status has"))
}

/// Failed or succeeded: no kubelet touches it again.
pub(super) fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

/// The status of a pod that has a node.
fn placed_status(pod: &Pod, fate: &Fate, addresses: Addresses, now: Timestamp) -> Value {
    let status = pod.status.as_ref();
    let started = status.and_then(|status| status.start_time.clone()).unwrap_or(Time(now));
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let containers: Vec<_> = containers.map(|container| container_status(container, fate, &started)).collect();
    let [phase, not_ready] = match fate {
        Fate::Run => ["Running", ""],
        Fate::NotReady | Fate::CrashLoop { .. } => ["Running", "ContainersNotReady"],
        Fate::Fail { .. } => ["Failed", "PodFailed"],
        Fate::Succeed => ["Succeeded", "PodCompleted"],
        _ => ["Pending", "ContainersNotReady"],
    };
    let containers_not_ready = (!not_ready.is_empty()).then_some((not_ready, ""));
    let gates_not_ready = closed_gate(pod).map(|_| ("ReadinessGatesNotReady", "a readiness gate is not true"));
    json!({
        "phase": phase,
        "reason": if let Fate::Fail { reason, .. } = fate { json!(reason) } else { Value::Null },
        "message": null,
        "hostIP": addresses.host,
        "hostIPs": [{ "ip": addresses.host }],
        "podIP": addresses.pod,
        "podIPs": [{ "ip": addresses.pod }],
        "startTime": started,
        "containerStatuses": containers,
        "conditions": [
            condition("PodScheduled", None),
            condition("PodReadyToStartContainers", None),
            condition("Initialized", None),
            condition("ContainersReady", containers_not_ready),
            condition("Ready", containers_not_ready.or(gates_not_ready)),
        ],
    })
}

fn container_status(container: &Container, fate: &Fate, started: &Time) -> Value {
    let running = json!({ "running": { "startedAt": started } });
    let waiting = |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
    let terminated = |reason: &str, exit_code: i32| json!({ "terminated": { "reason": reason, "exitCode": exit_code, "startedAt": started, "finishedAt": started } });
    let image = container.image.as_deref().unwrap_or_default();
    let state = match fate {
        Fate::Run | Fate::NotReady => running,
        Fate::ImagePullBackOff => waiting("ImagePullBackOff", &format!("Back-off pulling image \"{image}\"")),
        Fate::ConfigError { message } => waiting("CreateContainerConfigError", message),
        Fate::CrashLoop { .. } => {
            waiting("CrashLoopBackOff", &format!("back-off restarting failed container {}", container.name))
        }
        Fate::Fail { reason, exit_code } => terminated(reason, *exit_code),
        Fate::Succeed => terminated("Completed", 0),
        _ => waiting("ContainerCreating", ""),
    };
    let restarts = if let Fate::CrashLoop { restarts } = fate { *restarts } else { 0 };
    // What is null here is taken away: a state replaces the one before.
    let mut all = json!({ "running": null, "waiting": null, "terminated": null });
    if let (Some(all), Value::Object(state)) = (all.as_object_mut(), state) {
        all.extend(state);
    }
    json!({
        "name": container.name,
        "image": image,
        "imageID": "",
        "ready": *fate == Fate::Run,
        "started": matches!(fate, Fate::Run | Fate::NotReady),
        "restartCount": restarts,
        "state": all,
        "lastState": if restarts > 0 { terminated("Error", 1) } else { json!({}) },
    })
}

/// The first readiness gate that is not true.
fn closed_gate(pod: &Pod) -> Option<&str> {
    let is_true = |gate: &str| {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|condition| condition.type_ == gate && condition.status == "True")
    };
    let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    gates.map(|gate| gate.condition_type.as_str()).find(|gate| !is_true(gate))
}

/// True, or false with a reason and a message.
fn condition(kind: &str, not: Option<(&str, &str)>) -> Value {
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let (reason, message) = not.unwrap_or_default();
    let status = if not.is_some() { "False" } else { "True" };
    json!({ "type": kind, "status": status, "reason": text(reason), "message": text(message) })
}

/// Writes `desired` over `current`. Null takes a field away; conditions are found by their type.
fn merge(current: &mut Value, desired: &Value) {
    match (current, desired) {
        (Value::Object(current), Value::Object(desired)) => {
            for (name, value) in desired {
                if value.is_null() {
                    current.remove(name);
                } else {
                    merge(current.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (Value::Array(current), Value::Array(desired)) => {
            for (index, value) in desired.iter().enumerate() {
                let place = match &value["type"] {
                    Value::Null => index,
                    kind => current.iter().position(|other| other["type"] == *kind).unwrap_or(current.len()),
                };
                if place >= current.len() {
                    current.push(Value::Null);
                }
                merge(&mut current[place], value);
            }
        }
        (current, Value::Object(_)) => {
            *current = json!({});
            merge(current, desired);
        }
        (current, Value::Array(_)) => {
            *current = json!([]);
            merge(current, desired);
        }
        (current, scalar) => *current = scalar.clone(),
    }
}

fn of_type<'a>(conditions: &'a Value, kind: &Value) -> Option<&'a Value> {
    conditions.as_array()?.iter().find(|condition| condition["type"] == *kind)
}
