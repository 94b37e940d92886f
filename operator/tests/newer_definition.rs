//! The definition of streams is newer than the operator: what it cannot read it says, and leaves alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "cluster/harness.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod harness;

use std::collections::BTreeSet;

use crds::{ConditionType, LiveStream};
use k8s_openapi::{
    api::{core::v1::Pod, events::v1::Event},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use control_plane::{wait_for, wait_until_gone};
use harness::{Bed, is_because};

/// What a later operator would understand.
const LATER_MODE: &str = "Client";

#[tokio::test]
async fn a_spec_that_is_not_understood_is_said_and_what_runs_is_left_alone() {
    let bed = Bed::new("newer").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    bed.create("game", json!({"training": {"replicas": 1, "autoscaling": {"mode": "Fixed"}}})).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    wait_for(&bed.api::<Pod>(), "game-trainer-0", |_: &Pod| true).await;
    let before = pods(&bed).await;

    let streams = untyped(&bed);
    let told = make_unreadable(&bed).await;
    assert_eq!(reason(&told.data["status"], "Stalled"), "SpecNotUnderstood");
    assert_eq!(told.data["status"]["observedGeneration"].as_i64(), told.metadata.generation);
    assert!(told.data["status"]["conditions"].to_string().contains(LATER_MODE), "{}", told.data["status"]);
    assert!(told.data["status"]["endpoints"]["whip"].is_string(), "the rest of the status stays");
    let events = bed.api::<Event>().list(&ListParams::default()).await.unwrap();
    let said = events.iter().find(|event| event.reason.as_deref() == Some("SpecNotUnderstood")).unwrap();
    assert_eq!(said.type_.as_deref(), Some("Warning"));
    running.stop().await;

    // Another process finds it said, and what runs as it is to be.
    let running = bed.start();
    while running.metrics.reconciles.get() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let version = streams.get("game").await.unwrap().resource_version();
    assert_eq!(version, told.resource_version());
    assert_eq!(running.metrics.writes(), 0);
    assert_eq!(pods(&bed).await, before);

    streams.patch("game", &PatchParams::default(), &mode("Server")).await.unwrap();
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    bed.stream_that("game", is_because(ConditionType::Stalled, "Unobstructed")).await;
    assert_eq!(pods(&bed).await, before);

    make_unreadable(&bed).await;
    streams.delete("game", &DeleteParams::background()).await.unwrap();
    wait_until_gone(&bed.api::<LiveStream>(), "game").await;
    running.stop().await;
}

#[tokio::test]
async fn after_a_restart_the_port_of_what_is_not_understood_is_nobody_else_s() {
    let mut bed = Bed::new("newer-ports").await;
    bed.options.host_ports = (30900, 30902);
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    bed.create("game", json!({})).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    make_unreadable(&bed).await;
    running.stop().await;

    let running = bed.start();
    let mut ports = BTreeSet::new();
    for stream in ["game", "first", "second"] {
        if stream != "game" {
            bed.create(stream, json!({})).await;
        }
        let pod = wait_for(&bed.api::<Pod>(), &format!("{stream}-media-node-0"), |_| true).await;
        ports.extend(host_ports(&pod));
    }
    assert_eq!(ports, BTreeSet::from([30900, 30901, 30902]));
    running.stop().await;
}

fn host_ports(pod: &Pod) -> Vec<i32> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.flat_map(|container| container.ports.iter().flatten().filter_map(|port| port.host_port)).collect()
}

fn mode(mode: &str) -> Patch<Value> {
    Patch::Merge(json!({"spec": {"enhancement": {"mode": mode}}}))
}

/// Gives the stream a spec of a later definition; returns it once the operator has said so.
async fn make_unreadable(bed: &Bed) -> DynamicObject {
    define_later_mode(bed).await;
    let streams = untyped(bed);
    // The API server takes a while to go by another definition.
    while streams.patch("game", &PatchParams::default(), &mode(LATER_MODE)).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    wait_for_untyped(&streams, |status| reason(status, "Ready") == "SpecNotUnderstood").await
}

fn untyped(bed: &Bed) -> Api<DynamicObject> {
    Api::namespaced_with(bed.client.clone(), &bed.namespace, &ApiResource::erase::<LiveStream>(&()))
}

/// Names and UIDs.
async fn pods(bed: &Bed) -> Vec<(String, Option<String>)> {
    let pods = bed.api::<Pod>().list(&ListParams::default()).await.unwrap();
    pods.into_iter().map(|pod| (pod.name_any(), pod.uid())).collect()
}

async fn define_later_mode(bed: &Bed) {
    let mut definition = json!(crds::definition());
    let modes = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/enhancement/properties/mode/enum";
    definition.pointer_mut(modes).unwrap().as_array_mut().unwrap().push(json!(LATER_MODE));
    let definitions: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    let patch = Patch::Merge(json!({"spec": definition["spec"]}));
    definitions.patch(&crds::definition().name_any(), &PatchParams::default(), &patch).await.unwrap();
}

async fn wait_for_untyped(streams: &Api<DynamicObject>, is_so: impl Fn(&Value) -> bool) -> DynamicObject {
    let began = std::time::Instant::now();
    loop {
        let stream = streams.get("game").await.unwrap();
        if is_so(&stream.data["status"]) {
            return stream;
        }
        assert!(began.elapsed().as_secs() < 60, "{}", stream.data["status"]);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn reason(status: &Value, condition: &str) -> String {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let of_type = conditions.into_iter().find(|one| one["type"] == condition);
    of_type.and_then(|one| one["reason"].as_str()).unwrap_or_default().to_owned()
}
