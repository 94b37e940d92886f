//! Decides for every stream, and remembers what it decided.

use std::collections::{BTreeSet, HashMap};

use crds::conditions::{ScalingActive, ScalingLimited};
use jiff::Timestamp;
use proto::StreamName;

use super::{
    budget::{Budget, Claim, Ledger},
    choice::choose,
    event::{Record, ScalingEvent},
    inputs::ScalingInputs,
    reason, timing,
    wish::{Memory, Wish, next_wish},
};

/// All streams' pasts, and the budget they share. Whoever owns it brings the time.
#[derive(Debug)]
pub struct Scaler {
    memories: HashMap<StreamName, Memory>,
    ledgers: HashMap<String, Ledger>,
    /// The resource each stream last claimed.
    claimed: HashMap<StreamName, String>,
}

/// What is known of a stream's past after a restart of the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recalled {
    /// Trainer pods that exist and have not been told to go; without any, what the status says was desired.
    pub trainers: u32,
    /// Reason of the condition `ScalingActive`.
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ScalingDecision {
    /// How many trainers there are to be.
    pub replicas: u32,
    /// Ordinals of the trainers that are to exist: more than `replicas` while one that is to go has something in flight.
    pub trainers: BTreeSet<u32>,
    pub active: Active,
    pub limited: Limited,
    /// Only when `replicas` is another number than before.
    pub event: Option<ScalingEvent>,
    /// Time alone may change the decision then.
    pub decide_again_at: Option<Timestamp>,
}

/// The condition `ScalingActive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    pub reason: ScalingActive,
    pub message: &'static str,
}

/// The condition `ScalingLimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    pub reason: ScalingLimited,
    pub message: &'static str,
}

impl Scaler {
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        let ledgers = budget.0.into_iter().map(|(resource, limit)| (resource, Ledger::new(limit))).collect();
        Self { memories: HashMap::new(), ledgers, claimed: HashMap::new() }
    }

    /// After a restart, for every stream there is, before the first [`decide`](Self::decide): else a stream could be
    /// given what another has.
    pub fn remember(&mut self, stream: &StreamName, recalled: &Recalled, inputs: &ScalingInputs) {
        let reason = recalled.reason.as_deref().and_then(reason::parse);
        self.memories.insert(stream.clone(), Memory::recalled(recalled.trainers, reason));
        self.claim(stream, recalled.trainers, inputs);
    }

    pub fn decide(&mut self, stream: &StreamName, inputs: &ScalingInputs) -> ScalingDecision {
        let past = self.memories.get(stream).cloned().unwrap_or_default();
        let wish = next_wish(&past, inputs);
        let granted = self.claim(stream, wish.trainers, inputs);
        let is_too_small =
            self.ledgers.get(&inputs.spec.resource).is_some_and(|ledger| ledger.is_too_small_for(inputs.spec.cost));
        let (memory, decision) = conclude(&past, wish, granted, is_too_small, inputs);
        self.memories.insert(stream.clone(), memory);
        decision
    }

    /// The stream is gone.
    pub fn forget(&mut self, stream: &StreamName, now: Timestamp) {
        self.memories.remove(stream);
        if let Some(ledger) = self.claimed.remove(stream).and_then(|resource| self.ledgers.get_mut(&resource)) {
            ledger.forget(stream, now);
        }
    }

    /// Streams that other streams' decisions gave something, or took something from: decide for them again.
    pub fn take_triggered(&mut self) -> BTreeSet<StreamName> {
        self.ledgers.values_mut().flat_map(Ledger::take_changed).collect()
    }

    /// How many trainers the budget leaves the stream.
    fn claim(&mut self, stream: &StreamName, wanted: u32, inputs: &ScalingInputs) -> u32 {
        let (spec, now) = (&inputs.spec, inputs.now);
        let before = self.claimed.get(stream);
        if before.is_some_and(|resource| *resource != spec.resource) {
            let before = self.claimed.remove(stream);
            if let Some(ledger) = before.and_then(|resource| self.ledgers.get_mut(&resource)) {
                ledger.forget(stream, now);
            }
        }
        let Some(ledger) = self.ledgers.get_mut(&spec.resource) else { return wanted };
        if before_differs(self.claimed.get(stream), &spec.resource) {
            self.claimed.insert(stream.clone(), spec.resource.clone());
        }
        let held = inputs.trainers.iter().filter(|trainer| !trainer.terminating).count();
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        ledger.claim(stream, Claim { weight: spec.weight, cost: spec.cost, wanted, held }, now)
    }
}

fn before_differs(before: Option<&String>, resource: &str) -> bool {
    before.is_none_or(|before| before != resource)
}

/// From what the stream wishes and what it is granted to what is done.
pub(super) fn conclude(
    past: &Memory,
    wish: Wish,
    granted: u32,
    is_too_small: bool,
    inputs: &ScalingInputs,
) -> (Memory, ScalingDecision) {
    let now = inputs.now;
    let Wish { trainers: wanted, reason, limit, mut memory, mut again_at } = wish;
    let replicas = wanted.min(granted);
    let is_change = replicas != past.trainers;
    let limit = match replicas < wanted {
        true if is_too_small => ScalingLimited::BudgetTooSmall,
        true => ScalingLimited::Budget,
        false => limit.unwrap_or(ScalingLimited::WithinLimits),
    };
    if is_change {
        memory.change_to(replicas, now);
    }
    if limit == ScalingLimited::Budget {
        let soon = now.saturating_add(timing::BUDGET_INTERVAL).unwrap_or(Timestamp::MAX);
        again_at = Some(again_at.map_or(soon, |at| at.min(soon)));
    }
    memory.limited = !matches!(limit, ScalingLimited::WithinLimits | ScalingLimited::MinReplicas);

    // Not hearing is no reason of its own: it passes.
    let is_heard = !matches!(reason, ScalingActive::BusUnreachable | ScalingActive::NoReport);
    if is_heard && reason != ScalingActive::Steady {
        memory.reason = reason;
    }
    let shown = if is_heard { memory.reason } else { reason };

    let is_paused = matches!(reason, ScalingActive::Paused | ScalingActive::TrainingDisabled);
    let shrinking_since = past.shrinking_since.unwrap_or(now).min(now);
    let patience_ends = shrinking_since.saturating_add(timing::DRAIN_PATIENCE).unwrap_or(Timestamp::MAX);
    let choice = choose(&inputs.trainers, replicas, is_paused || now >= patience_ends);
    memory.shrinking_since = choice.waits.then_some(shrinking_since);
    if choice.waits {
        again_at = Some(again_at.map_or(patience_ends, |at| at.min(patience_ends)));
    }

    let event = is_change.then(|| {
        let record = Record { inputs: inputs.clone(), past: past.clone(), granted, trainers: choice.ordinals.clone() };
        ScalingEvent { from: past.trainers, to: replicas, reason, limit, record }
    });
    let decision = ScalingDecision {
        replicas,
        trainers: choice.ordinals,
        active: Active { reason: shown, message: reason::message(shown) },
        limited: Limited { reason: limit, message: reason::limit_message(limit) },
        event,
        decide_again_at: again_at,
    };
    (memory, decision)
}
