//! Several streams, too few trainers.

use crds::conditions::ScalingLimited;
use proptest::prelude::*;

use super::{
    super::share::{Demand, fair_shares},
    world::World,
};

fn spent(world: &World) -> u32 {
    world.streams.iter().map(|stream| stream.alive() * stream.spec.cost).sum()
}

/// Seconds that each stream's trainers worked, over `seconds`.
fn served(world: &mut World, seconds: u32) -> Vec<u32> {
    world.step_seconds = 5;
    let mut served = vec![0; world.streams.len()];
    for _ in 0..seconds / 5 {
        world.step();
        for (sum, stream) in served.iter_mut().zip(&world.streams) {
            *sum += 5 * stream.alive();
        }
    }
    served
}

#[test]
fn a_newcomer_gets_its_share_from_who_has_more() {
    let mut world = World::new(2, Some(2));
    world.streams[0].says.steps_per_second = 15;
    world.streams[1].media_node.as_mut().unwrap().publishing = false;
    world.run(60);
    assert_eq!(world.streams[0].alive(), 2);
    world.streams[1].media_node.as_mut().unwrap().publishing = true;
    world.run(5);
    assert_eq!(world.streams[1].alive(), 0, "not at once");
    assert_eq!(world.streams[1].decision.as_ref().unwrap().limited.reason, ScalingLimited::Budget);
    let waited = (6..60).find(|_| {
        world.step();
        world.streams[1].alive() == 1
    });
    assert!(waited.is_some_and(|seconds| seconds <= 20), "{waited:?}");
    let changes = (0..1800).filter(|_| {
        world.step();
        world.streams.iter().any(|stream| stream.decision.as_ref().unwrap().event.is_some())
    });
    assert_eq!(changes.count(), 0, "then all stays as it is");
}

#[test]
fn what_cannot_be_shared_goes_round() {
    let mut world = World::new(3, Some(1));
    let served = served(&mut world, 3 * 3600);
    for seconds in &served {
        assert!((3000..=4200).contains(seconds), "{served:?}");
    }
}

#[test]
fn turns_go_by_weight() {
    let mut world = World::new(2, Some(1));
    world.streams[0].spec.weight = 30;
    let served = served(&mut world, 4 * 3600);
    let ratio = f64::from(served[0]) / f64::from(served[1]);
    assert!((2.5..=3.5).contains(&ratio), "{served:?}");
}

#[test]
fn a_trainer_that_takes_four_gets_its_turn_among_those_that_take_one() {
    let mut world = World::new(5, Some(4));
    world.streams[0].spec.cost = 4;
    let served = served(&mut world, 4 * 3600);
    assert!(served[0] > 600, "{served:?}");
    assert!(served[1..].iter().all(|seconds| *seconds > 4 * 1800), "{served:?}");
}

#[test]
fn units_that_fill_no_trainer_are_owed_to_nobody() {
    let mut world = World::new(2, Some(3));
    world.streams.iter_mut().for_each(|stream| stream.spec.cost = 2);
    world.streams[0].spec.weight = 50;
    world.streams[0].says.steps_per_second = 15;
    let served = served(&mut world, 4 * 3600);
    let ratio = f64::from(served[0]) / f64::from(served[1]);
    assert!((3.0..=6.0).contains(&ratio), "{served:?}");
}

#[test]
fn one_that_takes_more_than_there_is_is_told_so_and_hinders_nobody() {
    let mut world = World::new(2, Some(2));
    world.streams[0].spec.cost = 3;
    world.run(100);
    assert_eq!(world.decision().limited.reason, ScalingLimited::BudgetTooSmall);
    assert_eq!((world.streams[0].alive(), world.streams[1].alive()), (0, 1));
}

#[test]
fn a_stream_that_is_deleted_leaves_its_trainers_to_others() {
    let mut world = World::new(2, Some(1));
    world.run(30);
    let waiting = usize::from(world.streams[0].alive() == 1);
    let gone = world.streams.remove(1 - waiting);
    world.scaler.forget(&gone.name, world.now);
    assert!(world.scaler.take_triggered().contains(&world.streams[0].name));
    world.run(2);
    assert_eq!(world.streams[0].alive(), 1);
}

#[derive(Clone, Debug)]
struct Wisher {
    weight: u32,
    cost: u32,
    steps_per_second: u32,
}

fn wishers() -> impl Strategy<Value = Vec<Wisher>> {
    let wisher = (1..10u32, 1..3u32, prop_oneof![Just(60u32), Just(15)])
        .prop_map(|(weight, cost, steps_per_second)| Wisher { weight, cost, steps_per_second });
    proptest::collection::vec(wisher, 2..6)
}

fn contended(wishers: &[Wisher], budget: u32) -> World {
    let mut world = World::new(wishers.len(), Some(budget));
    for (stream, wisher) in world.streams.iter_mut().zip(wishers) {
        stream.spec.weight = wisher.weight;
        stream.spec.cost = wisher.cost;
        stream.says.steps_per_second = wisher.steps_per_second;
    }
    world
}

