//! The fake kubelet against a real API server, alone and behind the real scheduler.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use control_plane::{ControlPlane, FakeKubelet, FakeNode, Fate, Server, labelled, named, wait_for, wait_until_gone};
use k8s_openapi::api::core::v1::{ContainerState, Node, Pod};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// A namespace of the shared control plane.
async fn namespace(purpose: &str) -> (FakeKubelet, Api<Pod>) {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace(purpose).await;
    let kubelet = FakeKubelet::builder(cluster.client()).namespace(&namespace).start().await;
    (kubelet, Api::namespaced(cluster.client(), &namespace))
}

async fn create(pods: &Api<Pod>, name: &str) -> Pod {
    create_with(pods, name, json!({})).await
}

/// With more in its spec.
async fn create_with(pods: &Api<Pod>, name: &str, more: Value) -> Pod {
    let mut spec = json!({ "containers": [{ "name": "main", "image": "registry/main:1" }] });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let pod = json!({ "metadata": { "name": name, "labels": { "app": name } }, "spec": spec });
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap()
}

/// Status and reason.
fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == kind)?;
    Some((&condition.status, condition.reason.as_deref().unwrap_or_default()))
}

fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready") == Some(("True", ""))
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

fn container_state(pod: &Pod) -> ContainerState {
    let status = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref()?.first()?.state.clone());
    status.unwrap_or_default()
}

fn waiting_reason(pod: &Pod) -> String {
    container_state(pod).waiting.and_then(|waiting| waiting.reason).unwrap_or_default()
}

#[tokio::test]
async fn a_pod_runs_on_a_node_and_gets_ready_with_addresses() {
    let (_kubelet, pods) = namespace("runs").await;
    create(&pods, "a").await;
    let pod = wait_for(&pods, "a", is_ready).await;
    let status = pod.status.as_ref().unwrap();
    assert_eq!(phase(&pod), "Running");
    assert!(pod.spec.as_ref().unwrap().node_name.as_ref().unwrap().ends_with("-node"));
    assert_eq!(status.host_ip.as_deref(), Some("127.0.0.1"));
    assert!(status.pod_ip.as_ref().unwrap().starts_with("10.128."), "{status:?}");
    assert!(status.start_time.is_some() && container_state(&pod).running.is_some());
    assert_eq!(condition(&pod, "PodScheduled"), Some(("True", "")));
}

#[tokio::test]
async fn a_pod_is_not_ready_before_its_gates_are_and_foreign_conditions_stay() {
    let (kubelet, pods) = namespace("gates").await;
    create_with(&pods, "a", json!({ "readinessGates": [{ "conditionType": "example.com/Reachable" }] })).await;
    let gated = |pod: &Pod| condition(pod, "Ready") == Some(("False", "ReadinessGatesNotReady"));
    let pod = wait_for(&pods, "a", gated).await;
    assert_eq!(condition(&pod, "ContainersReady"), Some(("True", "")));

    let open = json!({ "status": { "conditions": [{ "type": "example.com/Reachable", "status": "True" }] } });
    pods.patch_status("a", &PatchParams::default(), &Patch::Strategic(open)).await.unwrap();
    wait_for(&pods, "a", is_ready).await;
    kubelet.set_fate(named("a"), Fate::NotReady);
    let pod = wait_for(&pods, "a", |pod| !is_ready(pod)).await;
    assert_eq!(condition(&pod, "example.com/Reachable"), Some(("True", "")));
}

#[tokio::test]
async fn every_fate_shows_as_a_real_cluster_shows_it() {
    let (kubelet, pods) = namespace("fates").await;
    let message = || "why".to_owned();
    let fates = [
        ("creating", Fate::Creating),
        ("image", Fate::ImagePullBackOff),
        ("config", Fate::ConfigError { message: message() }),
        ("crash", Fate::CrashLoop { restarts: 7 }),
        ("fail", Fate::Fail { reason: "Error".into(), exit_code: 3 }),
        ("succeed", Fate::Succeed),
        ("evict", Fate::Evict { message: message() }),
        ("unschedulable", Fate::Unschedulable { message: message() }),
        ("pending", Fate::Pending),
    ];
    for (name, fate) in fates.clone() {
        kubelet.set_fate(labelled("app", name), fate);
        create(&pods, name).await;
    }
    wait_for(&pods, "creating", |pod| waiting_reason(pod) == "ContainerCreating").await;
    wait_for(&pods, "image", |pod| waiting_reason(pod) == "ImagePullBackOff" && phase(pod) == "Pending").await;
    wait_for(&pods, "config", |pod| waiting_reason(pod) == "CreateContainerConfigError").await;
    let crashing = wait_for(&pods, "crash", |pod| waiting_reason(pod) == "CrashLoopBackOff").await;
    assert_eq!(crashing.status.unwrap().container_statuses.unwrap()[0].restart_count, 7);
    let failed = wait_for(&pods, "fail", |pod| phase(pod) == "Failed").await;
    assert_eq!(container_state(&failed).terminated.unwrap().exit_code, 3);
    wait_for(&pods, "succeed", |pod| phase(pod) == "Succeeded").await;
    let evicted = wait_for(&pods, "evict", |pod| phase(pod) == "Failed").await.status.unwrap();
    assert_eq!((evicted.reason.as_deref(), evicted.message.as_deref()), (Some("Evicted"), Some("why")));
    wait_for(&pods, "unschedulable", |pod| condition(pod, "PodScheduled") == Some(("False", "Unschedulable"))).await;
    assert_eq!(pods.get("pending").await.unwrap().status.unwrap().conditions, None);
}

