//! Gathers what is known of one stream.

use std::collections::{BTreeMap, BTreeSet};

use crds::{Accelerator, ConditionType, LiveStream, MediaExposure, children::service_name};
use jiff::Timestamp;
use proto::{StreamName, v1::MediaNodeReport};

use super::{Known, Operator};
use crate::{
    addresses::{Place, advertised_addresses, to_annotation},
    autoscaling::{CPU, Recalled, ScalingInputs, ScalingSpec, TrainerInput, TrainerState},
    changes::behind_service,
    desired::{MEDIA_PORT, wants_media_port},
    names::{PodName, Role, internal_service, media_service},
    observe::Observed,
    reports::StreamReports,
    views::{PodView, ServiceView},
};

impl Operator {
    pub(super) fn observe(&mut self, name: &StreamName, stream: &LiveStream, now: Timestamp) -> Observed {
        let mut observed = self.look(name, stream, now);
        observed.media_port = self.media_port(name, stream, &observed, now);
        if stream.metadata.deletion_timestamp.is_none() {
            let decision = self.scaler.decide(name, &self.scaling_inputs(name, stream, &observed, now));
            if let Some(known) = self.known.get_mut(name) {
                known.trainers.clone_from(&decision.trainers);
            }
            observed.trainers.clone_from(&decision.trainers);
            observed.scaling = Some(decision);
        }
        observed
    }

    /// What can be seen, without deciding anything.
    fn look(&self, name: &StreamName, stream: &LiveStream, _now: Timestamp) -> Observed {
        let stores = &self.stores;
        let pods = stores.pods.of(name);
        let pods = pods.filter_map(|pod| Some((PodName::parse(name.name(), &pod.meta.name)?, pod.clone())));
        let uid = stream.metadata.uid.as_deref();
        let is_own = |pod: &PodView| pod.meta.controller_uid.is_none() || pod.meta.controller_uid.as_deref() == uid;
        let (pods, earlier) = pods.partition(|(_, pod)| is_own(pod));
        let services = stores.services.of(name).map(|service| (service.meta.name.clone(), service.clone()));
        let reports = self.reports_of(name);
        let known = self.known.get(name);
        let mut observed = Observed {
            pods,
            earlier,
            services: services.collect(),
            secret: stores.secrets.named(name, &crds::children::secret_name(name.name())).cloned(),
            ingress: stores.ingresses.first_of(name).cloned(),
            bus_connected: self.reports.as_ref().map(crate::reports::Reports::connected),
            memory: known.map(|known| known.memory.clone()).unwrap_or_default(),
            ..Observed::default()
        };
        (observed.selected, observed.selected_by_any) = selected(name, stream, &observed);
        let media_nodes = observed.pods_of(Role::MediaNode);
        let advertised = media_nodes.filter_map(|(pod, view)| {
            Some((pod, self.advertised(name, stream.spec.relay.media.exposure, view, &observed)?))
        });
        observed.advertised = advertised.collect();
        observed.probed = known.and_then(|known| known.probed.as_ref()).and_then(|(uid, reachable)| {
            let probed = observed.pods_of(Role::MediaNode).find(|(_, pod)| pod.meta.uid == *uid);
            probed.map(|(pod, _)| (pod, *reachable))
        });
        observed.report = report(&observed, &reports);
        observed.activities = activities(&observed, &reports);
        observed
    }

    /// After a restart: what was decided for each stream before.
    pub(super) fn recall(&mut self, now: Timestamp) {
        let streams: Vec<_> = self.stores.streams.iter().map(|(name, packed)| (name.clone(), packed.clone())).collect();
        for (name, packed) in streams {
            let stream = packed.open();
            let observed = self.look(&name, &stream, now);
            let status = stream.status.as_ref();
            let wanted = status.and_then(|status| status.trainers.as_ref()).map_or(0, |trainers| trainers.desired);
            let ordinals = trainers_before(&observed, wanted);
            let trainers = if ordinals.is_empty() { wanted } else { u32::try_from(ordinals.len()).unwrap_or(u32::MAX) };
            let uid = stream.metadata.uid.as_deref().unwrap_or_default();
            self.known.entry(name.clone()).or_insert_with(|| Known::new(uid, now)).trainers = ordinals;
            let reason = status.and_then(|status| status.condition(ConditionType::ScalingActive));
            let recalled = Recalled { trainers, reason: reason.map(|condition| condition.reason.clone()) };
            let inputs = self.scaling_inputs(&name, &stream, &observed, now);
            self.scaler.remember(&name, &recalled, &inputs);
            self.ports.seen(&name, &media_ports(&observed), now);
        }
        let unreadable: Vec<StreamName> = self.stores.unreadable.iter().map(|(name, _)| name.clone()).collect();
        for name in unreadable {
            let borne = self.borne_ports(&name);
            self.ports.seen(&name, &borne, now);
        }
    }

    /// The host ports of a stream's pods, whatever its spec says.
    pub(super) fn borne_ports(&self, name: &StreamName) -> BTreeSet<u16> {
        self.stores.pods.of(name).filter_map(|pod| pod.media_port).collect()
    }

    fn reports_of(&self, name: &StreamName) -> StreamReports {
        self.reports.as_ref().map(|reports| reports.of(name)).unwrap_or_default()
    }

    fn media_port(
        &mut self,
        name: &StreamName,
        stream: &LiveStream,
        observed: &Observed,
        now: Timestamp,
    ) -> Option<u16> {
        self.ports.seen(name, &media_ports(observed), now);
        if wants_media_port(stream, name, observed, &self.context.options, now) {
            return self.ports.set_aside(name, now);
        }
        self.ports.give_back(name);
        None
    }

