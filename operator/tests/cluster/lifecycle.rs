//! From creation to deletion.

use crds::{ConditionType, LiveStream, LiveStreamStatus};
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::harness::{Bed, is_because, one_trainer, reason};
use control_plane::{wait_for, wait_until_gone};

#[tokio::test]
async fn a_stream_becomes_pods_services_a_secret_and_a_status() {
    let bed = Bed::new("becomes").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    let created = bed.create("game", one_trainer()).await;
    assert_eq!(created.status.as_ref().unwrap().observed_generation, -1, "kstatus is right from the first read");

    let stream = bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    assert_eq!(bed.names::<Pod>().await, ["game-enhancer-0", "game-media-node-0", "game-trainer-0"]);
    assert_eq!(bed.names::<Service>().await, ["game", "game-media-node"]);
    assert_eq!(bed.names::<Secret>().await, ["game-acuity"]);
    let status = stream.status.unwrap();
    assert_eq!(status.observed_generation, 1);
    assert!(status.is_true(ConditionType::Ready));
    let endpoints = status.endpoints.unwrap();
    assert!(endpoints.whip.starts_with("http://127.0.0.1:3") && endpoints.whip.ends_with("/whip"), "{endpoints:?}");

    let media_node: Pod = bed.api().get("game-media-node-0").await.unwrap();
    let advertised = &media_node.annotations()["acuity.video/advertised-addresses"];
    assert_eq!(*advertised, format!("127.0.0.1:{}", media_node.annotations()["acuity.video/media-port"]));
    assert_eq!(media_node.owner_references()[0].uid, stream.metadata.uid.unwrap());
    running.stop().await;
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changed_nor_after_a_restart() {
    let bed = Bed::new("idle").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    for name in ["one", "two", "three"] {
        bed.create(name, one_trainer()).await;
    }
    for name in ["one", "two", "three"] {
        bed.stream_that(name, is_because(ConditionType::Ready, "Accepting")).await;
        bed.stream_that(name, is_because(ConditionType::Reconciling, "InSync")).await;
        let all_ready = |status: &LiveStreamStatus| {
            let trainers = status.trainers.as_ref().map(|trainers| trainers.ready);
            (trainers, status.enhancer.as_ref().map(|enhancer| enhancer.ready)) == (Some(1), Some(true))
        };
        bed.stream_that(name, move |stream: &LiveStream| stream.status.as_ref().is_some_and(all_ready)).await;
    }
    running.stop().await;

    let again = bed.start();
    let reconciled = || again.metrics.reconciles.get() >= 3;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while !reconciled() {
        assert!(tokio::time::Instant::now() < deadline, "it did not look at its streams");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let metrics = again.metrics.clone();
    again.stop().await;
    assert_eq!(metrics.writes(), 0);
}

#[tokio::test]
async fn a_changed_spec_replaces_the_pods_it_is_about_and_no_others() {
    let bed = Bed::new("update").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    bed.create("game", one_trainer()).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    let uid = async |name: &str| bed.api::<Pod>().get(name).await.unwrap().uid().unwrap();
    let media_node = uid("game-media-node-0").await;

    let change = json!({"spec": {"enhancement": {"encoder": {"bitrateKbps": 3000}}}});
    bed.patch::<LiveStream>("game", change).await;
    wait_until_gone(&bed.api::<Pod>(), "game-enhancer-0").await;
    let other: Pod = bed.api().get("game-enhancer-1").await.unwrap();
    let settings = other.spec.unwrap().containers[0].env.clone().unwrap()[0].value.clone().unwrap();
    assert!(settings.contains("\"bitrate_kbps\":3000"), "{settings}");
    assert_eq!(uid("game-media-node-0").await, media_node);
    running.stop().await;
}

#[tokio::test]
async fn a_paused_stream_has_no_pods_and_keeps_its_endpoints() {
    let bed = Bed::new("paused").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    bed.create("game", one_trainer()).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    let port = |service: Service| service.spec.unwrap().ports.unwrap()[0].node_port;
    let before = port(bed.api().get("game").await.unwrap());

    bed.patch::<LiveStream>("game", json!({"spec": {"paused": true}})).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Paused")).await;
    for pod in ["game-media-node-0", "game-enhancer-0", "game-trainer-0"] {
        wait_until_gone(&bed.api::<Pod>(), pod).await;
    }
    bed.patch::<LiveStream>("game", json!({"spec": {"paused": false}})).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    assert_eq!(port(bed.api().get("game").await.unwrap()), before);
    running.stop().await;
}

#[tokio::test]
async fn what_others_change_of_the_operators_is_put_back() {
    let bed = Bed::new("foreign").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    bed.create("game", one_trainer()).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;

    bed.patch::<Service>(
        "game",
        json!({"spec": {"selector": {"app": "mine"}}, "metadata": {"labels": {"mine": "stays"}}}),
    )
    .await;
    let service = wait_for(&bed.api::<Service>(), "game", |service: &Service| {
        !service.spec.as_ref().unwrap().selector.as_ref().unwrap().contains_key("app")
    })
    .await;
    assert_eq!(service.labels()["mine"], "stays");
    assert!(service.spec.unwrap().selector.unwrap().contains_key("acuity.video/stream"));

    let label = "app.kubernetes.io/managed-by";
    bed.patch::<Pod>("game-enhancer-0", json!({"metadata": {"labels": {label: null}}})).await;
    wait_for(&bed.api::<Pod>(), "game-enhancer-0", |pod: &Pod| pod.labels().contains_key(label)).await;

    let uid = bed.api::<Secret>().get("game-acuity").await.unwrap().uid();
    bed.api::<Secret>().delete("game-acuity", &DeleteParams::default()).await.unwrap();
    wait_for(&bed.api::<Secret>(), "game-acuity", |secret: &Secret| secret.uid() != uid).await;

    let image = json!({"spec": {"containers": [{"name": "enhancer", "image": "mine"}]}});
    let pods = bed.api::<Pod>();
    pods.patch("game-enhancer-0", &PatchParams::default(), &Patch::Strategic(&image)).await.unwrap();
    wait_until_gone(&pods, "game-enhancer-0").await;
    let other = pods.get("game-enhancer-1").await.unwrap();
    assert_eq!(other.spec.unwrap().containers[0].image.as_deref(), Some("acuity/enhancer:1"));
    running.stop().await;
}

#[tokio::test]
async fn an_object_of_somebody_else_is_left_alone_and_said() {
    let bed = Bed::new("taken").await;
    let _kubelet = bed.kubelet().await;
    let mine = json!({"metadata": {"name": "game"}, "spec": {"selector": {"app": "mine"}, "ports": [{"port": 1}]}});
    let mine: Service = serde_json::from_value(mine).unwrap();
    bed.api().create(&PostParams::default(), &mine).await.unwrap();
    let running = bed.start();
    bed.create("game", one_trainer()).await;
    let stream = bed.stream_that("game", is_because(ConditionType::Stalled, "NameTaken")).await;
    assert_eq!(reason(&stream, ConditionType::Reconciling).as_deref(), Some("Progressing"));
    let service: Service = bed.api().get("game").await.unwrap();
    assert_eq!(service.spec.unwrap().selector.unwrap()["app"], "mine");
    assert!(service.metadata.owner_references.is_none());

    bed.api::<Service>().delete("game", &DeleteParams::default()).await.unwrap();
    bed.stream_that("game", is_because(ConditionType::Stalled, "Unobstructed")).await;
    running.stop().await;
}

#[tokio::test]
async fn a_deleted_stream_takes_its_pods_along() {
    let bed = Bed::new("deleted").await;
    let _kubelet = bed.kubelet().await;
    let running = bed.start();
    bed.create("game", one_trainer()).await;
    bed.stream_that("game", is_because(ConditionType::Ready, "Accepting")).await;
    bed.api::<LiveStream>().delete("game", &DeleteParams::foreground()).await.unwrap();
    for pod in ["game-media-node-0", "game-enhancer-0", "game-trainer-0"] {
        wait_until_gone(&bed.api::<Pod>(), pod).await;
    }
    running.stop().await;
}
