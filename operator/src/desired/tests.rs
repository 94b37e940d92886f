//! Pictures of the cluster for some specs, and who runs where when accelerators are scarce.

mod succession;

use std::collections::BTreeSet;

use crds::{LiveStream, LiveStreamSpec};
use jiff::Timestamp;
use proto::StreamName;
use serde_json::{Map, Value, json};

use super::{Desired, EnhancerWanted, desired};
use crate::{
    memory::Memory,
    names::{PodName, Role},
    observe::Observed,
    options::Options,
    views::{PodView, Unschedulable},
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn stream(spec: Value) -> (LiveStream, StreamName) {
    let spec: LiveStreamSpec = serde_json::from_value(spec).unwrap();
    let mut stream = LiveStream::new("game", spec);
    stream.metadata.namespace = Some("games".to_owned());
    stream.metadata.uid = Some("5e5b".to_owned());
    let name = stream.stream_name().unwrap();
    (stream, name)
}

fn one_trainer() -> Observed {
    Observed { media_port: Some(30900), trainers: BTreeSet::from([0]), ..Observed::default() }
}

fn desired_of(spec: Value, observed: &Observed, now: Timestamp) -> Desired {
    let (stream, name) = stream(spec);
    desired(&stream, &name, observed, &Options::for_tests(), now)
}

/// What a reviewer reads: objects by kind and name, settings as what they are.
fn picture(spec: Value) -> Value {
    let desired = desired_of(spec, &one_trainer(), at(0));
    let mut picture = Map::new();
    let pods = desired.pods.values().map(|pod| serde_json::to_value(pod).unwrap());
    let services = desired.services.iter().map(|service| serde_json::to_value(service).unwrap());
    let ingress = desired.ingress.iter().map(|ingress| serde_json::to_value(ingress).unwrap());
    for mut object in pods.chain(services).chain(ingress) {
        if let Some(settings) = object.pointer_mut("/spec/containers/0/env/0/value") {
            *settings = serde_json::from_str(settings.as_str().unwrap()).unwrap();
        }
        let name = format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        picture.insert(name, object);
    }
    Value::Object(picture)
}

#[test]
fn a_stream_without_wishes() {
    insta::assert_yaml_snapshot!(picture(json!({})));
}

#[test]
fn a_stream_on_gpus_with_tokens_behind_an_ingress() {
    insta::assert_yaml_snapshot!(picture(json!({
        "ingest": {"publishTokenSecretRef": {"name": "game", "key": "publish"}},
        "relay": {
            "viewTokenSecretRef": {"name": "game", "key": "view"},
            "signalling": {"exposure": "Ingress", "host": "game.example.org", "tlsSecretRef": {"name": "game-tls"}},
            "media": {"exposure": "LoadBalancer"},
        },
        "enhancement": {"accelerator": {"resourceName": "nvidia.com/gpu"}, "scale": 3},
        "training": {"accelerator": {"resourceClaimTemplateName": "small-gpu"}},
        "pods": {"trainer": {
            "labels": {"kueue.x-k8s.io/queue-name": "trainers"},
            "nodeSelector": {"pool": "gpu"},
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "resources": {"requests": {"cpu": "2500m"}},
            "priorityClassName": "low",
            "runtimeClassName": "nvidia",
            "extraEnv": [{"name": "RUST_LOG", "value": "debug"}, {"name": "OMP_NUM_THREADS", "value": "7"}],
        }},
    })));
}

#[test]
fn a_stream_that_is_only_relayed() {
    insta::assert_yaml_snapshot!(picture(json!({
        "relay": {"signalling": {"exposure": "ClusterIP"}, "media": {"exposure": "PodNetwork"}, "maxViewers": 10},
        "enhancement": {"mode": "Disabled"},
        "training": {"enabled": false},
    })));
}

#[test]
fn a_paused_stream_keeps_what_others_know_it_by() {
    let picture = picture(json!({"paused": true}));
    let names: Vec<_> = picture.as_object().unwrap().keys().collect();
    assert_eq!(names, ["Service game", "Service game-media-node"]);
}

#[test]
fn without_a_free_host_port_there_is_no_media_node_and_the_rest_waits_for_it() {
    let observed = Observed { media_port: None, ..one_trainer() };
    let pods: Vec<_> = desired_of(json!({}), &observed, at(0)).pods.into_keys().collect();
    assert_eq!(pods, [PodName::new(Role::Enhancer, 0), PodName::new(Role::Trainer, 0)]);
}

const ENHANCER: PodName = PodName { role: Role::Enhancer, ordinal: 0, stand_in: false };
const STAND_IN: PodName = PodName { stand_in: true, ..ENHANCER };

/// An enhancer that no node has taken since second 100.
fn unschedulable(message: &str) -> PodView {
    PodView { unschedulable: Some(Unschedulable { since: at(100), message: message.to_owned() }), ..on_gpu() }
}

fn on_gpu() -> PodView {
    PodView { image: "enhancer:1-cuda".to_owned(), ..PodView::for_tests(ENHANCER) }
}

const NO_GPU: &str = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.";

/// Which enhancers there are to be, and when that is to be asked again.
fn enhancers(policy: &str, pods: &[(PodName, PodView)], memory: Memory, now: i64) -> (Vec<PodName>, Option<i64>) {
    let spec = json!({"enhancement": {"accelerator": {"resourceName": "nvidia.com/gpu"}, "onNoAccelerator": policy}});
    let pods = pods.iter().map(|(name, pod)| (*name, pod.clone().into())).collect();
    let desired = desired_of(spec, &Observed { pods, memory, ..Observed::default() }, at(now));
    let enhancers = desired.pods.into_keys().filter(|pod| pod.role == Role::Enhancer).collect();
    (enhancers, desired.again_at.0.map(Timestamp::as_second))
}

#[test]
fn a_pod_stands_in_on_the_cpu_after_ten_seconds_without_an_accelerator_until_one_is_free() {
    let waits = (ENHANCER, unschedulable(NO_GPU));
    let stands_in = (STAND_IN, PodView { ready: true, ..PodView::for_tests(STAND_IN) });
    let ready = (ENHANCER, PodView { ready: true, ..on_gpu() });
    let starts = (ENHANCER, on_gpu());
    let check = |pods: &[(PodName, PodView)], now, expected: (&[PodName], Option<i64>)| {
        let found = enhancers("Cpu", pods, Memory::default(), now);
        assert_eq!(
            (found.0.as_slice(), found.1),
            expected,
            "at {now} with {:?}",
            pods.iter().map(|(name, _)| name).collect::<Vec<_>>()
        );
    };
    check(&[], 100, (&[ENHANCER], None));
    check(std::slice::from_ref(&waits), 105, (&[ENHANCER], Some(110)));
    check(std::slice::from_ref(&waits), 110, (&[ENHANCER, STAND_IN], None));
    check(&[waits, stands_in.clone()], 500, (&[ENHANCER, STAND_IN], None));
    check(&[starts, stands_in.clone()], 500, (&[ENHANCER, STAND_IN], None));
    check(&[ready, stands_in], 500, (&[ENHANCER], None));
}

#[test]
fn other_wants_of_a_pod_are_not_taken_for_a_want_of_accelerators() {
    let pods = [(ENHANCER, unschedulable("0/3 nodes are available: 3 Insufficient cpu."))];
    for policy in ["Cpu", "Bicubic", "Wait"] {
        assert_eq!(enhancers(policy, &pods, Memory::default(), 500), (vec![ENHANCER], None), "{policy}");
    }
}

#[test]
fn an_enhancer_that_is_done_without_is_tried_again_after_five_minutes() {
    let pods = [(ENHANCER, unschedulable(NO_GPU))];
    assert_eq!(enhancers("Bicubic", &pods, Memory::default(), 109), (vec![ENHANCER], Some(110)));
    assert_eq!(enhancers("Bicubic", &pods, Memory::default(), 110), (vec![], Some(410)));
    let given_up = Memory { accelerator_due_at: Some(at(410)), ..Memory::default() };
    assert_eq!(enhancers("Bicubic", &[], given_up.clone(), 409), (vec![], Some(410)));
    assert_eq!(enhancers("Bicubic", &[], given_up, 410), (vec![ENHANCER], None));
}

#[test]
fn one_that_waits_waits() {
    let pods = [(ENHANCER, unschedulable(NO_GPU))];
    assert_eq!(enhancers("Wait", &pods, Memory::default(), 9999), (vec![ENHANCER], None));
}

#[test]
fn the_enhancer_goes_when_nobody_has_published_for_a_while() {
    let check = |publishing, idle_since: i64, now, expected| {
        let idle_since_unix_us = u64::try_from(idle_since).unwrap() * 1_000_000;
        let report = proto::v1::MediaNodeReport { publishing, idle_since_unix_us, ..Default::default() };
        let observed = Observed { report: Some(report), ..one_trainer() };
        let desired = desired_of(json!({}), &observed, at(now));
        assert_eq!((desired.enhancer, desired.again_at.0.map(Timestamp::as_second)), expected, "at {now}");
    };
    check(true, 0, 1000, (EnhancerWanted::Yes, None));
    check(false, 1000, 1059, (EnhancerWanted::Yes, Some(1060)));
    check(false, 1000, 1060, (EnhancerWanted::NobodyPublishes, None));
}
