//! The pod of each role.

mod container;
mod settings_of;
mod volumes;

use crds::{
    LiveStream, MediaExposure,
    children::{POD_LABEL, REACHABLE_GATE, pod_labels},
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
    options::Options,
    views::PodView,
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
/// Media-nodes and enhancers go on until a successor has taken over; this is more than they take at most.
const MOVING_GRACE_SECONDS: i64 = 25;
/// Trainers store their state.
const TRAINER_GRACE_SECONDS: i64 = 20;
/// A node that is away this long has lost its pods: the stream goes on elsewhere.
const NODE_PATIENCE_SECONDS: i64 = 15;
/// The claim of a pod that gets its accelerator by dynamic resource allocation.
const CLAIM: &str = "accelerator";

/// What pods of one role and placement are made from.
pub(super) struct Template {
    /// Without a name, and without its host port.
    pod: Pod,
    /// Pods with another hash are made from another template.
    pub(super) hash: String,
    pub(super) takes_host_port: bool,
}

impl Template {
    pub(super) fn new(
        stream: &LiveStream,
        name: &StreamName,
        role: Role,
        placement: Placement<'_>,
        options: &Options,
    ) -> Self {
        let takes_host_port = role == Role::MediaNode && stream.spec.relay.media.exposure == MediaExposure::HostPort;
        let overlaid = stream.spec.pods.of(role);
        let mut container = container::container(stream, name, role, placement, options);
        let mut spec = pod_spec(stream, name, role, placement, options);
        overlay::apply(overlaid, &mut spec, &mut container);
        container::request_accelerator(&mut container, placement, CLAIM);
        spec.containers = vec![container];

        let mut metadata = services::metadata(stream, name, String::new());
        let mut labels = overlaid.labels.clone();
        labels.extend(pod_labels(name.name(), role));
        metadata.labels = Some(labels);
        metadata.annotations = Some(overlaid.annotations.clone());
        let pod = Pod { metadata, spec: Some(spec), status: None };
        Self { hash: hash(&pod, takes_host_port), pod, takes_host_port }
    }

    /// `None`: it cannot be made for now, for want of a host port.
    pub(super) fn pod(&self, stream: &StreamName, name: PodName, host_port: Option<u16>) -> Option<Pod> {
        let mut pod = self.pod.clone();
        let annotations = pod.metadata.annotations.get_or_insert_default();
        annotations.insert(TEMPLATE_HASH.to_owned(), self.hash.clone());
        if self.takes_host_port {
            let port = host_port?;
            annotations.insert(MEDIA_PORT_ANNOTATION.to_owned(), port.to_string());
            pod.spec.iter_mut().for_each(|spec| container::take_host_port(spec, port));
        }
        let name = name.of(stream.name());
        pod.metadata.labels.get_or_insert_default().insert(POD_LABEL.to_owned(), name.clone());
        pod.metadata.name = Some(name);
        Some(pod)
    }

    /// One whose annotation somebody removed is taken for its own, as long as it has the image and the kind of port.
    pub(super) fn has_made(&self, pod: &PodView) -> bool {
        let image = self.pod.spec.as_ref().and_then(|spec| spec.containers.first()?.image.as_ref());
        let is_alike = image == Some(&pod.image) && self.takes_host_port == pod.media_port.is_some();
        is_alike && (pod.template_hash == self.hash || pod.template_hash.is_empty())
    }
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
        termination_grace_period_seconds: Some(if role == Role::Trainer {
            TRAINER_GRACE_SECONDS
        } else {
            MOVING_GRACE_SECONDS
        }),
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

fn hash(pod: &Pod, takes_host_port: bool) -> String {
    let meta = (&pod.metadata.labels, &pod.metadata.annotations, takes_host_port);
    let [spec, meta] = [serde_json::to_vec(&pod.spec), serde_json::to_vec(&meta)].map(|json| json.expect("plain data"));
    let hash = Sha256::new().chain_update(spec).chain_update(meta).finalize();
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
