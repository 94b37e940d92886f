//! What the schema lets through and the cluster does not: a condition says so, and a better value is all it takes.

use crds::ConditionType;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    scenarios::{check, fixed},
    world::{Step, World},
};

#[tokio::test]
async fn a_value_that_the_cluster_refuses_is_said_and_passes() {
    let overlay = |field: &str| json!({"pods": {"mediaNode": {field: "nobody-knows"}}});
    let values = ["priorityClassName", "serviceAccountName", "runtimeClassName"].map(overlay);
    check(values.into_iter().map(refuse).collect()).await;
}

async fn refuse(change: Value) -> Vec<String> {
    let mut world = World::new("bad-value").await;
    world.act(&Step::Create(fixed(1))).await;
    world.settle().await;
    let before = world.picture().await.without_history();
    world.wire.arm(None);
    world.act(&Step::Change(change.clone())).await;
    world.settle_for(SignedDuration::from_secs(10)).await;
    let mut found = Vec::new();
    // What was there before goes on.
    for (condition, expected) in [(ConditionType::Ready, "Accepting"), (ConditionType::Stalled, "PodRefused")] {
        let reason = world.reason(condition).await;
        if reason.as_deref() != Some(expected) {
            found.push(format!("{change}: {condition:?} is because of {reason:?}"));
        }
    }
    if world.wire.count() > 60 {
        found.push(format!("{change}: {} calls", world.wire.count()));
    }
    world.act(&Step::ChangeBack).await;
    world.settle().await;
    found.extend(before.differences(&world.picture().await.without_history()));
    found
}
