//! Whatever happens: limits hold, and nothing goes to and fro.

use proptest::prelude::*;

use super::world::{World, publishing, suspended, training};
use crate::autoscaling::{Activity, TrainerState};

/// Something that happens to one stream.
#[derive(Clone, Debug)]
enum Happening {
    SceneChange,
    Gain(Option<i32>),
    Withdrawn(bool),
    Patches(u32, u64),
    Publishing(bool),
    Reports(bool),
    Bus(bool),
    Says(Activity, u32, u32),
    Weight(u32),
    Paused(bool),
    Pods(u32, u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let activity = prop_oneof![
        3 => Just(Activity::Training),
        3 => Just(Activity::Suspended),
        1 => Just(Activity::Waiting),
        1 => Just(Activity::Draining),
    ];
    prop_oneof![
        4 => Just(SceneChange),
        2 => proptest::option::of(-1000..2000i32).prop_map(Gain),
        1 => any::<bool>().prop_map(Withdrawn),
        2 => (0..40u32, 0..2000u64).prop_map(|(rate, backlog)| Patches(rate, backlog)),
        2 => any::<bool>().prop_map(Publishing),
        1 => any::<bool>().prop_map(Reports),
        1 => any::<bool>().prop_map(Bus),
        6 => (activity, 0..100u32, 0..3u32).prop_map(|(activity, steps, flight)| Says(activity, steps, flight)),
        1 => (1..50u32).prop_map(Weight),
        1 => any::<bool>().prop_map(Paused),
        1 => (0..30u32, 1..40u32).prop_map(|(ready, gone)| Pods(ready, gone)),
    ]
}

fn happen(world: &mut World, index: usize, happening: &Happening) {
    let now = world.now;
    let stream = &mut world.streams[index];
    let mut scratch = publishing();
    let media_node = stream.media_node.as_mut().unwrap_or(&mut scratch);
    match *happening {
        Happening::SceneChange => media_node.scene_changes += 1,
        Happening::Gain(gain) => media_node.gain_millidecibels = gain,
        Happening::Withdrawn(withdrawn) => media_node.withdrawn = withdrawn,
        Happening::Patches(rate, backlog) => {
            (media_node.patches_per_second, media_node.backlog) = (rate, backlog);
        }
        Happening::Publishing(is_publishing) => {
            media_node.publishing = is_publishing;
            media_node.idle_since = (!is_publishing).then_some(now);
        }
        Happening::Reports(true) => stream.media_node = Some(publishing()),
        Happening::Reports(false) => stream.media_node = None,
        Happening::Bus(reachable) => stream.bus_reachable = reachable,
        Happening::Says(activity, steps_per_second, in_flight) => {
            stream.says = TrainerState { activity, steps_per_second, in_flight };
        }
        Happening::Weight(weight) => stream.spec.weight = weight,
        Happening::Paused(paused) => stream.spec.paused = paused,
        Happening::Pods(ready, gone) => world.pod_seconds = (ready, gone),
    }
}

type History = Vec<(usize, Happening, u32)>;

fn history(streams: usize) -> impl Strategy<Value = History> {
    proptest::collection::vec((0..streams, happening(), 1..30u32), 1..60)
}

proptest! {
    #![proptest_config(super::cases(32))]

    #[test]
    fn never_above_the_maximum_or_the_budget(history in history(4), budget in 1..5u32, max in 1..4u32) {
        let mut world = World::new(4, Some(budget));
        for (index, stream) in world.streams.iter_mut().enumerate() {
            stream.spec.max_replicas = max;
            stream.spec.cost = 1 + u32::from(index == 3);
        }
        for (index, happening, seconds) in history {
            happen(&mut world, index, &happening);
            for _ in 0..seconds {
                world.step();
                let spent: u32 = world.streams.iter().map(|stream| stream.alive() * stream.spec.cost).sum();
                prop_assert!(spent <= budget, "{spent} of {budget}");
                prop_assert!(world.streams.iter().all(|stream| stream.alive() <= max));
            }
        }
    }

    #[test]
    fn a_stream_rises_from_none_a_dozen_times_in_ten_minutes_at_most(history in history(1)) {
        let mut world = World::new(1, None);
        let mut rises = Vec::new();
        for (_, happening, seconds) in history {
            // Who pauses and resumes gets what was asked for.
            if matches!(happening, Happening::Paused(_)) { continue }
            happen(&mut world, 0, &happening);
            for _ in 0..seconds {
                let before = world.streams[0].decision.as_ref().map_or(0, |decision| decision.replicas);
                world.step();
                if before == 0 && world.decision().replicas > 0 {
                    rises.push(world.now);
                }
            }
        }
        for first in &rises {
            let close = rises.iter().filter(|rise| *rise >= first && rise.duration_since(*first).as_secs() < 600);
            prop_assert!(close.count() <= 12, "{rises:?}");
        }
    }

    #[test]
    fn when_nothing_more_happens_nothing_more_changes(history in history(3)) {
        let mut world = World::new(3, None);
        for (index, happening, seconds) in &history {
            happen(&mut world, *index, happening);
            world.run(*seconds);
        }
        // A trainer that drains or waits for ever is broken: it is for others to say so.
        for stream in &mut world.streams {
            if matches!(stream.says.activity, Activity::Draining | Activity::Waiting) {
                stream.says = training(60);
            }
        }
        world.run(600);
        for _ in 0..600 {
            world.step();
            for stream in &world.streams {
                let decision = stream.decision.as_ref().unwrap();
                prop_assert_eq!(&decision.event, &None);
                prop_assert_eq!(decision.trainers.len(), decision.replicas as usize);
            }
        }
    }

    #[test]
    fn a_decision_looks_at_nothing_but_its_inputs_and_its_past(history in history(2)) {
        let (mut one, mut other) = (World::new(2, Some(1)), World::new(2, Some(1)));
        for (index, happening, seconds) in history {
            happen(&mut one, index, &happening);
            happen(&mut other, index, &happening);
            for _ in 0..seconds {
                one.step();
                other.step();
                for (one, other) in one.streams.iter().zip(&other.streams) {
                    prop_assert_eq!(&one.decision, &other.decision);
                }
            }
        }
    }

    #[test]
    fn asked_at_the_times_it_names_or_every_second_it_decides_the_same(history in history(1)) {
        let mut every = World::new(1, None);
        for (_, happening, seconds) in history {
            happen(&mut every, 0, &happening);
            every.step();
            for _ in 1..seconds {
                let due = every.decision().decide_again_at;
                let before = every.decision().trainers.clone();
                let pods_before = every.streams[0].inputs(every.now, every.pod_seconds.0).trainers;
                every.step();
                let pods = every.streams[0].inputs(every.now, every.pod_seconds.0).trainers;
                let nothing_seen = pods_before == pods;
                if nothing_seen && due.is_none_or(|due| every.now < due) {
                    prop_assert_eq!(&every.decision().trainers, &before, "it said nothing would change before {:?}", due);
                }
            }
        }
    }
}

#[test]
fn a_minute_of_the_worst_flicker_is_calm() {
    let mut world = World::new(1, None);
    let mut changes = 0;
    for second in 0..3600 {
        world.streams[0].says = if second % 2 == 0 { training(60) } else { suspended() };
        world.media_node().scene_changes += u64::from(second % 3 == 0);
        world.step();
        changes += u32::from(world.decision().event.is_some());
    }
    assert_eq!(changes, 1, "the first trainer, and no other change");
}
