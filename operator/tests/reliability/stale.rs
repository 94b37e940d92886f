//! What the operator sees is old.

use operator::Kind;
use serde_json::Value;

use crate::{
    picture::Objects,
    scenarios::{End, Scenario, check, named, undisturbed},
    wire::Wire,
    world::BlindFor,
};

/// Its own writes, too, are not shown to it: names that are always the same, UIDs and versions keep it from harm.
#[tokio::test]
async fn while_a_watch_stands_still_nothing_is_made_twice_and_nothing_newer_goes() {
    let scenarios = named(&["created", "encoder", "up", "evicted", "pod-deleted"]);
    let ends = undisturbed(&scenarios).await;
    let kinds = [Kind::Stream, Kind::Pod, Kind::Service, Kind::Secret];
    let cases = scenarios.iter().zip(&ends);
    let cases = cases.flat_map(|(scenario, end)| kinds.map(move |kind| stand_still(scenario, end, kind)));
    check(cases.collect()).await;
}

async fn stand_still(scenario: &Scenario, undisturbed: &End, kind: Kind) -> Vec<String> {
    let mut world = scenario.begin().await;
    world.wire.arm(None);
    world.make_blind_for(BlindFor::Kind(kind));
    let mut end = scenario.go_on(world).await;
    end.world.make_see();
    end.world.settle().await;
    let mut found = undisturbed.picture.differences(&end.world.picture().await);
    let (expected, lives) = (undisturbed.world.wire.lives(), end.world.wire.lives());
    if lives != expected {
        found.push(format!("{expected:?} became {lives:?}"));
    }
    if !found.is_empty() {
        found.insert(0, format!("{}: {kind:?} stood still", scenario.name));
    }
    found
}

/// Another operator begins with what there was once, as far back as that goes.
#[tokio::test]
async fn an_operator_that_begins_with_an_old_picture_takes_nothing_newer_away() {
    let scenarios = named(&["created", "encoder", "up", "evicted", "another"]);
    check(scenarios.iter().map(begin_with_the_past).collect()).await;
}

async fn begin_with_the_past(scenario: &Scenario) -> Vec<String> {
    let mut world = scenario.run(None).await.world;
    let (picture, before) = (world.picture().await, living(&world.objects().await));
    let mut found = Vec::new();
    for turns in 1..world.history.len() {
        let wire = Wire::default();
        let mut other = world.other(&wire);
        for message in world.history.iter().take(turns).flatten() {
            other.handle_watched(message.clone(), world.now);
        }
        other.run_until_idle(world.now).await;
        let now = living(&world.objects().await);
        if let Some(gone) = before.iter().find(|pod| !now.contains(pod)) {
            found.push(format!("{}: {gone} went, by what was seen in turn {turns}: {:?}", scenario.name, wire.lives()));
            return found;
        }
    }
    world.restart();
    world.settle().await;
    found.extend(picture.differences(&world.picture().await));
    found
}

/// Names and UIDs of pods that nobody ends.
fn living(objects: &Objects) -> Vec<String> {
    let pods = objects.of(Kind::Pod).map(|pod| &pod["metadata"]);
    let living = pods.filter(|metadata| metadata["deletionTimestamp"] == Value::Null);
    living.map(|metadata| format!("{} {}", metadata["name"], metadata["uid"])).collect()
}
