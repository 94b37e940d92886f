//! What is kept of a pod.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodCondition, PodStatus};
use kube::ResourceExt;

use super::{Meta, Pairs};
use crate::names::TEMPLATE_HASH;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    pub meta: Meta,
    pub labels: Pairs,
    pub annotations: Pairs,
    pub template_hash: String,
    pub image: String,
    /// The host port this media-node has.
    pub media_port: Option<u16>,
    /// From the annotation: what the media-node was told of its addresses.
    pub advertised: String,
    pub node: Option<String>,
    pub host_ip: Option<String>,
    pub pod_ips: Vec<String>,
    /// `Failed` or `Succeeded`: it will never run again. With the reason, for people.
    pub ended: Option<String>,
    /// Its containers run and answer their readiness probes, whatever the readiness gates say.
    pub containers_ready: bool,
    /// What Services and users go by.
    pub ready: bool,
    pub ready_since: Option<Timestamp>,
    /// The readiness gate, as last written.
    pub reachable: Option<bool>,
    pub unschedulable: Option<Unschedulable>,
    pub waiting: Option<Waiting>,
    pub restarts: u32,
}

/// No node takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unschedulable {
    pub since: Timestamp,
    pub message: String,
}

/// Why its container does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub reason: String,
    pub message: String,
}

impl PodView {
    /// `None` for what no API server sends.
    #[must_use]
    pub fn of(pod: &Pod) -> Option<Self> {
        let annotation = |key: &str| pod.annotations().get(key).cloned().unwrap_or_default();
        let status = pod.status.as_ref();
        let condition = |type_: &str| status?.conditions.as_ref()?.iter().find(|condition| condition.type_ == type_);
        let is_true = |type_: &str| condition(type_).is_some_and(|condition| condition.status == "True");
        let spec = pod.spec.as_ref()?;
        let container = status.and_then(|status| status.container_statuses.as_ref()?.first());
        Some(Self {
            meta: Meta::of(pod)?,
            labels: Pairs::of(pod.labels()),
            annotations: Pairs::of(pod.annotations()),
            template_hash: annotation(TEMPLATE_HASH),
            image: spec.containers.first().and_then(|container| container.image.clone()).unwrap_or_default(),
            media_port: spec.containers.first().and_then(host_port),
            advertised: annotation(crds::children::ADVERTISED_ADDRESSES_ANNOTATION),
            node: spec.node_name.clone(),
            host_ip: status.and_then(|status| status.host_ip.clone()),
            pod_ips: status
                .and_then(|status| status.pod_ips.as_ref())
                .map(|ips| ips.iter().map(|ip| ip.ip.clone()).collect())
                .unwrap_or_default(),
            ended: status.and_then(ended),
            containers_ready: is_true("ContainersReady"),
            ready: is_true("Ready"),
            ready_since: condition("Ready").filter(|condition| condition.status == "True").and_then(since),
            reachable: condition(crds::children::REACHABLE_GATE).map(|condition| condition.status == "True"),
            unschedulable: condition("PodScheduled").and_then(unschedulable),
            waiting: container.and_then(waiting),
            restarts: container.map_or(0, |container| u32::try_from(container.restart_count).unwrap_or(0)),
        })
    }

    /// It exists, is not on its way out, and may still run.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.meta.is_deleting() && self.ended.is_none()
    }
}

#[cfg(test)]
impl PodView {
    /// One that has just been made, with the image that [`crate::options::Options::for_tests`] says.
    pub(crate) fn for_tests(name: crate::names::PodName) -> Self {
        let meta = Meta {
            name: name.of("game"),
            uid: format!("uid of {name}"),
            version: 1,
            controller_uid: Some("5e5b".to_owned()),
            created_at: Timestamp::UNIX_EPOCH,
            deletion_due_at: None,
        };
        Self {
            meta,
            labels: Pairs::default(),
            annotations: Pairs::default(),
            template_hash: String::new(),
            image: format!("{}:1", name.role),
            media_port: None,
            advertised: String::new(),
            node: None,
            host_ip: None,
            pod_ips: Vec::new(),
            ended: None,
            containers_ready: false,
            ready: false,
            ready_since: None,
            reachable: None,
            unschedulable: None,
            waiting: None,
            restarts: 0,
        }
    }
}

fn host_port(container: &Container) -> Option<u16> {
    container.ports.iter().flatten().find_map(|port| u16::try_from(port.host_port?).ok())
}

fn since(condition: &PodCondition) -> Option<Timestamp> {
    condition.last_transition_time.as_ref().map(|time| time.0)
}

fn ended(status: &PodStatus) -> Option<String> {
    let phase = status.phase.as_deref().filter(|phase| ["Failed", "Succeeded"].contains(phase))?;
    let reason = status.reason.as_deref().unwrap_or(phase);
    let message = status.message.as_deref().unwrap_or_default();
    Some(if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") })
}

fn unschedulable(condition: &PodCondition) -> Option<Unschedulable> {
    if condition.status != "False" || condition.reason.as_deref() != Some("Unschedulable") {
        return None;
    }
    let message = condition.message.clone().unwrap_or_default();
    Some(Unschedulable { since: since(condition).unwrap_or(Timestamp::UNIX_EPOCH), message })
}

fn waiting(container: &ContainerStatus) -> Option<Waiting> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.clone()?;
    Some(Waiting { reason, message: waiting.message.clone().unwrap_or_default() })
}
