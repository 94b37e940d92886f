//! One pod takes over from another: roll-outs, drains, and what can come between.

use control_plane::{Fate, named, wait_for, wait_until_gone};
use crds::{ConditionType, LiveStream, children::POD_LABEL};
use k8s_openapi::api::{
    core::v1::{Pod, Service},
    events::v1::Event,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use crate::{
    harness::{Bed, is_because, one_trainer, reason},
    story::Story,
};

const OLD: &str = "game-media-node-0";
const NEW: &str = "game-media-node-1";

/// Changes the media-node, and nothing else.
fn fewer_viewers() -> Value {
    json!({"spec": {"relay": {"maxViewers": 10}}})
}

async fn live_stream(bed: &Bed, spec: Value) {
    bed.create("game", spec).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    wait_for(&bed.api::<Pod>(), "game-enhancer-0", is_ready).await;
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

fn leads_to(pod: &'static str) -> impl Fn(&Service) -> bool {
    move |service| service.spec.as_ref().unwrap().selector.as_ref().unwrap()[POD_LABEL] == pod
}

#[tokio::test]
async fn a_roll_out_has_the_successor_ready_before_the_services_turn_and_the_old_one_goes() {
    let bed = Bed::new("roll-out").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    live_stream(&bed, one_trainer()).await;
    let port = |pod: Pod| pod.annotations()["acuity.video/media-port"].clone();
    let pods = bed.api::<Pod>();
    let old_port = port(pods.get(OLD).await.unwrap());
    let others = bed.uids_of(&["game-enhancer-0", "game-trainer-0"]).await;

    let story = Story::begin(&bed).await;
    bed.patch::<LiveStream>("game", fewer_viewers()).await;
    wait_until_gone(&pods, OLD).await;
    bed.stream_that("game", is_because(ConditionType::Reconciling, "InSync")).await;
    let told = story.end().await;
    let order = |line: &str| told.iter().position(|told| told == line).unwrap_or_else(|| panic!("{line}: {told:#?}"));
    let steps = [
        "game-media-node-1 is made",
        "game-media-node-1 is ready",
        "game leads to game-media-node-1",
        "game-media-node-0 is to end",
        "game-media-node-0 is gone",
    ];
    let found: Vec<_> = steps.iter().map(|step| order(step)).collect();
    assert!(found.is_sorted(), "{told:#?}");
    assert!(order("game-media-node leads to game-media-node-1") < order("game-media-node-0 is to end"), "{told:#?}");
    assert_eq!(told.iter().filter(|line| line.contains("is made")).count(), 1, "{told:#?}");

    assert_ne!(port(pods.get(NEW).await.unwrap()), old_port, "both run at the same time");
    assert_eq!(bed.uids_of(&["game-enhancer-0", "game-trainer-0"]).await, others);
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    running.stop().await;
}

#[tokio::test]
async fn a_media_node_that_is_drained_serves_until_its_successor_does() {
    let bed = Bed::new("drained").await;
    let kubelet = bed.kubelet().await;
    let running = bed.start();
    live_stream(&bed, one_trainer()).await;
    kubelet.hold_deletions(named(OLD));
    kubelet.set_fate(named(NEW), Fate::NotReady);

    let pods = bed.api::<Pod>();
    pods.delete(OLD, &DeleteParams::default()).await.unwrap();
    wait_for(&pods, NEW, |_: &Pod| true).await;
    let stream = bed.stream_that("game", is_because(ConditionType::Ready, "Moving")).await;
    assert_eq!(reason(&stream, ConditionType::Reconciling).as_deref(), Some("Moving"));
    assert!(leads_to(OLD)(&bed.api().get("game").await.unwrap()), "its successor is not ready");

    kubelet.set_fate(named(NEW), Fate::Run);
    for service in ["game", "game-media-node"] {
        wait_for(&bed.api::<Service>(), service, leads_to(NEW)).await;
    }
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    assert!(pods.get_opt(OLD).await.unwrap().is_some(), "nobody waited for its end");
    kubelet.release_deletions();
    wait_until_gone(&pods, OLD).await;
    bed.stream_that("game", is_because(ConditionType::Reconciling, "InSync")).await;
    running.stop().await;
}

#[tokio::test]
async fn a_successor_that_is_drained_too_is_followed_at_once() {
    let bed = Bed::new("twice").await;
    let kubelet = bed.kubelet().await;
    let running = bed.start();
    live_stream(&bed, one_trainer()).await;
    kubelet.hold_deletions(|pod| pod.name_any().contains("media-node"));
    kubelet.set_fate(named(NEW), Fate::NotReady);

    let pods = bed.api::<Pod>();
    for pod in [OLD, NEW] {
        wait_for(&pods, pod, |pod: &Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())).await;
        pods.delete(pod, &DeleteParams::default()).await.unwrap();
    }
    for service in ["game", "game-media-node"] {
        wait_for(&bed.api::<Service>(), service, leads_to("game-media-node-2")).await;
    }
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    kubelet.release_deletions();
    for pod in [OLD, NEW] {
        wait_until_gone(&pods, pod).await;
    }
    bed.patch::<LiveStream>("game", fewer_viewers()).await;
    wait_until_gone(&pods, "game-media-node-2").await;
    assert!(is_ready(&pods.get(OLD).await.unwrap()), "the lowest name that is free");
    running.stop().await;
}

#[tokio::test]
async fn a_successor_that_never_becomes_ready_leaves_the_old_one_as_it_is_until_the_spec_changes_back() {
    let bed = Bed::new("never-ready").await;
    let kubelet = bed.kubelet().await;
    kubelet.set_fate(named(NEW), Fate::ImagePullBackOff);
    let running = bed.start();
    live_stream(&bed, one_trainer()).await;
    let old = bed.uids_of(&[OLD]).await;
    bed.patch::<LiveStream>("game", fewer_viewers()).await;
    let stream = bed.stream_that("game", is_because(ConditionType::Stalled, "ImageUnavailable")).await;
    assert_eq!(reason(&stream, ConditionType::Ready).as_deref(), Some("Accepting"));

    bed.patch::<LiveStream>("game", json!({"spec": {"relay": {"maxViewers": 20}}})).await;
    bed.patch::<LiveStream>("game", json!({"spec": {"relay": {"maxViewers": 1000}}})).await;
    wait_until_gone(&bed.api::<Pod>(), NEW).await;
    bed.stream_that("game", is_because(ConditionType::Reconciling, "InSync")).await;
    assert_eq!(bed.uids_of(&[OLD]).await, old);
    assert!(leads_to(OLD)(&bed.api().get("game").await.unwrap()));
    running.stop().await;
}

#[tokio::test]
async fn where_there_is_room_for_one_the_old_one_goes_first_and_it_is_said() {
    let bed = Bed::new("no-room").await;
    let kubelet = bed.kubelet().await;
    let message = "0/1 nodes are available: 1 Insufficient cpu.".to_owned();
    kubelet.set_fate(named(NEW), Fate::Unschedulable { message });
    kubelet.hold_deletions(named(OLD));
    let running = bed.start();
    live_stream(&bed, one_trainer()).await;
    bed.patch::<LiveStream>("game", fewer_viewers()).await;
    let pods = bed.api::<Pod>();
    wait_for(&pods, NEW, |_: &Pod| true).await;
    bed.stream_that("game", is_because(ConditionType::Reconciling, "Moving")).await;
    bed.stream_that("game", is_because(ConditionType::Reconciling, "MakingRoom")).await;
    let events = bed.api::<Event>().list(&ListParams::default()).await.unwrap();
    assert!(events.iter().any(|event| event.reason.as_deref() == Some("PodMakesRoom")));

    kubelet.release_deletions();
    wait_until_gone(&pods, OLD).await;
    kubelet.set_fate(named(NEW), Fate::Run);
    wait_for(&bed.api::<Service>(), "game", leads_to(NEW)).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    running.stop().await;
}

#[tokio::test]
async fn an_operator_that_begins_in_the_middle_of_a_roll_out_goes_on_with_it() {
    let bed = Bed::new("begins").await;
    let kubelet = bed.kubelet().await;
    let pods = bed.api::<Pod>();
    let running = bed.start();
    live_stream(&bed, one_trainer()).await;
    kubelet.set_fate(named(NEW), Fate::NotReady);
    bed.patch::<LiveStream>("game", fewer_viewers()).await;
    wait_for(&pods, NEW, |_: &Pod| true).await;
    running.stop().await;

    // The successor becomes ready while nobody looks.
    kubelet.set_fate(named(NEW), Fate::Run);
    wait_for(&pods, NEW, is_ready).await;
    let running = bed.start();
    wait_until_gone(&pods, OLD).await;
    assert!(leads_to(NEW)(&bed.api().get("game").await.unwrap()));
    running.stop().await;
}

#[tokio::test]
async fn media_through_a_service_turn_with_the_others_and_the_port_stays() {
    let bed = Bed::new("media-service").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    let mut spec = one_trainer();
    spec["relay"] = json!({"media": {"exposure": "NodePort"}});
    live_stream(&bed, spec).await;
    let services = bed.api::<Service>();
    let port = async || services.get("game-media").await.unwrap().spec.unwrap().ports.unwrap()[0].node_port;
    let before = port().await;
    bed.patch::<LiveStream>("game", fewer_viewers()).await;
    wait_for(&services, "game-media", leads_to(NEW)).await;
    wait_until_gone(&bed.api::<Pod>(), OLD).await;
    assert_eq!(port().await, before);
    running.stop().await;
}

#[tokio::test]
async fn what_the_operator_alone_is_told_needs_no_other_pod() {
    let bed = Bed::new("no-other-pod").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    let mut spec = one_trainer();
    spec["enhancement"] = json!({"onNoAccelerator": "Cpu"});
    live_stream(&bed, spec).await;
    let all = [OLD, "game-enhancer-0", "game-trainer-0"];
    let before = bed.uids_of(&all).await;
    let changed = json!({"spec": {
        "ingest": {"idleTimeoutSeconds": 33},
        "enhancement": {"onNoAccelerator": "Wait"},
        "training": {"onNoAccelerator": "Cpu", "autoscaling": {"maxReplicas": 3, "weight": 7}},
    }});
    let stream: LiveStream = bed.patch("game", changed).await;
    let is_seen = |seen: &LiveStream| {
        let status = seen.status.as_ref().unwrap();
        Some(status.observed_generation) == stream.metadata.generation
            && reason(seen, ConditionType::Reconciling).as_deref() == Some("InSync")
    };
    bed.stream_that("game", is_seen).await;
    assert_eq!(bed.uids_of(&all).await, before);
    assert_eq!(bed.names::<Pod>().await.len(), 3);
    running.stop().await;
}
