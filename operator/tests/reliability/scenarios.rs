//! What happens to a stream in its life.

use std::time::Instant;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{
    picture::Picture,
    wire::{Call, Fault},
    world::{BlindFor, Step, World},
};

/// A piece of a stream's life: what it is like before, and what happens then, one after the other or all at once.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    given: Vec<Step>,
    when: Vec<Step>,
}

/// Cases that run at the same time.
const PARALLEL: usize = 4;

/// What came of a scenario.
pub(crate) struct End {
    pub(crate) picture: Picture,
    pub(crate) calls: Vec<Call>,
    pub(crate) world: World,
}

/// Without reports nobody but the user says how many trainers there are to be.
pub(crate) fn fixed(replicas: u32) -> Value {
    json!({"training": {"replicas": replicas, "autoscaling": {"mode": "Fixed"}}})
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let created = || vec![Step::Create(fixed(1))];
    let scenario = |name, given, when| Scenario { name, given, when };
    vec![
        scenario("created", vec![], created()),
        scenario("encoder", created(), vec![Step::Change(json!({"enhancement": {"encoder": {"bitrateKbps": 3000}}}))]),
        scenario("exposure", created(), vec![Step::Change(json!({"relay": {"media": {"exposure": "NodePort"}}}))]),
        scenario("viewers", created(), vec![Step::Change(json!({"relay": {"maxViewers": 10}}))]),
        scenario("up", created(), vec![Step::Change(fixed(2))]),
        scenario("down", vec![Step::Create(fixed(2))], vec![Step::Change(fixed(0))]),
        scenario("paused", created(), vec![Step::Change(json!({"paused": true}))]),
        scenario("evicted", created(), vec![Step::Evict("game-media-node-0")]),
        scenario("pod-deleted", created(), vec![Step::DeletePod("game-enhancer-0")]),
        scenario("drained", created(), vec![Step::DeletePod("game-media-node-0")]),
        scenario("deleted", created(), vec![Step::Delete]),
        scenario("another", created(), vec![Step::Delete, Step::Create(fixed(2))]),
    ]
}

/// Some of them.
pub(crate) fn named(names: &[&str]) -> Vec<Scenario> {
    scenarios().into_iter().filter(|scenario| names.contains(&scenario.name)).collect()
}

impl Scenario {
    /// Runs it, with one call going wrong.
    pub(crate) async fn run(&self, fault: Option<(usize, Fault)>) -> End {
        let mut world = self.begin().await;
        world.wire.arm(fault);
        world.make_blind_for(BlindFor::Nothing);
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

/// Every call that `goes_wrong` in a scenario lets it end as it does without.
pub(crate) async fn check_calls(scenarios: Vec<Scenario>, fault: Fault, goes_wrong: fn(&Call) -> bool) {
    let ends = undisturbed(&scenarios).await;
    let mut cases = Vec::new();
    for (scenario, end) in scenarios.iter().zip(&ends) {
        let calls = end.calls.iter().enumerate().filter(|(_, call)| goes_wrong(call));
        cases.extend(calls.map(|(index, _)| check_call(scenario, end, index, fault)));
    }
    check(cases).await;
}

/// What comes of scenarios when nothing goes wrong.
pub(crate) async fn undisturbed(scenarios: &[Scenario]) -> Vec<End> {
    stream::iter(scenarios).map(|scenario| scenario.run(None)).buffered(PARALLEL).collect().await
}

/// Runs cases; each says what is otherwise than it should be.
pub(crate) async fn check(cases: Vec<impl Future<Output = Vec<String>>>) {
    let (count, began) = (cases.len(), Instant::now());
    let found: Vec<Vec<String>> = stream::iter(cases).buffer_unordered(PARALLEL).collect().await;
    let found: Vec<String> =
        found.into_iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n  ")).collect();
    println!("{count} cases in {:.1} s", began.elapsed().as_secs_f64());
    assert!(count > 0 && found.is_empty(), "{} of {count} cases:\n{}", found.len(), found.join("\n"));
}

async fn check_call(scenario: &Scenario, undisturbed: &End, index: usize, fault: Fault) -> Vec<String> {
    let end = scenario.run(Some((index, fault))).await;
    let call = &undisturbed.calls[index];
    let mut found = undisturbed.picture.differences(&end.picture);
    if end.world.restarts != usize::from(fault == Fault::Crash) {
        found.push(format!("{} crashes", end.world.restarts));
    }
    if !found.is_empty() {
        found.insert(0, format!("{}: {fault:?} at call {index}, {} {}", scenario.name, call.method, call.path));
    }
    found
}
