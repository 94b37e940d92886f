//! Nothing to do, and nothing to do for one because of another.

use jiff::SignedDuration;
use proto::StreamName;

use crate::{
    scenarios::fixed,
    world::{Step, World},
};

#[tokio::test]
async fn nothing_is_written_in_ten_minutes_in_which_nothing_changes() {
    let mut world = World::new("quiet").await;
    world.act(&Step::Create(fixed(1))).await;
    world.settle().await;
    world.wire.arm(None);
    let stream = StreamName::new(&world.bed.namespace, "game").unwrap();
    for minute in 0..10 {
        world.operator.handle_trigger(&stream, world.now);
        world.operator.run_until_idle(world.now).await;
        if minute == 5 {
            world.resync();
            world.turn().await;
        }
        world.now += SignedDuration::from_mins(1);
    }
    assert_eq!(world.wire.calls(), []);
}

/// The API server fails for all that the others ask: this one waits for none of their retries.
#[tokio::test]
async fn streams_that_fail_delay_no_other() {
    let mut world = World::new("fair").await;
    world.wire.refuse("/broken");
    for index in 0..30 {
        world.bed.create(&format!("broken-{index}"), fixed(1)).await;
    }
    world.act(&Step::Create(fixed(1))).await;
    let began = world.now;
    loop {
        world.turn_or_wait().await;
        let objects = world.objects().await;
        let game = objects.get(operator::Kind::Stream, "game").unwrap();
        if game["status"].to_string().contains("Accepting") {
            break;
        }
        assert!(world.now < began + SignedDuration::from_secs(10), "{game}");
    }
    assert!(world.now < began + SignedDuration::from_secs(2), "{}", world.now.duration_since(began));
}

/// What goes wrong for an hour is tried again later and later.
#[tokio::test]
async fn a_pod_that_never_lasts_is_made_anew_fewer_than_twenty_times_an_hour() {
    let mut world = World::new("never-lasts").await;
    world.act(&Step::Create(fixed(1))).await;
    world.settle().await;
    world.wire.arm(None);
    let until = world.now + SignedDuration::from_hours(1);
    while world.now < until {
        world.evict_again("game-trainer-0");
        world.turn_or_wait().await;
    }
    let made = world.wire.lives().iter().filter(|life| life.starts_with("POST")).count();
    assert!((10..20).contains(&made), "{made}");
    assert!(world.wire.count() < 150, "{} calls", world.wire.count());
}
