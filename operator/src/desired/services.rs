//! Services and Ingress of a stream.

use std::collections::BTreeMap;

use crds::{
    LiveStream, MediaExposure, Role, SignallingExposure,
    children::{POD_LABEL, labels, pod_labels, service_name},
};
use k8s_openapi::{
    api::{
        core::v1::{Service, ServicePort, ServiceSpec},
        networking::v1::{
            HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
            IngressSpec, IngressTLS, ServiceBackendPort,
        },
    },
    apimachinery::pkg::{
        apis::meta::v1::{ObjectMeta, OwnerReference},
        util::intstr::IntOrString,
    },
};
use kube::Resource;
use proto::StreamName;

use super::pods::{INTERNAL_PORT, MEDIA_PORT};
use crate::names::{PodName, internal_service, media_service};

/// Where the signalling Service listens.
const PUBLIC_PORT: i32 = 80;

/// Where the cluster reaches the media-node that serves, at its public side.
pub(super) fn public_url(name: &StreamName) -> String {
    format!("http://{}.{}.svc:{PUBLIC_PORT}", service_name(name.name()), name.namespace())
}

/// Each Service the stream has, selecting the media-node that serves. They live as long as the stream, paused or not.
pub(super) fn services(stream: &LiveStream, name: &StreamName, serving: PodName) -> Vec<Service> {
    let relay = &stream.spec.relay;
    let signalling = match relay.signalling.exposure {
        SignallingExposure::NodePort => "NodePort",
        SignallingExposure::LoadBalancer => "LoadBalancer",
        SignallingExposure::Ingress | SignallingExposure::ClusterIP => "ClusterIP",
    };
    let mut services = vec![
        service(stream, name, service_name(name.name()), signalling, port("http", PUBLIC_PORT, "TCP")),
        internal(stream, name),
    ];
    let media = match relay.media.exposure {
        MediaExposure::NodePort => Some("NodePort"),
        MediaExposure::LoadBalancer => Some("LoadBalancer"),
        MediaExposure::HostPort | MediaExposure::PodNetwork => None,
    };
    if let Some(type_) = media {
        let mut service = service(stream, name, media_service(name), type_, port("media", MEDIA_PORT.into(), "UDP"));
        let spec = service.spec.get_or_insert_default();
        // Media come to the node the pod is on, whose address is advertised; and also before the pod is ready, for
        // that is what the probe waits for.
        spec.external_traffic_policy = Some("Local".to_owned());
        spec.publish_not_ready_addresses = Some(true);
        services.push(service);
    }
    let selector = selector(name, serving);
    for service in &mut services {
        service.spec.get_or_insert_default().selector = Some(selector.clone());
    }
    services
}

pub(super) fn ingress(stream: &LiveStream, name: &StreamName) -> Option<Ingress> {
    let signalling = &stream.spec.relay.signalling;
    if signalling.exposure != SignallingExposure::Ingress {
        return None;
    }
    let backend = IngressServiceBackend {
        name: service_name(name.name()),
        port: Some(ServiceBackendPort { name: Some("http".to_owned()), number: None }),
    };
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend { service: Some(backend), resource: None },
    };
    let tls = signalling.tls_secret_ref.as_ref().map(|secret| IngressTLS {
        hosts: signalling.host.clone().map(|host| vec![host]),
        secret_name: Some(secret.name.clone()),
    });
    Some(Ingress {
        metadata: metadata(stream, name, service_name(name.name())),
        spec: Some(IngressSpec {
            ingress_class_name: signalling.ingress_class_name.clone(),
            rules: Some(vec![IngressRule {
                host: signalling.host.clone(),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls: tls.map(|tls| vec![tls]),
            ..IngressSpec::default()
        }),
        status: None,
    })
}

/// Also before the media-node is ready: trainer and enhancer are to find it as soon as it listens.
fn internal(stream: &LiveStream, name: &StreamName) -> Service {
    let port = port("internal", INTERNAL_PORT.into(), "TCP");
    let mut service = service(stream, name, internal_service(name), "ClusterIP", port);
    service.spec.get_or_insert_default().publish_not_ready_addresses = Some(true);
    service
}

fn service(stream: &LiveStream, name: &StreamName, service: String, type_: &str, port: ServicePort) -> Service {
    Service {
        metadata: metadata(stream, name, service),
        spec: Some(ServiceSpec { type_: Some(type_.to_owned()), ports: Some(vec![port]), ..ServiceSpec::default() }),
        status: None,
    }
}

fn selector(name: &StreamName, serving: PodName) -> BTreeMap<String, String> {
    let mut labels = pod_labels(name.name(), Role::MediaNode);
    labels.retain(|key, _| key == crds::children::STREAM_LABEL || key == crds::children::COMPONENT_LABEL);
    labels.insert(POD_LABEL.to_owned(), serving.of(name.name()));
    labels
}

/// Its target is the container's port of the same name.
fn port(name: &str, port: i32, protocol: &str) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some(protocol.to_owned()),
        ..ServicePort::default()
    }
}

/// The stream controls it, and goes after it when it is deleted in the foreground.
pub(crate) fn owner(stream: &LiveStream) -> Option<OwnerReference> {
    let owner = stream.controller_owner_ref(&())?;
    Some(OwnerReference { block_owner_deletion: Some(true), ..owner })
}

pub(crate) fn metadata(stream: &LiveStream, name: &StreamName, object: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(object),
        namespace: Some(name.namespace().to_owned()),
        labels: Some(labels(name.name())),
        owner_references: owner(stream).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}
