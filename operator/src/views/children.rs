//! What is kept of Services, Secrets and Ingresses: what the operator asks for, so that a foreign edit of it shows.

use std::collections::BTreeMap;

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

/// What of a Service the operator decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedService {
    pub type_: String,
    pub selector: BTreeMap<String, String>,
    pub ports: Vec<ServicePortView>,
    pub publish_not_ready_addresses: bool,
    pub external_traffic_policy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePortView {
    pub name: String,
    pub port: i32,
    pub target: String,
    pub protocol: String,
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
        let exposed = matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer"));
        let policy = spec.external_traffic_policy.clone();
        Self {
            type_: spec.type_.clone().unwrap_or_else(|| "ClusterIP".to_owned()),
            selector: spec.selector.clone().unwrap_or_default(),
            ports: spec.ports.iter().flatten().map(ServicePortView::of).collect(),
            publish_not_ready_addresses: spec.publish_not_ready_addresses.unwrap_or(false),
            // the API server's default is said aloud
            external_traffic_policy: policy.or_else(|| exposed.then(|| "Cluster".to_owned())),
        }
    }
}

impl AskedService {
    /// Both lead to one pod, each to another; all else is the same.
    #[must_use]
    pub fn selects_another_pod_than(&self, other: &Self) -> bool {
        let without_pod = |asked: &Self| {
            let mut asked = asked.clone();
            let pod = asked.selector.remove(POD_LABEL);
            (asked, pod)
        };
        let ((rest, pod), (other_rest, other_pod)) = (without_pod(self), without_pod(other));
        rest == other_rest && pod.is_some() && pod != other_pod
    }
}

impl ServicePortView {
    fn of(port: &ServicePort) -> Self {
        Self {
            name: port.name.clone().unwrap_or_default(),
            port: port.port,
            target: match &port.target_port {
                Some(IntOrString::String(name)) => name.clone(),
                Some(IntOrString::Int(number)) => number.to_string(),
                None => port.port.to_string(),
            },
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
        }
    }
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
