//! What happens to a stream in its life.

use serde_json::json;

use crate::{
    picture::Picture,
    wire::{Call, Fault},
    world::{Step, World},
};

/// A piece of a stream's life: what it is like before, and what happens then, one after the other or all at once.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    given: Vec<Step>,
    when: Vec<Step>,
}

/// What came of a scenario.
pub(crate) struct End {
    pub(crate) picture: Picture,
    pub(crate) calls: Vec<Call>,
    pub(crate) world: World,
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let fixed = |replicas| json!({"training": {"replicas": replicas, "autoscaling": {"mode": "Fixed"}}});
    let created = || vec![Step::Create(fixed(1))];
    let scenario = |name, given, when| Scenario { name, given, when };
    vec![
        scenario("created", vec![], created()),
        scenario("encoder", created(), vec![Step::Change(json!({"enhancement": {"encoder": {"bitrateKbps": 3000}}}))]),
        scenario("exposure", created(), vec![Step::Change(json!({"relay": {"media": {"exposure": "NodePort"}}}))]),
        scenario("up", created(), vec![Step::Change(fixed(2))]),
        scenario("down", vec![Step::Create(fixed(2))], vec![Step::Change(fixed(0))]),
        scenario("paused", created(), vec![Step::Change(json!({"paused": true}))]),
        scenario("evicted", created(), vec![Step::Fail("game-media-node-0")]),
        scenario("pod-deleted", created(), vec![Step::DeletePod("game-enhancer-0")]),
        scenario("deleted", created(), vec![Step::Delete]),
        scenario("another", created(), vec![Step::Delete, Step::Create(fixed(2))]),
    ]
}

impl Scenario {
    /// Runs it, with one call going wrong.
    pub(crate) async fn run(&self, fault: Option<(usize, Fault)>) -> End {
        let mut world = self.begin().await;
        world.wire.arm(fault);
        self.go_on(world).await
    }

    pub(crate) async fn begin(&self) -> World {
        let mut world = World::new(self.name).await;
        for step in &self.given {
            world.act(step).await;
            world.settle().await;
        }
        world
    }

    pub(crate) async fn go_on(&self, mut world: World) -> End {
        let wire = world.wire.clone();
        for step in &self.when {
            world.act(step).await;
        }
        world.settle().await;
        End { picture: world.picture().await, calls: wire.calls(), world }
    }
}
