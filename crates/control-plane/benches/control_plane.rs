//! How soon a control plane is ready, and how fast the fake kubelet brings up pods; as many as `PODS` says, 2,000 by default.

#![allow(clippy::unwrap_used, reason = "a benchmark may end where it fails")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use control_plane::{ControlPlane, FakeKubelet};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};

const STARTS: usize = 7;
const PARALLEL: usize = 16;

#[tokio::main]
async fn main() {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let begin = Instant::now();
        drop(ControlPlane::builder().start().await.unwrap());
        starts.push(begin.elapsed().as_secs_f64());
    }
    starts.sort_by(f64::total_cmp);
    let slowest = format!("slowest of {STARTS}: {:.2} s", starts[STARTS - 1]);

    let pods = std::env::var("PODS").map_or(2_000, |pods| pods.parse().unwrap());
    let (created, ready) = bring_up(pods).await;
    let creation = format!("created, without a kubelet: {:.0} pods/s", f64::from(pods) / created);
    write(&[
        figure("control plane: start to ready, median", starts[STARTS / 2], "s", "< 4", slowest),
        figure(
            &format!("fake kubelet: {pods} pods created and ready"),
            f64::from(pods) / ready,
            "pods/s",
            "> 200",
            creation,
        ),
    ]);
}

/// Seconds until that many pods exist without a kubelet, and until as many others are ready with one.
async fn bring_up(count: u32) -> (f64, f64) {
    let cluster = ControlPlane::builder().start().await.unwrap();
    let mut seconds = Vec::new();
    for has_kubelet in [false, true] {
        let namespace = cluster.namespace("pods").await;
        let kubelet = async || FakeKubelet::builder(cluster.client()).namespace(&namespace).start().await;
        let _kubelet = if has_kubelet { Some(kubelet().await) } else { None };
        let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
        let begin = Instant::now();
        let create = async |index| drop(pods.create(&PostParams::default(), &pod(index)).await.unwrap());
        stream::iter(0..count).for_each_concurrent(PARALLEL, create).await;
        if has_kubelet {
            wait_until_ready(&pods, count).await;
        }
        seconds.push(begin.elapsed().as_secs_f64());
    }
    (seconds[0], seconds[1])
}

async fn wait_until_ready(pods: &Api<Pod>, count: u32) {
    let not_running = ListParams::default().fields("status.phase!=Running").limit(1);
    while !pods.list(&not_running).await.unwrap().items.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let pods = pods.list(&ListParams::default()).await.unwrap();
    assert_eq!(pods.items.len(), count as usize);
}

fn pod(index: u32) -> Pod {
    let spec = json!({ "containers": [{ "name": "main", "image": "registry/main:1" }] });
    let pod = json!({ "metadata": { "name": format!("pod-{index}"), "labels": { "app": "bench" } }, "spec": spec });
    serde_json::from_value(pod).unwrap()
}

fn figure(name: &str, value: f64, unit: &str, goal: &str, compared_with: String) -> Value {
    let machine = format!("{} cores", std::thread::available_parallelism().unwrap());
    println!("{name}: {value:.2} {unit} (goal: {goal}; {compared_with})");
    json!({ "name": name, "value": value, "unit": unit, "goal": goal, "machine": machine, "compared_with": compared_with })
}

fn write(figures: &[Value]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("control_plane.json"), json!(figures).to_string()).unwrap();
}
