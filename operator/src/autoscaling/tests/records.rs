//! Decisions are replayed from their events, and recalled after a restart.

use k8s_openapi::api::core::v1::ObjectReference;

use super::world::{World, suspended, training};
use crate::autoscaling::{RECORD_ANNOTATION, Recalled, Record, ReplayError, Scaler};

#[test]
fn every_change_is_an_event_that_replays() {
    let mut world = World::new(1, Some(2));
    let mut notes = Vec::new();
    for second in 0..400 {
        match second {
            40 => world.streams[0].says = training(20),
            120 => world.streams[0].says = suspended(),
            200 => world.media_node().scene_changes += 1,
            _ => {}
        }
        world.step();
        let Some(event) = &world.decision().event else { continue };
        let regarding = ObjectReference {
            name: Some("s0".to_owned()),
            namespace: Some("default".to_owned()),
            ..ObjectReference::default()
        };
        let object = event.to_event(regarding, "acuity-operator", "operator-0");
        notes.push(object.note.clone().unwrap().split(':').next().unwrap().to_owned());
        let text = &object.metadata.annotations.as_ref().unwrap()[RECORD_ANNOTATION];
        let replayed = Record::replay(text).unwrap();
        assert_eq!(replayed.trainers, world.decision().trainers);
        assert_eq!(replayed.event.as_ref(), Some(event));
    }
    assert_eq!(
        notes,
        [
            "0 -> 1 trainers (PatchesWait)",
            "1 -> 2 trainers (TooFewSteps)",
            "2 -> 0 trainers (Saturated)",
            "0 -> 1 trainers (SceneChanged)",
            "1 -> 0 trainers (Saturated)",
        ]
    );
}

#[test]
fn what_is_no_record_or_was_decided_otherwise_is_said() {
    assert!(matches!(Record::replay("{}"), Err(ReplayError::Malformed(_))));
    let mut world = World::new(1, None);
    world.step();
    let mut record = world.decision().event.clone().unwrap().record;
    record.trainers = [7].into();
    let text = serde_json::to_string(&record).unwrap();
    assert!(matches!(Record::replay(&text), Err(ReplayError::Otherwise { .. })));
}

#[test]
fn after_a_restart_nothing_changes_that_would_not_have_changed_without() {
    let mut world = World::new(3, Some(3));
    // One trains, one has saturated, one waits for its publisher.
    world.run(30);
    world.streams[1].says = suspended();
    world.streams[2].media_node.as_mut().unwrap().publishing = false;
    world.run(200);
    let before: Vec<_> = world.streams.iter().map(|stream| stream.decision.clone().unwrap()).collect();
    assert_eq!(before.iter().map(|decision| decision.replicas).collect::<Vec<_>>(), [1, 0, 0]);

    let mut limits = std::collections::BTreeMap::new();
    limits.insert(super::world::GPU.to_owned(), 3);
    world.scaler = Scaler::new(crate::autoscaling::Budget(limits));
    for (stream, decision) in world.streams.iter().zip(&before) {
        let reason = crds::Reason::as_str(decision.active.reason).to_owned();
        let recalled = Recalled { trainers: stream.alive(), reason: Some(reason) };
        world.scaler.remember(&stream.name, &recalled, &stream.inputs(world.now, 1));
    }
    for _ in 0..300 {
        world.step();
        for (stream, before) in world.streams.iter().zip(&before) {
            let now = stream.decision.as_ref().unwrap();
            assert_eq!(now.event, None);
            assert_eq!(
                (now.replicas, &now.trainers, now.active, now.limited),
                (before.replicas, &before.trainers, before.active, before.limited)
            );
        }
    }
    world.streams[1].media_node.as_mut().unwrap().scene_changes += 1;
    world.step();
    assert_eq!(world.streams[1].alive(), 1, "the saturated one knows what to wait for");
}
