//! Gathers what is known of one stream.

use std::collections::BTreeSet;

use crds::{AutoscalingMode, LiveStream, MediaExposure};
use jiff::Timestamp;
use proto::StreamName;

use super::Operator;
use crate::{
    names::{PodName, Role},
    observe::Observed,
    views::PodView,
};

impl Operator {
    pub(super) fn observe(&mut self, name: &StreamName, stream: &LiveStream, _now: Timestamp) -> Observed {
        let pods = self
            .stores
            .pods
            .of(name)
            .filter_map(|pod| Some((PodName::parse(name.name(), &pod.meta.name)?, pod.clone())));
        let mut observed = Observed {
            pods: pods.collect(),
            services: self
                .stores
                .services
                .of(name)
                .map(|service| (service.meta.name.clone(), service.clone()))
                .collect(),
            secret: self.stores.secrets.named(name, &crds::children::secret_name(name.name())).cloned(),
            ingress: self.stores.ingresses.first_of(name).cloned(),
            media_port: self.media_port(name, stream),
            trainers: trainers(stream),
            ..Observed::default()
        };
        observed.advertised = observed.media_node().and_then(|pod| advertised(stream, pod));
        observed.memory = self.known.get(name).map(|known| known.memory.clone()).unwrap_or_default();
        observed
    }

    fn media_port(&mut self, name: &StreamName, stream: &LiveStream) -> Option<u16> {
        if stream.spec.relay.media.exposure != MediaExposure::HostPort {
            return None;
        }
        if let Some(port) = self.known.get(name).and_then(|known| known.media_port) {
            return Some(port);
        }
        let taken: BTreeSet<u16> = self.known.values().filter_map(|known| known.media_port).collect();
        let (first, last) = self.context.options.host_ports;
        let free = (first..=last).find(|port| !taken.contains(port));
        if let Some(known) = self.known.get_mut(name) {
            known.media_port = free;
        }
        free
    }
}

fn trainers(stream: &LiveStream) -> BTreeSet<u32> {
    let scaling = &stream.spec.training.autoscaling;
    let count = match scaling.mode {
        AutoscalingMode::Operator => scaling.max_replicas.min(1),
        _ => stream.spec.training.replicas.unwrap_or(scaling.min_replicas),
    };
    (0..count).collect()
}

fn advertised(stream: &LiveStream, pod: &PodView) -> Option<String> {
    match stream.spec.relay.media.exposure {
        MediaExposure::HostPort => Some(format!("{}:{}", pod.host_ip.as_ref()?, pod.media_port?)),
        MediaExposure::PodNetwork => Some(format!("{}:8189", pod.pod_ips.first()?)),
        _ => None,
    }
}

#[allow(dead_code, reason = "used once reports are")]
fn role_of(name: PodName) -> Role {
    name.role
}