    fn advertised(
        &self,
        name: &StreamName,
        exposure: MediaExposure,
        pod: &PodView,
        observed: &Observed,
    ) -> Option<String> {
        let service = observed.services.get(&media_service(name));
        let place = Place {
            pod_ips: &pod.pod_ips,
            host_ip: pod.host_ip.as_deref(),
            node_addresses: pod.node.as_deref().map_or(&[], |node| self.stores.nodes.addresses(node)),
            host_port: pod.media_port,
            node_port: service.and_then(|service| service.node_ports.get("media").copied()),
            load_balancer: service.map_or(&[], |service| &service.ingress),
            media_port: MEDIA_PORT,
        };
        // A pod has its addresses once it is on a node.
        pod.host_ip.as_ref()?;
        let addresses = advertised_addresses(exposure, place);
        (!addresses.is_empty()).then(|| to_annotation(&addresses))
    }

    fn scaling_inputs(
        &self,
        name: &StreamName,
        stream: &LiveStream,
        observed: &Observed,
        now: Timestamp,
    ) -> ScalingInputs {
        let kept = self.known.get(name).map(|known| &known.trainers);
        let (resource, cost) = resource(stream.spec.training.accelerator.as_ref());
        let mut trainers: BTreeMap<u32, TrainerInput> = BTreeMap::new();
        for (name, pod) in observed.pods_of(Role::Trainer) {
            let is_replaced = kept.is_some_and(|kept| kept.contains(&name.ordinal));
            let terminating = pod.meta.is_deleting() && !is_replaced;
            let report = observed.activities.get(&name).copied();
            let fresh = TrainerInput { ordinal: name.ordinal, ready: false, terminating, report: None };
            let trainer = trainers.entry(name.ordinal).or_insert(fresh);
            trainer.ready |= pod.ready;
            trainer.terminating &= terminating;
            trainer.report = trainer.report.take().or(report);
        }
        ScalingInputs {
            now,
            spec: ScalingSpec::of(&stream.spec, resource, cost),
            bus_reachable: observed.bus_connected.unwrap_or(false),
            media_node: observed.report.as_ref().map(Into::into),
            trainers: trainers.into_values().collect(),
        }
    }
}

/// The media-node that the stream's signalling Service selects, and those that any of its Services selects; one that is
/// not needed any more does not count.
fn selected(name: &StreamName, stream: &LiveStream, observed: &Observed) -> (Option<PodName>, BTreeSet<PodName>) {
    let selects = |service: &ServiceView| {
        let is_own = service.meta.controller_uid.as_ref() == stream.metadata.uid.as_ref();
        PodName::parse(name.name(), service.asked.pod.as_deref().filter(|_| is_own)?)
    };
    let signalling = service_name(name.name());
    let media = behind_service(stream).then(|| media_service(name));
    let all = [Some(signalling.clone()), Some(internal_service(name)), media].into_iter().flatten();
    let selected = |service: String| observed.services.get(&service).and_then(|service| selects(service));
    (selected(signalling), all.filter_map(selected).collect())
}

/// What the media-node that serves says; as long as its publisher is still with the one before it, that one's word.
fn report(observed: &Observed, reports: &StreamReports) -> Option<MediaNodeReport> {
    let said = |pod: &PodView| reports.media_node(&pod.meta.name, pod.meta.created_at);
    let serving = observed.media_node().and_then(|(_, pod)| said(pod));
    let others = || observed.pods_of(Role::MediaNode).filter_map(|(_, pod)| said(pod));
    let is_publishing = |report: &&MediaNodeReport| report.publishing;
    serving.filter(is_publishing).or_else(|| others().find(is_publishing)).or(serving).cloned()
}

fn media_ports(observed: &Observed) -> BTreeSet<u16> {
    observed.pods_of(Role::MediaNode).filter_map(|(_, pod)| pod.media_port).collect()
}

fn activities(observed: &Observed, reports: &StreamReports) -> BTreeMap<PodName, TrainerState> {
    let trainers = observed.pods_of(Role::Trainer);
    let said =
        trainers.filter_map(|(name, pod)| Some((name, reports.trainer(&pod.meta.name, pod.meta.created_at)?.into())));
    said.collect()
}

/// Which trainers there were to be before a restart: those that live, and of those that go, as many as were wanted.
fn trainers_before(observed: &Observed, wanted: u32) -> BTreeSet<u32> {
    let trainers = || observed.pods_of(Role::Trainer).filter(|(pod, _)| !pod.stand_in);
    let ordinals = |deleting: bool| {
        trainers().filter(move |(_, view)| view.meta.is_deleting() == deleting).map(|(pod, _)| pod.ordinal)
    };
    let mut before: BTreeSet<u32> = ordinals(false).collect();
    for ordinal in ordinals(true) {
        if before.len() < usize::try_from(wanted).unwrap_or(usize::MAX) {
            before.insert(ordinal);
        }
    }
    before
}

/// What a trainer takes of the budget.
fn resource(accelerator: Option<&Accelerator>) -> (String, u32) {
    let named = accelerator.and_then(|accelerator| {
        let resource = accelerator.resource_name.clone().map(|resource| (resource, accelerator.count));
        resource.or_else(|| Some((accelerator.resource_claim_template_name.clone()?, 1)))
    });
    named.unwrap_or_else(|| (CPU.to_owned(), 1))
}