/// Trainer-seconds of each in `seconds`, were trainers no whole things. One that trains too slowly wants two.
fn right(wishers: &[Wisher], budget: u32, seconds: u32) -> Vec<u32> {
    let wanted = |wisher: &Wisher| if wisher.steps_per_second < 60 { 2 } else { 1 };
    let demand =
        |wisher: &Wisher| Demand { weight: wisher.weight.into(), units: (wanted(wisher) * wisher.cost).into() };
    let shares = fair_shares(budget.into(), &wishers.iter().map(demand).collect::<Vec<_>>());
    let trainer_seconds = |(share, wisher): (u64, &Wisher)| share * u64::from(seconds) / u64::from(1000 * wisher.cost);
    shares.into_iter().zip(wishers).map(|one| trainer_seconds(one) as u32).collect()
}

/// Each takes two of the three units: one of them has a trainer at a time, and the third unit is nobody's.
#[test]
fn one_of_small_weight_has_its_turn_where_only_one_fits() {
    let wishers = [(5, 15), (1, 60)].map(|(weight, steps_per_second)| Wisher { weight, cost: 2, steps_per_second });
    let mut world = contended(&wishers, 3);
    let served = served(&mut world, 8 * 3600);
    let ratio = f64::from(served[0]) / f64::from(served[1]);
    assert!((3.0..=6.0).contains(&ratio), "{served:?}");
}

/// Who waits beside a heavy one gathers all the credit that counts, and so does the heavy one in its pauses.
#[test]
fn credit_that_grows_no_more_does_not_end_the_waiting() {
    let wishers = [(7, 2, 60), (5, 1, 15), (1, 2, 60), (3, 2, 60)];
    let wishers = wishers.map(|(weight, cost, steps_per_second)| Wisher { weight, cost, steps_per_second });
    let mut world = contended(&wishers, 4);
    let served = served(&mut world, 8 * 3600);
    assert!(served.iter().all(|seconds| *seconds > 1000), "{served:?}");
}

/// The first has exactly its share for good, and the third unit serves the second alone.
#[test]
fn who_has_its_share_for_good_lets_others_have_a_turn_where_they_fit_nowhere_else() {
    let wishers = [(8, 2), (1, 1), (1, 2), (2, 2)];
    let wishers = wishers.map(|(weight, cost)| Wisher { weight, cost, steps_per_second: 60 });
    let served = served(&mut contended(&wishers, 3), 8 * 3600);
    assert!(served.iter().all(|seconds| *seconds > 800), "{served:?}");
    assert!(served[0] > 5 * 3600, "{served:?}");
}

/// The last could take two at a time; its share is less than one.
#[test]
fn nobody_goes_beyond_its_share_with_what_another_has_a_right_to() {
    let wishers = [(18, 1, 15), (3, 1, 60), (7, 2, 15)];
    let wishers = wishers.map(|(weight, cost, steps_per_second)| Wisher { weight, cost, steps_per_second });
    let mut world = contended(&wishers, 4);
    world.run(600);
    for _ in 0..4 * 3600 {
        world.step();
        assert_eq!(world.streams[0].alive(), 2);
    }
}

proptest! {
    #![proptest_config(super::cases(8))]

    #[test]
    fn whoever_wishes_is_served_in_the_end(wishers in wishers(), budget in 2..6u32) {
        let mut world = contended(&wishers, budget);
        let served = served(&mut world, 8 * 3600);
        prop_assert!(served.iter().all(|seconds| *seconds > 0), "{served:?}");
        prop_assert!(spent(&world) <= budget);
    }

    #[test]
    fn a_trainer_that_came_stays_a_while(wishers in wishers(), budget in 2..6u32) {
        let mut world = contended(&wishers, budget);
        world.run(600);
        let mut events = 0;
        world.step_seconds = 5;
        for _ in 0..720 {
            world.step();
            let changed = |stream: &&super::world::Stream| stream.decision.as_ref().is_some_and(|one| one.event.is_some());
            events += world.streams.iter().filter(changed).count();
        }
        // Each turn is two changes, or more where one that takes two makes room for two.
        let turns_of_a_minute = 60 * budget as usize;
        prop_assert!(events <= 3 * turns_of_a_minute, "{events} changes in an hour");
    }

    #[test]
    fn more_weight_is_no_less_service_by_right(wishers in wishers(), budget in 2..6u32) {
        let seconds = 4 * 3600;
        let mut world = contended(&wishers, budget);
        let before = served(&mut world, seconds)[0];
        let mut heavier = wishers.clone();
        heavier[0].weight *= 2;
        let mut world = contended(&heavier, budget);
        let after = served(&mut world, seconds)[0];
        // What it had beyond its right was what others could not use, which is another matter with each weight. A turn
        // more or less, for where the end of the time falls.
        let due = before.min(right(&heavier, budget, seconds)[0]);
        prop_assert!(after + 1200 >= due, "{before} s, and {after} s with twice the weight, of {due}");
    }
}
