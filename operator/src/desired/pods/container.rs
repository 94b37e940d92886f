//! The one container of a pod.

use std::collections::BTreeMap;

use crds::LiveStream;
use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, PodSpec, Probe, ResourceClaim,
        ResourceRequirements, SecurityContext,
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};
use proto::StreamName;

use super::{HEALTH_PORT, HTTP_PORT, INTERNAL_PORT, MEDIA_PORT, Placement, settings_of, volumes};
use crate::{names::Role, options::Options};

/// The port of media.
const MEDIA: &str = "media";

pub(super) fn container(
    stream: &LiveStream,
    name: &StreamName,
    role: Role,
    placement: Placement<'_>,
    options: &Options,
) -> Container {
    let resources = default_resources(role, placement);
    let asked = &stream.spec.pods.of(role).resources;
    let threads = threads(
        asked.limits.get("cpu").or(asked.requests.get("cpu")).or_else(|| resources.requests.as_ref()?.get("cpu")),
    );
    let (settings, health) = match role {
        Role::MediaNode => (serde_json::to_string(&settings_of::media_node(stream, name, options)), "internal"),
        Role::Enhancer => {
            (serde_json::to_string(&settings_of::enhancer(stream, name, placement, threads, options)), "health")
        }
        Role::Trainer => {
            (serde_json::to_string(&settings_of::trainer(stream, name, placement, threads, options)), "health")
        }
    };
    let mut env = vec![variable(settings::ENVIRONMENT_VARIABLE, &settings.expect("settings are plain structs"))];
    if role != Role::MediaNode {
        // OpenMP's threads would burn a core while they wait; libtorch reads this when it is loaded.
        env.push(variable("OMP_WAIT_POLICY", "PASSIVE"));
        env.push(variable("OMP_NUM_THREADS", &threads.to_string()));
    }
    if matches!(placement, Placement::Accelerator(_)) {
        env.push(variable("NVIDIA_DRIVER_CAPABILITIES", "compute,utility,video"));
    }
    Container {
        name: role.as_str().to_owned(),
        image: Some(options.images.of(role, matches!(placement, Placement::Accelerator(_))).to_owned()),
        image_pull_policy: Some(options.images.image_pull_policy.as_str().to_owned()),
        env: Some(env),
        ports: Some(ports(role)),
        resources: Some(resources),
        readiness_probe: Some(probe("/readyz", health, 1, 4)),
        // Patient: on a node without time to answer, a restart takes the rest of it. So nothing else is needed while it starts.
        liveness_probe: Some(Probe { timeout_seconds: Some(5), ..probe("/healthz", health, 10, 6) }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(volumes::mounts()),
        ..Container::default()
    }
}

/// Asks for the accelerator, whatever else the container asks for.
pub(super) fn request_accelerator(container: &mut Container, placement: Placement<'_>, claim: &str) {
    let Placement::Accelerator(accelerator) = placement else { return };
    let resources = container.resources.get_or_insert_default();
    if let Some(resource) = &accelerator.resource_name {
        // An extended resource is requested as it is limited.
        let limits = resources.limits.get_or_insert_default();
        limits.insert(resource.clone(), Quantity(accelerator.count.to_string()));
    }
    if accelerator.resource_claim_template_name.is_some() {
        resources.claims = Some(vec![ResourceClaim { name: claim.to_owned(), request: None }]);
    }
}

/// Media come to this port of the node the pod will be on.
pub(super) fn take_host_port(spec: &mut PodSpec, host_port: u16) {
    let ports = spec.containers.iter_mut().flat_map(|container| container.ports.iter_mut().flatten());
    for port in ports.filter(|port| port.name.as_deref() == Some(MEDIA)) {
        port.host_port = Some(host_port.into());
    }
}

fn ports(role: Role) -> Vec<ContainerPort> {
    let port = |name: &str, port: u16, protocol: &str| ContainerPort {
        name: Some(name.to_owned()),
        container_port: port.into(),
        protocol: Some(protocol.to_owned()),
        ..ContainerPort::default()
    };
    if role != Role::MediaNode {
        return vec![port("health", HEALTH_PORT, "TCP")];
    }
    vec![port("http", HTTP_PORT, "TCP"), port("internal", INTERNAL_PORT, "TCP"), port(MEDIA, MEDIA_PORT, "UDP")]
}

fn default_resources(role: Role, placement: Placement<'_>) -> ResourceRequirements {
    let accelerated = matches!(placement, Placement::Accelerator(_));
    let (cpu, memory, limit) = match (role, accelerated) {
        (Role::MediaNode, _) => ("250m", "128Mi", "1Gi"),
        (_, false) => ("1", "768Mi", "2Gi"),
        (_, true) => ("1", "2Gi", "6Gi"),
    };
    let quantities = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())));
        Some(pairs.collect::<BTreeMap<_, _>>())
    };
    ResourceRequirements {
        requests: quantities(&[("cpu", cpu), ("memory", memory)]),
        limits: quantities(&[("memory", limit)]),
        ..ResourceRequirements::default()
    }
}

/// As many as there are whole CPUs; at least one.
fn threads(cpus: Option<&Quantity>) -> u32 {
    let whole = cpus.and_then(|Quantity(text)| match text.strip_suffix('m') {
        Some(thousandths) => thousandths.parse::<u32>().ok().map(|thousandths| thousandths / 1000),
        None => text.split('.').next()?.parse().ok(),
    });
    whole.unwrap_or(1).clamp(1, 64)
}

fn probe(path: &str, port: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(port.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}
