//! A cluster small enough to think about: streams, their trainers, and a clock that only tests move.

use std::collections::BTreeMap;

use crds::AutoscalingMode;
use jiff::{SignedDuration, Timestamp};
use proto::StreamName;

use crate::autoscaling::{
    Activity, Budget, MediaNodeInput, Scaler, ScalingDecision, ScalingInputs, ScalingSpec, TrainerInput, TrainerState,
};

pub(super) const GPU: &str = "nvidia.com/gpu";

pub(super) fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(super) fn spec() -> ScalingSpec {
    ScalingSpec {
        paused: false,
        enabled: true,
        mode: AutoscalingMode::Operator,
        replicas: None,
        min_replicas: 0,
        max_replicas: 2,
        weight: 10,
        idle_timeout_seconds: 60,
        resource: GPU.to_owned(),
        cost: 1,
    }
}

/// A publisher sends 20 patches a second, and the gain rises.
pub(super) fn publishing() -> MediaNodeInput {
    MediaNodeInput {
        publishing: true,
        gain_millidecibels: Some(1000),
        gain_slope_millidecibels_per_second: 20,
        patches_per_second: 20,
        backlog: 20,
        ..MediaNodeInput::default()
    }
}

pub(super) fn training(steps_per_second: u32) -> TrainerState {
    TrainerState { activity: Activity::Training, steps_per_second, in_flight: 0 }
}

pub(super) fn suspended() -> TrainerState {
    TrainerState { activity: Activity::Suspended, steps_per_second: 0, in_flight: 0 }
}

/// One stream whose trainers do as they are told.
pub(super) struct Stream {
    pub(super) name: StreamName,
    pub(super) spec: ScalingSpec,
    pub(super) media_node: Option<MediaNodeInput>,
    /// What every trainer that is ready says of itself.
    pub(super) says: TrainerState,
    pub(super) trainers: BTreeMap<u32, Trainer>,
    pub(super) decision: Option<ScalingDecision>,
    pub(super) bus_reachable: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Trainer {
    /// In seconds.
    age: u32,
    /// Seconds until it is gone.
    going: Option<u32>,
}

pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) scaler: Scaler,
    pub(super) streams: Vec<Stream>,
    pub(super) step_seconds: u32,
    /// Seconds from creation to ready, and from deletion to gone.
    pub(super) pod_seconds: (u32, u32),
}

impl Stream {
    pub(super) fn new(index: usize) -> Self {
        Self {
            name: StreamName::new("default", &format!("s{index}")).unwrap(),
            spec: spec(),
            media_node: Some(publishing()),
            says: training(60),
            trainers: BTreeMap::new(),
            decision: None,
            bus_reachable: true,
        }
    }

    /// Trainers that have not been told to go.
    pub(super) fn alive(&self) -> u32 {
        u32::try_from(self.trainers.values().filter(|trainer| trainer.going.is_none()).count()).unwrap()
    }

    pub(super) fn inputs(&self, now: Timestamp, seconds_to_ready: u32) -> ScalingInputs {
        let input = |(ordinal, trainer): (&u32, &Trainer)| {
            let ready = trainer.age >= seconds_to_ready && trainer.going.is_none();
            let report = ready.then_some(self.says);
            TrainerInput { ordinal: *ordinal, ready, terminating: trainer.going.is_some(), report }
        };
        ScalingInputs {
            now,
            spec: self.spec.clone(),
            bus_reachable: self.bus_reachable,
            media_node: self.media_node.clone(),
            trainers: self.trainers.iter().map(input).collect(),
        }
    }
}

impl World {
    pub(super) fn new(streams: usize, budget: Option<u32>) -> Self {
        let budget = Budget(budget.map(|limit| (GPU.to_owned(), limit)).into_iter().collect());
        Self {
            now: start(),
            scaler: Scaler::new(budget),
            streams: (0..streams).map(Stream::new).collect(),
            step_seconds: 1,
            pod_seconds: (1, 1),
        }
    }

    /// One second, unless told otherwise: every stream is decided for, and its pods obey.
    pub(super) fn step(&mut self) {
        self.now += SignedDuration::from_secs(self.step_seconds.into());
        let (to_ready, to_gone) = self.pod_seconds;
        for stream in &mut self.streams {
            for trainer in stream.trainers.values_mut() {
                trainer.age += self.step_seconds;
                trainer.going = trainer.going.map(|left| left.saturating_sub(self.step_seconds));
            }
            stream.trainers.retain(|_, trainer| trainer.going != Some(0));
            let decision = self.scaler.decide(&stream.name, &stream.inputs(self.now, to_ready));
            for (ordinal, trainer) in &mut stream.trainers {
                if trainer.going.is_none() && !decision.trainers.contains(ordinal) {
                    trainer.going = Some(to_gone.max(1));
                }
            }
            for ordinal in &decision.trainers {
                stream.trainers.entry(*ordinal).or_insert(Trainer { age: 0, going: None });
            }
            stream.decision = Some(decision);
        }
    }

    pub(super) fn run(&mut self, seconds: u32) {
        (0..seconds).for_each(|_| self.step());
    }

    /// Seconds until the first stream has so many trainers; at most `patience`.
    pub(super) fn seconds_until(&mut self, trainers: u32, patience: u32) -> Option<u32> {
        (1..=patience).find(|_| {
            self.step();
            self.streams[0].alive() == trainers
        })
    }

    pub(super) fn media_node(&mut self) -> &mut MediaNodeInput {
        self.streams[0].media_node.as_mut().unwrap()
    }

    pub(super) fn decision(&self) -> &ScalingDecision {
        self.streams[0].decision.as_ref().unwrap()
    }
}
