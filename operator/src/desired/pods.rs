//! The pod of each role.

mod container;
mod settings_of;
mod volumes;

use std::collections::BTreeMap;

use crds::{
    LiveStream, MediaExposure,
    children::{REACHABLE_GATE, pod_labels},
};
use k8s_openapi::api::core::v1::{
    LocalObjectReference, Pod, PodReadinessGate, PodResourceClaim, PodSecurityContext, PodSpec, SeccompProfile,
    Toleration,
};
use proto::StreamName;
use sha2::{Digest, Sha256};

use super::{Placement, overlay, services};
use crate::{
    names::{MEDIA_PORT as MEDIA_PORT_ANNOTATION, PodName, Role, TEMPLATE_HASH},
    observe::Observed,
    options::Options,
};
pub(crate) use volumes::{INTERNAL_TOKEN_KEY, nats_key};

/// Public HTTP of a media-node.
pub(crate) const HTTP_PORT: u16 = 8080;
/// In-cluster HTTP and gRPC of a media-node.
pub(crate) const INTERNAL_PORT: u16 = 9090;
/// Media of a media-node.
pub(crate) const MEDIA_PORT: u16 = 8189;
/// Health and metrics of trainers and enhancers.
pub(crate) const HEALTH_PORT: u16 = 9091;

/// User and group of distroless images' `nonroot`.
const NOBODY: i64 = 65532;
/// A node that is away this long has lost its pods: the stream goes on elsewhere.
const NODE_PATIENCE_SECONDS: i64 = 15;
/// The claim of a pod that gets its accelerator by dynamic resource allocation.
const CLAIM: &str = "accelerator";

/// `None`: it cannot be made for now, for want of a free host port.
pub(super) fn pod(
    stream: &LiveStream,
    name: &StreamName,
    pod: PodName,
    placement: Placement<'_>,
    observed: &Observed,
    options: &Options,
) -> Option<Pod> {
    let host_port = match (pod.role, stream.spec.relay.media.exposure) {
        (Role::MediaNode, MediaExposure::HostPort) => Some(observed.media_port?),
        _ => None,
    };
    let overlaid = stream.spec.pods.of(pod.role);
    let mut container = container::container(stream, name, pod.role, placement, host_port, options);
    let mut spec = pod_spec(stream, name, pod.role, placement, options);
    overlay::apply(overlaid, &mut spec, &mut container);
    container::request_accelerator(&mut container, placement, CLAIM);
    spec.containers = vec![container];

    let mut metadata = services::metadata(stream, name, pod.of(name.name()));
    let mut labels = overlaid.labels.clone();
    labels.extend(pod_labels(name.name(), pod.role));
    metadata.labels = Some(labels);
    let mut annotations = overlaid.annotations.clone();
    annotations.extend(host_port.map(|port| (MEDIA_PORT_ANNOTATION.to_owned(), port.to_string())));
    metadata.annotations = Some(annotations);
    let mut pod = Pod { metadata, spec: Some(spec), status: None };
    let hash = template_hash(&pod);
    pod.metadata.annotations.get_or_insert_default().insert(TEMPLATE_HASH.to_owned(), hash);
    Some(pod)
}

fn pod_spec(
    stream: &LiveStream,
    name: &StreamName,
    role: Role,
    placement: Placement<'_>,
    options: &Options,
) -> PodSpec {
    let gate = PodReadinessGate { condition_type: REACHABLE_GATE.to_owned() };
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: pull_secrets(options),
        priority_class_name: options.pods.priority_class(role).cloned(),
        restart_policy: Some("Always".to_owned()),
        termination_grace_period_seconds: Some(if role == Role::Trainer { 20 } else { 5 }),
        readiness_gates: (role == Role::MediaNode && options.probe).then(|| vec![gate]),
        resource_claims: resource_claims(placement),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(NOBODY),
            run_as_group: Some(NOBODY),
            fs_group: Some(NOBODY),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        tolerations: Some(tolerations(placement)),
        volumes: Some(volumes::volumes(stream, name, role)),
        ..PodSpec::default()
    }
}

fn pull_secrets(options: &Options) -> Option<Vec<LocalObjectReference>> {
    let secrets = options.pods.image_pull_secrets.iter().filter(|name| !name.is_empty());
    let secrets: Vec<_> = secrets.map(|name| LocalObjectReference { name: name.clone() }).collect();
    (!secrets.is_empty()).then_some(secrets)
}

fn resource_claims(placement: Placement<'_>) -> Option<Vec<PodResourceClaim>> {
    let Placement::Accelerator(accelerator) = placement else { return None };
    let template = accelerator.resource_claim_template_name.clone()?;
    let claim = PodResourceClaim {
        name: CLAIM.to_owned(),
        resource_claim_template_name: Some(template),
        ..PodResourceClaim::default()
    };
    Some(vec![claim])
}

fn tolerations(placement: Placement<'_>) -> Vec<Toleration> {
    let away = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map(|taint| Toleration {
        key: Some(taint.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        toleration_seconds: Some(NODE_PATIENCE_SECONDS),
        ..Toleration::default()
    });
    let resource = match placement {
        Placement::Accelerator(accelerator) => accelerator.resource_name.clone(),
        Placement::Cpu => None,
    };
    // Nodes with accelerators are customarily tainted by the name of the resource.
    let accelerator = resource.map(|resource| Toleration {
        key: Some(resource),
        operator: Some("Exists".to_owned()),
        effect: Some("NoSchedule".to_owned()),
        ..Toleration::default()
    });
    away.into_iter().chain(accelerator).collect()
}

/// A pod with another hash is another pod.
fn template_hash(pod: &Pod) -> String {
    let spec = serde_json::to_vec(&pod.spec).expect("a pod is plain data");
    let annotations: &BTreeMap<String, String> = pod.metadata.annotations.as_ref().expect("set by the only caller");
    let meta = serde_json::to_vec(&(&pod.metadata.labels, annotations)).expect("strings are plain data");
    let hash = Sha256::new().chain_update(spec).chain_update(meta).finalize();
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
