//! What can go wrong with pods: each is a condition with a reason, and passes when its cause does.

use control_plane::{Fate, eventually, named, wait_for, wait_until_gone};
use crds::{ConditionType, LiveStream};
use k8s_openapi::api::core::v1::{Namespace, Pod, ResourceQuota, Secret};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::harness::{Bed, is_because, one_trainer};

#[tokio::test]
async fn an_image_that_is_not_there_and_a_program_that_ends_again_and_again_are_said_and_pass() {
    let bed = Bed::new("ill").await;
    let kubelet = bed.kubelet().await;
    kubelet.set_fate(named("game-media-node-0"), Fate::ImagePullBackOff);
    kubelet.set_fate(named("game-trainer-0"), Fate::CrashLoop { restarts: 3 });
    let running = bed.start();
    bed.create("game", one_trainer()).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "ImageUnavailable")).await;
    bed.stream_that("game", is_because(ConditionType::Stalled, "ImageUnavailable")).await;
    bed.stream_that("game", is_because(ConditionType::Training, "CrashLooping")).await;
    running.counts(0, 1).await;

    kubelet.set_fate(named("game-media-node-0"), Fate::Run);
    kubelet.set_fate(named("game-trainer-0"), Fate::Run);
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    bed.stream_that("game", is_because(ConditionType::Stalled, "Unobstructed")).await;
    bed.stream_that("game", is_because(ConditionType::Training, "NoReport")).await;
    running.counts(1, 0).await;
    running.stop().await;
}

#[tokio::test]
async fn an_evicted_pod_is_made_anew_later_and_later() {
    let bed = Bed::new("evicted").await;
    let kubelet = bed.kubelet().await;
    kubelet.set_fate(named("game-media-node-0"), Fate::Evict { message: "the node was low on memory".to_owned() });
    let running = bed.start();
    bed.create("game", one_trainer()).await;
    let stream = bed.stream_that("game", is_because(ConditionType::Ready, "PodLost")).await;
    let ready = stream.status.unwrap().condition(ConditionType::Ready).unwrap().message.clone();
    assert!(ready.contains("low on memory"), "{ready}");
    let first = running.metrics.writes();
    let pods = bed.api::<Pod>();
    let second = wait_for(&pods, "game-media-node-0", |pod: &Pod| pod.metadata.deletion_timestamp.is_none()).await;
    assert_eq!(second.annotations()["acuity.video/media-port"].len(), 5, "{first}");

    kubelet.set_fate(named("game-media-node-0"), Fate::Run);
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    assert!(running.metrics.writes() < 60, "{} writes", running.metrics.writes());
    running.stop().await;
}

#[tokio::test]
async fn a_pod_stands_in_on_the_cpu_while_no_accelerator_is_free() {
    let bed = Bed::new("no-gpu").await;
    let kubelet = bed.kubelet().await;
    let message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.".to_owned();
    kubelet.set_fate(named("game-enhancer-0"), Fate::Unschedulable { message });
    let running = bed.start();
    let spec = json!({"enhancement": {"accelerator": {"resourceName": "nvidia.com/gpu"}}});
    bed.create("game", spec).await;
    bed.stream_that("game", is_because(ConditionType::Enhancing, "NoAccelerator")).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    let pods = bed.api::<Pod>();
    let is_ready = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
    };
    let stand_in = wait_for(&pods, "game-enhancer-0-cpu", is_ready).await;
    assert_eq!(stand_in.spec.unwrap().containers[0].image.as_deref(), Some("acuity/enhancer:1"));

    kubelet.set_fate(named("game-enhancer-0"), Fate::Run);
    wait_for(&pods, "game-enhancer-0", is_ready).await;
    control_plane::wait_until_gone(&pods, "game-enhancer-0-cpu").await;
    running.stop().await;
}

/// Waits until a pod with these ports, of which the strictest policy has nothing else to say, would be refused: admission
/// hears of its rules somewhat later.
async fn until_refused(bed: &Bed, ports: Value, because: &str) {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "refused"},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main",
                "image": "acuity/test",
                "ports": ports,
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    }))
    .unwrap();
    let only_tried = PostParams { dry_run: true, ..PostParams::default() };
    eventually(async || match bed.api().create(&only_tried, &pod).await {
        Err(error) if error.to_string().contains(because) => Ok(()),
        other => Err(other),
    })
    .await;
}

