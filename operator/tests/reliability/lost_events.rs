//! A watch keeps something to itself.

use crate::{
    scenarios::{End, Scenario, check, scenarios, undisturbed},
    world::BlindFor,
};

/// Most are made up for by what comes later; the rest shows when everything is listed again, after an hour at most.
#[tokio::test]
async fn whatever_event_is_lost_the_next_list_sets_it_right() {
    let scenarios = scenarios();
    let ends = undisturbed(&scenarios).await;
    let cases = scenarios.iter().zip(&ends);
    let cases = cases.flat_map(|(scenario, end)| (0..end.world.changes).map(move |index| lose(scenario, end, index)));
    check(cases.collect()).await;
}

async fn lose(scenario: &Scenario, undisturbed: &End, index: usize) -> Vec<String> {
    let mut world = scenario.begin().await;
    world.make_blind_for(BlindFor::Change(index));
    let mut end = scenario.go_on(world).await;
    end.world.resync();
    end.world.settle().await;
    let expected = undisturbed.picture.clone().whatever_ordinals();
    let mut found = expected.differences(&end.world.picture().await.whatever_ordinals());
    if !found.is_empty() {
        found.insert(0, format!("{}: without change {index}", scenario.name));
    }
    found
}
