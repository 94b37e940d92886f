//! Whole worlds: seeded weather, and histories of everything that may happen in any order.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, test_runner::RngSeed};

use super::{link::Weather, world::World};
use crate::room::{Input, Rendition};

const RENDITIONS: [Rendition; 3] = [Rendition::Source, Rendition::Enhanced, Rendition::Auto];
const CALM: Weather = Weather::calm(Duration::from_millis(5));

fn world_with_viewers(weather: Weather, seed: u64) -> World {
    let mut world = World::new(weather, seed);
    world.start_camera();
    world.run(300);
    world.start_enhancer();
    world.run(700);
    for rendition in RENDITIONS {
        world.join(rendition);
    }
    world
}

#[test]
fn through_rough_weather_every_promise_holds() {
    for seed in 0..10 {
        let mut world = world_with_viewers(Weather::ROUGH, seed);
        world.run(10_000);
        world.uplink.weather = CALM;
        world.run(2_000);
        world.check_that_all_are_served();
    }
}

#[test]
fn viewers_stay_when_another_session_takes_over() {
    let mut world = world_with_viewers(CALM, 1);
    world.run(2_000);
    world.start_camera();
    world.run(2_000);
    world.stop_camera();
    world.run(3_000);
    world.start_camera();
    world.run(2_000);
    world.check_that_all_are_served();
}

#[test]
fn auto_follows_the_enhancer_through_its_lives() {
    let mut world = World::new(CALM, 1);
    world.start_camera();
    let viewer = world.join(Rendition::Auto);
    let publisher = |world: &World| world.watchers[&viewer].video.publisher().map(|peer| peer.0);
    world.run(1_000);
    assert_eq!(publisher(&world), Some(1));
    world.start_enhancer();
    world.run(1_000);
    assert_eq!(publisher(&world), Some(4), "the enhancer");
    world.hang_enhancer();
    world.run(1_000);
    assert_eq!(publisher(&world), Some(1), "the camera again");
    world.start_enhancer();
    world.run(3_500);
    assert_eq!(publisher(&world), Some(6), "the next enhancer, when it is trusted again");
    world.check_that_all_are_served();
}

#[test]
fn the_same_history_gives_the_same_outputs() {
    let statistics = || {
        let mut world = world_with_viewers(Weather::ROUGH, 7);
        world.run(3_000);
        world.room.statistics(world.now)
    };
    assert_eq!(statistics(), statistics());
}

#[derive(Clone, Debug)]
enum Step {
    Join(Rendition),
    Leave(usize),
    AskKeyframe(usize),
    StartCamera,
    StopCamera,
    StartEnhancer,
    StopEnhancer,
    HangEnhancer,
    Run(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::sample::select(&RENDITIONS[..]).prop_map(Step::Join),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::AskKeyframe),
        1 => Just(Step::StartCamera),
        1 => Just(Step::StopCamera),
        2 => Just(Step::StartEnhancer),
        1 => Just(Step::StopEnhancer),
        1 => Just(Step::HangEnhancer),
        6 => (1_u64..1_500).prop_map(Step::Run),
    ]
}

impl World {
    fn take(&mut self, step: &Step) {
        let viewer = |index: usize| self.watchers.keys().nth(index % self.watchers.len().max(1)).copied();
        match *step {
            Step::Join(rendition) => _ = self.join(rendition),
            Step::Leave(index) => {
                if let Some(peer) = viewer(index) {
                    self.leave(peer);
                }
            }
            Step::AskKeyframe(index) => {
                if let Some(peer) = viewer(index) {
                    self.input(Input::KeyframeRequest { peer });
                }
            }
            Step::StartCamera => self.start_camera(),
            Step::StopCamera => self.stop_camera(),
            Step::StartEnhancer => self.start_enhancer(),
            Step::StopEnhancer => self.stop_enhancer(),
            Step::HangEnhancer => self.hang_enhancer(),
            Step::Run(milliseconds) => self.run(milliseconds),
        }
    }
}

/// Always the same; `PROPTEST_CASES` asks for that many others.
fn histories() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked {
        ProptestConfig::default()
    } else {
        ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(96) }
    }
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn after_any_history_all_are_served_again(history in vec(step(), 0..40), seed in any::<u64>()) {
        let mut world = World::new(Weather::ROUGH, seed);
        for step in &history {
            world.take(step);
        }
        world.uplink.weather = CALM;
        world.start_camera();
        world.start_enhancer();
        world.run(4_000);
        world.check_that_all_are_served();
    }
}