#[tokio::test]
async fn a_pods_fate_can_turn() {
    let (kubelet, pods) = namespace("turns").await;
    kubelet.set_fate(|_| true, Fate::Unschedulable { message: "no node".into() });
    create(&pods, "a").await;
    wait_for(&pods, "a", |pod| condition(pod, "PodScheduled") == Some(("False", "Unschedulable"))).await;
    kubelet.set_fate(named("a"), Fate::CrashLoop { restarts: 1 });
    wait_for(&pods, "a", |pod| waiting_reason(pod) == "CrashLoopBackOff").await;
    kubelet.set_fate(named("a"), Fate::Run);
    let pod = wait_for(&pods, "a", is_ready).await;
    assert_eq!(waiting_reason(&pod), "");
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changes() {
    let (kubelet, pods) = namespace("quiet").await;
    create(&pods, "a").await;
    let before = wait_for(&pods, "a", is_ready).await;
    kubelet.set_fate(named("other"), Fate::CrashLoop { restarts: 1 });
    create(&pods, "b").await;
    wait_for(&pods, "b", is_ready).await; // all were looked at again by then
    assert_eq!(pods.get("a").await.unwrap(), before);
}

#[tokio::test]
async fn a_graceful_deletion_ends_unless_it_is_held() {
    let (kubelet, pods) = namespace("deleted").await;
    for name in ["goes", "stays"] {
        create(&pods, name).await;
        wait_for(&pods, name, is_ready).await;
    }
    kubelet.hold_deletions(named("stays"));
    for name in ["stays", "goes"] {
        pods.delete(name, &DeleteParams::default()).await.unwrap();
    }
    wait_until_gone(&pods, "goes").await;
    assert!(pods.get("stays").await.unwrap().metadata.deletion_timestamp.is_some());
    kubelet.release_deletions();
    wait_until_gone(&pods, "stays").await;
}

#[tokio::test]
async fn a_lost_node_says_nothing_more_until_it_is_back() {
    let (kubelet, pods) = namespace("lost").await;
    create(&pods, "a").await;
    let node = wait_for(&pods, "a", is_ready).await.spec.unwrap().node_name.unwrap();
    kubelet.lose_node(&node).await;
    wait_for(&pods, "a", |pod| condition(pod, "Ready") == Some(("False", "NodeNotReady"))).await;
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    let second = FakeNode::new(format!("{node}-2"));
    kubelet.add_node(second).await;
    create(&pods, "b").await;
    let elsewhere = wait_for(&pods, "b", is_ready).await.spec.unwrap().node_name.unwrap();
    assert_eq!(elsewhere, format!("{node}-2"));
    assert!(pods.get("a").await.unwrap().metadata.deletion_timestamp.is_some());
    kubelet.recover_node(&node).await;
    wait_until_gone(&pods, "a").await;
    kubelet.remove_node(&elsewhere).await;
    wait_until_gone(&pods, "b").await;
}

#[tokio::test]
async fn behind_the_scheduler_a_pod_runs_where_its_devices_are() {
    let builder = ControlPlane::builder().with(Server::ControllerManager).with(Server::Scheduler);
    let cluster = builder.start().await.unwrap();
    let kubelet = FakeKubelet::builder(cluster.client())
        .node(FakeNode::new("plain"))
        .node(FakeNode::new("gpus").with_resource("nvidia.com/gpu", "2").with_taint("nvidia.com/gpu", "present"))
        .behind_scheduler()
        .start()
        .await;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "default");
    let wants = |count: &str| {
        json!({
            "containers": [{ "name": "main", "image": "i", "resources": { "limits": { "nvidia.com/gpu": count } } }],
            "tolerations": [{ "key": "nvidia.com/gpu", "operator": "Exists" }],
            "terminationGracePeriodSeconds": 0,
        })
    };
    create_with(&pods, "one", wants("1")).await;
    let one = wait_for(&pods, "one", is_ready).await;
    assert_eq!(one.spec.unwrap().node_name.as_deref(), Some("gpus"));
    create_with(&pods, "two", wants("2")).await;
    wait_for(&pods, "two", |pod| condition(pod, "PodScheduled") == Some(("False", "Unschedulable"))).await;
    pods.delete("one", &DeleteParams::default()).await.unwrap();
    wait_for(&pods, "two", is_ready).await;
    create(&pods, "modest").await;
    let modest = wait_for(&pods, "modest", is_ready).await;
    assert_eq!(modest.spec.unwrap().node_name.as_deref(), Some("plain"));

    kubelet.lose_node("gpus").await;
    let nodes: Api<Node> = Api::all(cluster.client());
    let is_tainted = |node: &Node| {
        let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
        taints.into_iter().any(|taint| taint.key == "node.kubernetes.io/unreachable")
    };
    wait_for(&nodes, "gpus", is_tainted).await;
}
