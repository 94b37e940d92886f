//! A stream, or its namespace, goes at any time.

use bus::Bus;
use crds::{ConditionType, LiveStream};
use jiff::SignedDuration;
use k8s_openapi::api::{core::v1::Namespace, events::v1::Event};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use operator::Kind;

use crate::{
    scenarios::{check, fixed},
    world::{Step, World},
};

#[tokio::test]
async fn a_stream_that_is_deleted_in_any_state_leaves_nothing() {
    let mut world = World::new("turns").await;
    world.act(&Step::Create(fixed(1))).await;
    let mut turns = 0;
    while world.turn_or_wait().await {
        turns += 1;
    }
    assert!(turns >= 4, "{turns}");
    check((0..=turns).map(delete_after).collect()).await;
}

async fn delete_after(turns: usize) -> Vec<String> {
    let mut world = World::new("deleted-early").await;
    world.act(&Step::Create(fixed(1))).await;
    for _ in 0..turns {
        world.turn_or_wait().await;
    }
    world.act(&Step::Delete).await;
    world.settle().await;
    let left: Vec<_> =
        world.objects().await.0.keys().map(|key| format!("{key:?} is left, deleted in turn {turns}")).collect();
    left
}

#[tokio::test]
async fn without_nats_a_deleted_stream_goes_after_two_minutes_and_says_so() {
    let away = Bus::connect("nats://127.0.0.1:9", None, "test").await.unwrap();
    let mut world = World::with_bus("without-nats", Some(away)).await;
    world.act(&Step::Create(fixed(1))).await;
    world.settle_for(SignedDuration::from_secs(1)).await;
    let streams = world.bed.api::<LiveStream>();
    assert_eq!(streams.get("game").await.unwrap().finalizers(), ["acuity.video/bus"]);

    world.act(&Step::Delete).await;
    world.settle_for(SignedDuration::from_secs(30)).await;
    assert_eq!(world.reason(ConditionType::Ready).await.as_deref(), Some("Deleting"));
    assert_eq!(world.objects().await.of(Kind::Pod).count(), 0, "they went first");
    world.settle_for(SignedDuration::from_mins(3)).await;
    assert!(streams.get_opt("game").await.unwrap().is_none());
    let events = world.bed.api::<Event>().list(&ListParams::default()).await.unwrap();
    assert!(events.iter().any(|event| event.reason.as_deref() == Some("LeftInBus")));
}

/// What the controller of namespaces takes away is not made again.
#[tokio::test]
async fn with_its_namespace_everything_goes_and_nothing_is_fought_for() {
    let mut world = World::new("namespace").await;
    world.act(&Step::Create(fixed(1))).await;
    world.settle().await;
    let namespaces: Api<Namespace> = Api::all(world.bed.client.clone());
    namespaces.delete(&world.bed.namespace, &DeleteParams::default()).await.unwrap();
    world.wire.arm(None);
    for pod in ["game-media-node-0", "game-enhancer-0", "game-trainer-0"] {
        world.act(&Step::DeletePod(pod)).await;
    }
    world.settle_for(SignedDuration::from_secs(10)).await;
    assert_eq!(world.reason(ConditionType::Ready).await.as_deref(), Some("Deleting"));
    assert_eq!(world.wire.lives(), [] as [String; 0]);
    assert!(world.wire.count() < 50, "{:#?}", world.wire.calls());
    world.act(&Step::Delete).await;
    world.settle().await;
    assert!(world.objects().await.0.is_empty());
}
