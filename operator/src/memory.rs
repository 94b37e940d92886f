//! What the operator remembers of a stream besides what it can see. All of it may be lost: after a restart it is
//! learned again without a write.

use std::collections::BTreeMap;

use crds::{ConditionType, LiveStreamStatus};
use jiff::{SignedDuration, Timestamp};

use crate::{names::PodName, stores::Kind};

const FIRST_DELAY: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_DELAY: SignedDuration = SignedDuration::from_mins(5);
/// A pod that was ready for so long has made up for earlier failures.
pub(crate) const FORGIVEN_AFTER: SignedDuration = SignedDuration::from_mins(1);

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// Pods that ended or were refused, by slot, and when they may be made again.
    pub setbacks: BTreeMap<PodName, Setback>,
    /// Why an object that is no pod could not be made, by its name.
    pub refused: BTreeMap<(Kind, String), Setback>,
    /// A Secret that the spec names and the media-node waits for, and what is wrong with it.
    pub secret_missing: Option<String>,
    /// Without an accelerator free, no enhancer is tried before this.
    pub accelerator_due_at: Option<Timestamp>,
    pub accelerator_wait: AcceleratorWait,
    /// The newest versions that the operator's own writes gave, by kind.
    pub written: BTreeMap<Kind, u64>,
    /// When the numbers of the status were last written.
    pub numbers_written_at: Option<Timestamp>,
    /// What its status last said.
    pub standing: Standing,
}

/// What is counted of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub is_ready: bool,
    /// Something stands in its way that does not pass by itself.
    pub is_stalled: bool,
}

impl Standing {
    pub(crate) fn of(status: &LiveStreamStatus) -> Self {
        Self { is_ready: status.is_true(ConditionType::Ready), is_stalled: status.is_true(ConditionType::Stalled) }
    }
}

/// From when on an enhancer that waits for an accelerator does so for want of one: not while an older one may have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AcceleratorWait {
    #[default]
    Always,
    NotYet,
    Since(Timestamp),
}

impl AcceleratorWait {
    /// What comes next, when there is an older one or none any more.
    pub(crate) fn next(self, is_older: bool, now: Timestamp) -> Self {
        match self {
            _ if is_older => Self::NotYet,
            Self::NotYet => Self::Since(now),
            other => other,
        }
    }

    /// Since when an enhancer waits that no node has taken since `unschedulable`.
    pub(crate) fn since(self, unschedulable: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Always => Some(unschedulable),
            Self::NotYet => None,
            Self::Since(at) => Some(at.max(unschedulable)),
        }
    }
}

/// A pod did not come about, or did not last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setback {
    /// What was refused or ended, where it is a pod: another template is tried at once.
    pub(crate) template_hash: String,
    pub times: u32,
    pub retry_at: Timestamp,
    pub why: Refusal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub reason: RefusalReason,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RefusalReason {
    /// Evicted, ended, or its node is gone.
    Lost,
    QuotaExceeded,
    /// By pod security, an admission policy or missing rights.
    PolicyRefused,
    /// The namespace is being deleted.
    NamespaceEnds,
    /// Something that is not the stream's has the name.
    NameTaken,
    /// The API server does not take it as it is.
    Invalid,
}

impl Memory {
    /// One more setback of `slot`: each waits twice as long as the one before.
    pub(crate) fn set_back(&mut self, slot: PodName, template_hash: &str, why: Refusal, now: Timestamp) {
        let before = self.setbacks.get(&slot).filter(|setback| setback.template_hash == template_hash);
        let times = before.map_or(0, |setback| setback.times) + 1;
        let template_hash = template_hash.to_owned();
        self.setbacks.insert(slot, Setback { template_hash, times, retry_at: now + delay(times), why });
    }

    /// When a pod of `slot` may be made from that template; `None`: at once.
    #[must_use]
    pub(crate) fn held_until(&self, slot: PodName, template_hash: &str, now: Timestamp) -> Option<Timestamp> {
        let setback = self.setbacks.get(&slot).filter(|setback| setback.template_hash == template_hash);
        setback.map(|setback| setback.retry_at).filter(|at| *at > now)
    }

    /// One more refusal of an object that is no pod.
    pub(crate) fn refuse(&mut self, object: (Kind, String), why: Refusal, now: Timestamp) {
        let times = self.refused.get(&object).map_or(0, |setback| setback.times) + 1;
        self.refused.insert(object, Setback { template_hash: String::new(), times, retry_at: now + delay(times), why });
    }

    /// When an object may be written again; `None`: at once.
    #[must_use]
    pub(crate) fn refused_until(&self, object: &(Kind, String), now: Timestamp) -> Option<Timestamp> {
        self.refused.get(object).map(|setback| setback.retry_at).filter(|at| *at > now)
    }

    /// Something waits for a later try.
    pub(crate) fn holds_anything(&self, now: Timestamp) -> bool {
        !self.refused.is_empty() || self.setbacks.values().any(|setback| setback.retry_at > now)
    }

    pub(crate) fn note_written(&mut self, kind: Kind, version: u64) {
        let newest = self.written.entry(kind).or_default();
        *newest = version.max(*newest);
    }
}

fn delay(times: u32) -> SignedDuration {
    (FIRST_DELAY * (1 << times.saturating_sub(1).min(16))).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Role;

    #[test]
    fn each_setback_waits_twice_as_long_up_to_five_minutes() {
        let (mut memory, pod) = (Memory::default(), PodName::new(Role::Trainer, 0));
        let why = Refusal { reason: RefusalReason::Lost, message: String::new() };
        let mut delays = Vec::new();
        for _ in 0..11 {
            memory.set_back(pod, "a", why.clone(), Timestamp::UNIX_EPOCH);
            delays.push(memory.held_until(pod, "a", Timestamp::UNIX_EPOCH).unwrap().as_second());
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(memory.held_until(pod, "a", Timestamp::from_second(300).unwrap()), None);
        assert_eq!(memory.held_until(pod, "b", Timestamp::UNIX_EPOCH), None, "another template");
    }
}
