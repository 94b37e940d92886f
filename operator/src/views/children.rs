//! What is kept of Services, Secrets and Ingresses: what the operator asks for, so that a foreign edit of it shows.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crds::children::POD_LABEL;
use k8s_openapi::{
    api::{
        core::v1::{Service, ServicePort, ServiceSpec},
        networking::v1::{Ingress, IngressSpec},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{Resource, ResourceExt};

use super::{Meta, Pairs};

#[derive(Clone, Debug, PartialEq)]
pub struct ServiceView {
    pub meta: Meta,
    pub labels: Pairs,
    pub asked: AskedService,
    /// By port name, what the cluster chose.
    pub node_ports: BTreeMap<String, u16>,
    /// What the load balancer is reached at: addresses or host names.
    pub ingress: Vec<String>,
}

/// What of a Service the operator decides. Equal within one process only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedService {
    /// The pod it leads to.
    pub pod: Option<Box<str>>,
    /// Hash of type, ports, the rest of the selector, and how traffic comes in.
    rest: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SecretView {
    pub meta: Meta,
}

#[derive(Clone, Debug, PartialEq)]
pub struct IngressView {
    pub meta: Meta,
    pub labels: Pairs,
    pub asked: AskedIngress,
}

/// What of an Ingress the operator decides: host, class, certificate, and where it leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedIngress {
    pub class: Option<String>,
    pub certificates: Vec<String>,
    /// (host, path, Service)
    pub routes: Vec<(String, String, String)>,
}

impl ServiceView {
    #[must_use]
    pub fn of(service: &Service) -> Option<Self> {
        let spec = service.spec.as_ref()?;
        let ports = spec.ports.iter().flatten();
        let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
        Some(Self {
            meta: Meta::of(service)?,
            labels: Pairs::of(service.labels()),
            asked: AskedService::of(spec),
            node_ports: ports
                .filter_map(|port| Some((port.name.clone()?, u16::try_from(port.node_port?).ok()?)))
                .collect(),
            ingress: balancer
                .into_iter()
                .flatten()
                .filter_map(|at| at.ip.clone().or_else(|| at.hostname.clone()))
                .collect(),
        })
    }
}

impl AskedService {
    #[must_use]
    pub fn of(spec: &ServiceSpec) -> Self {
        let type_ = spec.type_.as_deref().unwrap_or("ClusterIP");
        // The API server's default is said aloud.
        let policy = spec.external_traffic_policy.as_deref();
        let policy = policy.or(matches!(type_, "NodePort" | "LoadBalancer").then_some("Cluster"));
        let mut selector = spec.selector.clone().unwrap_or_default();
        let pod = selector.remove(POD_LABEL).map(Box::from);
        let ports: Vec<_> = spec.ports.iter().flatten().map(asked_port).collect();
        let mut hasher = DefaultHasher::new();
        (type_, policy, selector, ports, spec.publish_not_ready_addresses.unwrap_or(false)).hash(&mut hasher);
        Self { pod, rest: hasher.finish() }
    }

    /// Both lead to one pod, each to another; all else is the same.
    #[must_use]
    pub fn selects_another_pod_than(&self, other: &Self) -> bool {
        self.rest == other.rest && self.pod.is_some() && self.pod != other.pod
    }
}

/// Name, protocol, port, and where it leads.
fn asked_port(port: &ServicePort) -> (&str, &str, i32, String) {
    let target = match &port.target_port {
        Some(IntOrString::String(name)) => name.clone(),
        Some(IntOrString::Int(number)) => number.to_string(),
        None => port.port.to_string(),
    };
    (port.name.as_deref().unwrap_or_default(), port.protocol.as_deref().unwrap_or("TCP"), port.port, target)
}

impl SecretView {
    /// From metadata alone: what is in it never comes here.
    #[must_use]
    pub fn of<K: Resource<DynamicType = ()>>(secret: &K) -> Option<Self> {
        Some(Self { meta: Meta::of(secret)? })
    }
}

impl IngressView {
    #[must_use]
    pub fn of(ingress: &Ingress) -> Option<Self> {
        Some(Self {
            meta: Meta::of(ingress)?,
            labels: Pairs::of(ingress.labels()),
            asked: AskedIngress::of(ingress.spec.as_ref()?),
        })
    }
}

impl AskedIngress {
    #[must_use]
    pub fn of(spec: &IngressSpec) -> Self {
        let rules = spec.rules.iter().flatten();
        let routes = rules.flat_map(|rule| {
            let host = rule.host.clone().unwrap_or_default();
            rule.http.iter().flat_map(|http| &http.paths).map(move |path| {
                let service = path.backend.service.as_ref().map(|service| service.name.clone());
                (host.clone(), path.path.clone().unwrap_or_default(), service.unwrap_or_default())
            })
        });
        Self {
            class: spec.ingress_class_name.clone(),
            certificates: spec.tls.iter().flatten().filter_map(|tls| tls.secret_name.clone()).collect(),
            routes: routes.collect(),
        }
    }
}