#[tokio::test]
async fn a_quota_and_a_policy_that_leave_no_room_are_said_and_pass() {
    let bed = Bed::new("refused").await;
    let _kubelet = bed.kubelet().await;
    let namespaces: Api<Namespace> = Api::all(bed.client.clone());
    let enforce = |level| json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}});
    namespaces.patch(&bed.namespace, &PatchParams::default(), &Patch::Merge(enforce("restricted"))).await.unwrap();
    until_refused(&bed, json!([{"containerPort": 1, "hostPort": 1}]), "hostPort").await;
    let running = bed.start();
    bed.create("game", json!({})).await;
    let stream = bed.stream_that("game", is_because(ConditionType::Ready, "PodRefused")).await;
    let message = stream.status.unwrap().condition(ConditionType::Ready).unwrap().message.clone();
    assert!(message.contains("hostPort"), "{message}");
    // Without a host port its pods are what the strictest policy asks for.
    bed.patch::<LiveStream>("game", json!({"spec": {"relay": {"media": {"exposure": "PodNetwork"}}}})).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;

    let quota = json!({"metadata": {"name": "pods"}, "spec": {"hard": {"pods": "2"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    bed.api().create(&PostParams::default(), &quota).await.unwrap();
    // There is no controller here that counts.
    let counted = json!({"status": {"hard": {"pods": "2"}, "used": {"pods": "2"}}});
    let quotas = bed.api::<ResourceQuota>();
    quotas.patch_status("pods", &PatchParams::default(), &Patch::Merge(&counted)).await.unwrap();
    until_refused(&bed, json!([]), "exceeded quota").await;
    bed.create("other", json!({"relay": {"media": {"exposure": "PodNetwork"}}})).await;
    bed.stream_that("other", is_because(ConditionType::Ready, "QuotaExceeded")).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    quotas.delete("pods", &kube::api::DeleteParams::default()).await.unwrap();
    bed.stream_that("other", is_because(ConditionType::Ready, "Accepting")).await;
    running.stop().await;
}

#[tokio::test]
async fn a_secret_that_is_missing_or_lacks_the_key_is_said_and_passes() {
    let bed = Bed::new("secret").await;
    let kubelet = bed.kubelet().await;
    kubelet.set_fate(named("game-media-node-0"), Fate::Creating);
    let running = bed.start();
    bed.create("game", json!({"ingest": {"publishTokenSecretRef": {"name": "tokens", "key": "publish"}}})).await;
    let said = async |part: &'static str| {
        bed.stream_that("game", move |stream: &LiveStream| {
            let ready = stream.status.as_ref().and_then(|status| status.condition(ConditionType::Ready));
            ready.is_some_and(|ready| ready.reason == "SecretMissing" && ready.message.contains(part))
        })
        .await
    };
    said("tokens does not exist").await;
    let secret = json!({"metadata": {"name": "tokens"}, "stringData": {"other": "x"}});
    let secret: Secret = serde_json::from_value(secret).unwrap();
    bed.api().create(&PostParams::default(), &secret).await.unwrap();
    said("no key publish").await;
    bed.patch::<Secret>("tokens", json!({"stringData": {"publish": "x"}})).await;
    kubelet.set_fate(named("game-media-node-0"), Fate::Run);
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    running.stop().await;
}

#[tokio::test]
async fn a_pod_whose_node_is_gone_is_made_anew_elsewhere() {
    let bed = Bed::new("lost-node").await;
    let kubelet = bed.kubelet().await;
    let running = bed.start();
    bed.create("game", one_trainer()).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    let pods = bed.api::<Pod>();
    // What the node controller does of a node that does not come back.
    kubelet.hold_deletions(named("game-media-node-0"));
    let grace = kube::api::DeleteParams { grace_period_seconds: Some(1), ..kube::api::DeleteParams::default() };
    pods.delete("game-media-node-0", &grace).await.unwrap();
    wait_for(&pods, "game-media-node-1", |_: &Pod| true).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    wait_until_gone(&pods, "game-media-node-0").await;
    running.stop().await;
}
