//! Each rule on its own, for one stream with all the budget it wants.

use crds::{
    AutoscalingMode,
    conditions::{ScalingActive, ScalingLimited},
};
use jiff::SignedDuration;

use super::world::{World, publishing, start, suspended, training};
use crate::autoscaling::{Activity, TrainerState};

fn one() -> World {
    World::new(1, None)
}

/// It trains for a while, with one trainer that is fast enough.
fn with_a_trainer() -> World {
    let mut world = one();
    world.run(30);
    assert_eq!(world.streams[0].alive(), 1);
    world
}

/// Its trainer found nothing more and is gone.
fn saturated() -> World {
    let mut world = with_a_trainer();
    world.streams[0].says = suspended();
    assert!(world.seconds_until(0, 10).is_some());
    world
}

#[test]
fn the_first_patches_bring_a_trainer_at_once() {
    let mut world = one();
    assert_eq!(world.seconds_until(1, 5), Some(1));
    assert_eq!(world.decision().active.reason, ScalingActive::PatchesWait);
}

#[test]
fn nobody_publishes_or_no_patches_come_and_there_is_none() {
    for (media_node, reason) in [
        (None, ScalingActive::NoReport),
        (Some(crate::autoscaling::MediaNodeInput::default()), ScalingActive::Steady),
        (
            Some(crate::autoscaling::MediaNodeInput { patches_per_second: 0, backlog: 0, ..publishing() }),
            ScalingActive::Steady,
        ),
    ] {
        let mut world = one();
        world.streams[0].media_node = media_node;
        world.run(50);
        assert_eq!((world.decision().replicas, world.decision().active.reason), (0, reason));
    }
}

#[test]
fn a_saturated_trainer_is_gone_within_ten_seconds_and_stays_away() {
    let mut world = with_a_trainer();
    world.streams[0].says = suspended();
    let seconds = world.seconds_until(0, 20).unwrap();
    assert!(seconds <= 5, "{seconds} s");
    world.run(600);
    assert_eq!(world.streams[0].trainers.len(), 0, "patches that wait do not bring it back");
    assert_eq!(world.decision().active.reason, ScalingActive::Saturated);
}

#[test]
fn another_scene_or_a_fall_of_the_gain_or_a_withdrawal_brings_it_back_at_once() {
    for (change, reason) in [
        ((|world| world.media_node().scene_changes += 1) as fn(&mut World), ScalingActive::SceneChanged),
        (|world| world.media_node().gain_millidecibels = Some(700), ScalingActive::GainFell),
        (|world| world.media_node().withdrawn = true, ScalingActive::GainFell),
    ] {
        let mut world = saturated();
        change(&mut world);
        assert_eq!(world.seconds_until(1, 5), Some(1));
        assert_eq!(world.decision().event.as_ref().unwrap().reason, reason);
    }
    let mut world = saturated();
    for gain in [Some(701), None] {
        world.media_node().gain_millidecibels = gain;
        assert_eq!(world.seconds_until(1, 60), None, "{gain:?} is no fall");
    }
}

#[test]
fn a_restarted_media_node_that_counts_scenes_from_zero_changes_nothing() {
    let mut world = one();
    world.media_node().scene_changes = 40;
    world.run(30);
    world.streams[0].says = suspended();
    world.seconds_until(0, 10).unwrap();
    world.media_node().scene_changes = 0;
    assert_eq!(world.seconds_until(1, 30), None);
    world.media_node().scene_changes = 1;
    assert_eq!(world.seconds_until(1, 5), Some(1), "its first new scene counts");
}

#[test]
fn a_scene_change_just_before_the_trainer_goes_keeps_it() {
    let mut world = with_a_trainer();
    world.streams[0].says = suspended();
    world.run(3);
    world.media_node().scene_changes += 1;
    world.run(2);
    world.streams[0].says = training(60);
    world.run(60);
    assert_eq!((world.streams[0].alive(), world.decision().active.reason), (1, ScalingActive::PatchesWait));
}

