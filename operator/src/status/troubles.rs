//! What stands in the way of a pod.

use crds::Accelerator;
use jiff::Timestamp;

use crate::{
    desired::waiting_since,
    memory::{Memory, RefusalReason},
    names::PodName,
    views::PodView,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    NoAccelerator,
    Unschedulable,
    ImageUnavailable,
    CrashLooping,
    Lost,
    QuotaExceeded,
    Refused,
    NameTaken,
    NamespaceEnds,
    Invalid,
}

/// What stands in the way of `name`, and what is said of it.
pub(super) fn trouble(
    name: PodName,
    pod: Option<&PodView>,
    accelerator: Option<&Accelerator>,
    memory: &Memory,
    now: Timestamp,
) -> Option<(Trouble, String)> {
    let Some(pod) = pod.filter(|pod| pod.is_alive()) else {
        let setback = memory.setbacks.get(&name.slot())?;
        let retry = (setback.retry_at > now).then(|| format!("; next try at {}", rounded(setback.retry_at)));
        let said = format!("{}{}", setback.why.message, retry.unwrap_or_default());
        return Some((of_refusal(setback.why.reason), said));
    };
    if pod.ready {
        return None;
    }
    if let Some(unschedulable) = &pod.unschedulable {
        let short = accelerator.is_some_and(|accelerator| waiting_since(pod, accelerator).is_some());
        let trouble = if short { Trouble::NoAccelerator } else { Trouble::Unschedulable };
        return Some((trouble, unschedulable.message.clone()));
    }
    let waiting = pod.waiting.as_ref()?;
    let trouble = match waiting.reason.as_str() {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            Trouble::ImageUnavailable
        }
        "CrashLoopBackOff"
        | "RunContainerError"
        | "CreateContainerError"
        | "CreateContainerConfigError"
        | "StartError" => Trouble::CrashLooping,
        _ => return None,
    };
    Some((trouble, format!("{}: {}", waiting.reason, waiting.message)))
}

pub(super) fn of_refusal(reason: RefusalReason) -> Trouble {
    match reason {
        RefusalReason::Lost => Trouble::Lost,
        RefusalReason::QuotaExceeded => Trouble::QuotaExceeded,
        RefusalReason::PolicyRefused => Trouble::Refused,
        RefusalReason::NameTaken => Trouble::NameTaken,
        RefusalReason::NamespaceEnds => Trouble::NamespaceEnds,
        RefusalReason::Invalid => Trouble::Invalid,
    }
}

/// Seconds are enough for people.
fn rounded(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}
