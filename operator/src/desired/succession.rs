//! Who follows whom. Of media-nodes and of enhancers the successor comes first, and the old one goes when it is ready:
//!
//! ```text
//!   0 serves                      a roll-out, or 0 is on its way out
//!   0 serves, 1 starts            what there is to be is 1, 0 stays
//!   0 serves, 1 is ready          the Services turn to 1
//!   1 serves, 0 goes              nothing selects 0 any more
//!   1 serves                      the next one is 0 again
//! ```
//!
//! All of it follows from the pods and from whom the Services select, so that an operator that knows nothing else goes on
//! where another one ended.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Earliest, pods::Template};
use crate::{
    memory::{Memory, RefusalReason},
    names::PodName,
    observe::Observed,
    views::PodView,
};

/// A successor that finds no room for so long has it made.
const PATIENCE: SignedDuration = SignedDuration::from_secs(20);
/// A quota that refused so often, at growing distances, has done so for about as long.
const REFUSALS: u32 = 5;

#[derive(Debug)]
pub(super) struct Succession {
    /// The one there is to be, whether it exists or not.
    pub(super) pod: PodName,
    /// What becomes of the others; absent: it is not wanted at all.
    pub(super) others: BTreeMap<PodName, Other>,
    /// Who does the work until `pod` can.
    pub(super) predecessor: Option<PodName>,
    pub(super) again_at: Option<Timestamp>,
}

/// What becomes of a pod beside the one there is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// It does the work until the other one can.
    Stays,
    /// Its work is done by the other one, or it never did any.
    Outdated,
    /// There is no room for the other one beside it, and why.
    MakesRoom(String),
    /// It ended by itself, or is about to.
    Ends,
}

/// The pods of `slot`, when they are to be made from `template`.
pub(super) fn succession(slot: PodName, template: &Template, observed: &Observed, now: Timestamp) -> Succession {
    let pods: Vec<_> = observed.pods_of(slot.role).filter(|(name, _)| name.slot() == slot).collect();
    // Of several, which there are by mischance only, the one that serves.
    let first = |alike: &dyn Fn(&PodView) -> bool| {
        let alive = pods.iter().filter(|(_, pod)| pod.is_alive() && alike(pod));
        alive.min_by_key(|(name, pod)| (observed.selected != Some(*name), !pod.ready, name.ordinal)).copied()
    };
    let current = first(&|pod| template.has_made(pod));
    // One that no node took does no work.
    let old = first(&|pod| !template.has_made(pod) && pod.node.is_some()).map(|(name, _)| name);
    let name = current.map_or_else(|| next_name(slot, &pods, old.is_some()), |(name, _)| name);

    let mut again_at = Earliest(None);
    let mut others = BTreeMap::new();
    for (other, pod) in pods.iter().filter(|(other, _)| *other != name) {
        let fate = match current {
            _ if !pod.is_alive() => Other::Ends,
            _ if template.has_made(pod) => continue,
            _ if old != Some(*other) => Other::Outdated,
            Some((_, current)) if current.ready => match observed.selected_by_any.contains(other) {
                true => Other::Stays,
                false => Other::Outdated,
            },
            _ => match lacks_room(slot, current.map(|(_, pod)| pod), template, &observed.memory, now) {
                Some((why, due_at)) if due_at <= now => Other::MakesRoom(why),
                lack => {
                    again_at.add(lack.map(|(_, due_at)| due_at));
                    Other::Stays
                }
            },
        };
        others.insert(*other, fate);
    }
    let ends = pods.iter().filter(|(other, pod)| *other != name && pod.meta.is_deleting()).map(|(other, _)| *other);
    let predecessor =
        old.filter(|old| *old != name).or_else(|| ends.min_by_key(|other| observed.selected != Some(*other)));
    Succession { pod: name, others, predecessor, again_at: again_at.0 }
}

/// The lowest ordinal that is free. One that is not needed at once waits for the name of the one that goes: there are
/// never two successors beside one that works.
fn next_name(slot: PodName, pods: &[(PodName, &PodView)], another_works: bool) -> PodName {
    let ended = pods.iter().find(|(_, pod)| pod.ended.is_some());
    let goes = pods.iter().find(|(_, pod)| another_works && pod.meta.is_deleting());
    if let Some((name, _)) = ended.or(goes) {
        return *name;
    }
    let names = (0..).map(|ordinal| PodName { ordinal, ..slot });
    names
        .into_iter()
        .find(|name| !pods.iter().any(|(taken, _)| taken == name))
        .expect("there are more numbers than pods")
}

/// Why there is no room for a successor beside the old pod, and when that one is to make it.
fn lacks_room(
    slot: PodName,
    successor: Option<&PodView>,
    template: &Template,
    memory: &Memory,
    now: Timestamp,
) -> Option<(String, Timestamp)> {
    if let Some(unschedulable) = successor.and_then(|pod| pod.unschedulable.as_ref()) {
        let due_at = unschedulable.since + PATIENCE;
        return wants_room(&unschedulable.message).then(|| (unschedulable.message.clone(), due_at));
    }
    let setback = memory.setbacks.get(&slot).filter(|_| successor.is_none())?;
    let by_quota = setback.why.reason == RefusalReason::QuotaExceeded && setback.template_hash == template.hash;
    let is_lasting = by_quota && setback.times >= REFUSALS;
    is_lasting.then(|| (setback.why.message.clone(), now))
}

/// Whether the scheduler's words say that there would be a node, if less ran there: one that a mistake in the spec keeps
/// from every node is no reason to end what works.
pub(crate) fn wants_room(message: &str) -> bool {
    ["Insufficient", "Too many pods", "free ports", "anti-affinity", "topology spread", "claim"]
        .iter()
        .any(|want| message.contains(want))
}