#[test]
fn a_stream_of_cuts_keeps_its_trainer_longer_each_time() {
    let mut world = one();
    let mut stays = Vec::new();
    for _ in 0..8 {
        world.media_node().scene_changes += 1;
        world.streams[0].says = training(60);
        world.seconds_until(1, 5).unwrap();
        world.run(5);
        world.streams[0].says = suspended();
        stays.push(world.seconds_until(0, 200).unwrap());
    }
    assert_eq!(stays, [4, 7, 13, 25, 49, 97, 97, 97]);
    world.run(1000);
    world.media_node().scene_changes += 1;
    world.seconds_until(1, 5).unwrap();
    assert_eq!(world.seconds_until(0, 20), Some(4), "forgiven after a quiet time");
}

#[test]
fn trainers_that_are_too_slow_get_help_one_at_a_time() {
    let mut world = one();
    world.streams[0].spec.max_replicas = 4;
    world.streams[0].says = training(11);
    world.seconds_until(1, 5).unwrap();
    let second = world.seconds_until(2, 60).unwrap();
    assert!((14..=16).contains(&second), "{second} s");
    assert_eq!(world.decision().event.as_ref().unwrap().reason, ScalingActive::TooFewSteps);
    let third = world.seconds_until(3, 60).unwrap();
    assert!((14..=16).contains(&third), "{third} s");
    world.run(300);
    assert_eq!(world.streams[0].alive(), 3, "33 steps a second are enough for 20 patches");
}

#[test]
fn patches_that_pile_up_before_busy_trainers_bring_one_more() {
    let mut world = with_a_trainer();
    world.media_node().backlog = 250;
    assert_eq!(world.seconds_until(2, 5), Some(1));
    assert_eq!(world.decision().event.as_ref().unwrap().reason, ScalingActive::BacklogGrows);
}

#[test]
fn nobody_is_added_while_one_that_was_added_is_not_ready() {
    let mut world = one();
    world.pod_seconds = (100, 1);
    world.streams[0].spec.max_replicas = 5;
    world.streams[0].says = training(5);
    world.run(100);
    assert_eq!(world.streams[0].alive(), 1);
}

#[test]
fn wishes_end_at_the_maximum_and_the_condition_says_so_without_flicker() {
    let mut world = one();
    world.streams[0].spec.max_replicas = 1;
    for round in 0..300 {
        world.streams[0].says = training(if round % 2 == 0 { 29 } else { 31 });
        world.step();
        if round > 30 {
            assert_eq!(world.decision().limited.reason, ScalingLimited::MaxReplicas, "second {round}");
        }
    }
    assert_eq!(world.streams[0].alive(), 1);
    world.streams[0].says = training(60);
    world.run(2);
    assert_eq!(world.decision().limited.reason, ScalingLimited::WithinLimits);
}

#[test]
fn one_too_many_goes_after_a_minute() {
    for (change, reason) in [
        (
            (|world| world.media_node().gain_slope_millidecibels_per_second = 0) as fn(&mut World),
            ScalingActive::GainFlat,
        ),
        (|world| world.media_node().patches_per_second = 5, ScalingActive::EnoughSteps),
    ] {
        let mut world = one();
        world.streams[0].says = training(20);
        world.run(60);
        assert_eq!(world.streams[0].alive(), 2);
        change(&mut world);
        let seconds = world.seconds_until(1, 90).unwrap();
        assert!((60..=62).contains(&seconds), "{seconds} s");
        assert_eq!(world.decision().active.reason, reason);
        world.run(600);
        assert_eq!(world.streams[0].alive(), 1, "and does not come back");
    }
}

