//! Who computes on an accelerator, who on the CPU, and who not at all for now.
//!
//! A pod that waits for an accelerator stays: the scheduler takes it as soon as one is free, and a cluster autoscaler
//! sees that one is missing. Where the spec says `Cpu`, another pod stands in beside it until it is ready.

use crds::Accelerator;
use jiff::{SignedDuration, Timestamp};

use crate::{memory::AcceleratorWait, names::PodName, observe::Observed, views::PodView};

/// A pod that no node has taken for so long is taken for waiting.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);
/// Without an accelerator, an enhancer that is done without is tried again after this.
const TRY_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// What a pod computes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Placement<'a> {
    Cpu,
    Accelerator(&'a Accelerator),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenNoneIsFree {
    UseCpu,
    Wait,
    DoWithout,
}

#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub(super) pods: Vec<(PodName, Placement<'a>)>,
    pub(super) again_at: Option<Timestamp>,
    /// One that is done without is not tried before this.
    pub(super) due_at: Option<Timestamp>,
}

/// The pod that is to compute on an accelerator.
pub(super) struct Asked<'a> {
    pub(super) pod: PodName,
    /// Who does its work until it can.
    pub(super) old: Option<&'a PodView>,
    pub(super) wait: AcceleratorWait,
}

pub(super) fn place<'a>(
    Asked { pod, old, wait }: Asked<'_>,
    accelerator: Option<&'a Accelerator>,
    when_none_is_free: WhenNoneIsFree,
    observed: &Observed,
    now: Timestamp,
) -> Placed<'a> {
    let Some(accelerator) = accelerator else {
        return Placed { pods: vec![(pod, Placement::Cpu)], again_at: None, due_at: None };
    };
    let asked = (pod, Placement::Accelerator(accelerator));
    let stand_in = (pod.stand_in(), Placement::Cpu);
    let current = observed.pod(pod).filter(|pod| pod.is_alive());
    let waits_since = current.and_then(|pod| waiting_since(pod, accelerator));
    let waits_since = waits_since.and_then(|since| match when_none_is_free {
        WhenNoneIsFree::DoWithout => wait.since(since),
        // While the old one works nobody need stand in.
        _ => (!old.is_some_and(PodView::is_alive)).then_some(since),
    });
    let waits = waits_since.is_some_and(|since| now >= since + PATIENCE);
    let again_at = waits_since.map(|since| since + PATIENCE).filter(|at| *at > now);
    match when_none_is_free {
        WhenNoneIsFree::Wait => Placed { pods: vec![asked], again_at: None, due_at: None },
        WhenNoneIsFree::UseCpu => {
            // One that stands in already does so until the other is ready.
            let stands_in = |(name, view): (PodName, &PodView)| {
                name.stand_in && name.slot() == pod.stand_in().slot() && view.is_alive()
            };
            let stands_in = observed.pods_of(pod.role).any(stands_in);
            let ready = current.is_some_and(|pod| pod.ready);
            let pods = if waits || (stands_in && !ready) { vec![asked, stand_in] } else { vec![asked] };
            Placed { pods, again_at, due_at: None }
        }
        WhenNoneIsFree::DoWithout => {
            let due_at = observed.memory.accelerator_due_at.filter(|at| *at > now);
            match due_at {
                Some(at) if current.is_none() => Placed { pods: Vec::new(), again_at: Some(at), due_at },
                _ if waits => {
                    let at = now + TRY_AGAIN_AFTER;
                    Placed { pods: Vec::new(), again_at: Some(at), due_at: Some(at) }
                }
                _ => Placed { pods: vec![asked], again_at, due_at: None },
            }
        }
    }
}

/// Since when no node takes the pod for want of `accelerator`.
pub(crate) fn waiting_since(pod: &PodView, accelerator: &Accelerator) -> Option<Timestamp> {
    let unschedulable = pod.unschedulable.as_ref()?;
    let short_of = match &accelerator.resource_name {
        Some(resource) => unschedulable.message.contains(&format!("Insufficient {resource}")),
        // dynamic resource allocation says "cannot allocate all claims" and the like
        None => unschedulable.message.contains("claim"),
    };
    short_of.then_some(unschedulable.since)
}