#[test]
fn a_publisher_that_comes_back_in_time_finds_its_trainer() {
    let mut world = with_a_trainer();
    for away in [10, 50] {
        let since = world.now;
        *world.media_node() =
            crate::autoscaling::MediaNodeInput { publishing: false, idle_since: Some(since), ..publishing() };
        world.run(away);
        assert_eq!(world.streams[0].alive(), 1);
        *world.media_node() = publishing();
        world.run(10);
    }
    let since = world.now;
    *world.media_node() =
        crate::autoscaling::MediaNodeInput { publishing: false, idle_since: Some(since), ..publishing() };
    let seconds = world.seconds_until(0, 90).unwrap();
    assert_eq!(seconds, 60);
    assert_eq!(world.decision().active.reason, ScalingActive::NobodyPublishes);
}

#[test]
fn without_nats_the_last_decision_stays_however_long() {
    let mut world = with_a_trainer();
    world.streams[0].says = suspended();
    world.streams[0].bus_reachable = false;
    world.run(3600);
    assert_eq!((world.streams[0].alive(), world.decision().active.reason), (1, ScalingActive::BusUnreachable));
    world.streams[0].bus_reachable = true;
    world.run(1);
    assert_eq!(world.decision().active.reason, ScalingActive::PatchesWait, "as if it had not been away");
    assert!(world.seconds_until(0, 10).is_some());
}

#[test]
fn a_media_node_that_does_not_report_is_given_the_idle_timeout() {
    let mut world = with_a_trainer();
    world.streams[0].media_node = None;
    world.run(59);
    assert_eq!((world.streams[0].alive(), world.decision().active.reason), (1, ScalingActive::NoReport));
    assert!(world.seconds_until(0, 5).is_some());
}

#[test]
fn the_minimum_stays_and_a_pause_ends_it() {
    let mut world = one();
    world.streams[0].spec.min_replicas = 1;
    world.streams[0].media_node.as_mut().unwrap().publishing = false;
    world.run(200);
    assert_eq!((world.streams[0].alive(), world.decision().limited.reason), (1, ScalingLimited::MinReplicas));
    world.streams[0].spec.paused = true;
    assert_eq!(world.seconds_until(0, 3), Some(1));
    assert_eq!(world.decision().active.reason, ScalingActive::Paused);
}

#[test]
fn fixed_and_external_are_obeyed_up_to_the_maximum() {
    for (mode, reason) in
        [(AutoscalingMode::Fixed, ScalingActive::Fixed), (AutoscalingMode::External, ScalingActive::External)]
    {
        for (replicas, min, expected) in
            [(Some(2), 0, (2, ScalingLimited::WithinLimits)), (Some(0), 0, (0, ScalingLimited::WithinLimits))]
                .into_iter()
                .chain([(None, 1, (1, ScalingLimited::WithinLimits)), (Some(5), 0, (2, ScalingLimited::MaxReplicas))])
        {
            let mut world = one();
            world.streams[0].spec.mode = mode;
            world.streams[0].spec.replicas = replicas;
            world.streams[0].spec.min_replicas = min;
            world.streams[0].says = suspended();
            world.run(100);
            assert_eq!((world.streams[0].alive(), world.decision().limited.reason), expected);
            assert_eq!(world.decision().active.reason, reason);
        }
    }
}

#[test]
fn a_trainer_with_something_in_flight_is_waited_for_but_not_long() {
    let mut world = with_a_trainer();
    world.streams[0].says = TrainerState { activity: Activity::Suspended, steps_per_second: 0, in_flight: 3 };
    let seconds = world.seconds_until(0, 20).unwrap();
    assert!(seconds <= 9, "{seconds} s");
    assert!(seconds > 5, "{seconds} s");
}

#[test]
fn a_clock_that_is_set_back_does_not_hold_a_decision_for_long() {
    let mut world = with_a_trainer();
    world.streams[0].says = suspended();
    world.run(2);
    world.now -= SignedDuration::from_hours(5);
    assert!(world.seconds_until(0, 10).is_some());
    assert!(world.now < start());
}
