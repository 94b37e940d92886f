//! Whether a candidate may take the lease. Pure.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// A lease that does not say how long it holds.
const DEFAULT_DURATION: Duration = Duration::from_secs(15);

/// What a candidate has seen.
#[derive(Debug, Default)]
pub(super) struct Candidate {
    /// The lease's version, and when it was first seen.
    seen: Option<(String, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Create it, or replace the version that was seen.
    Take,
    Wait,
}

impl Candidate {
    /// `lease` as it is now; `None`: there is none.
    pub(super) fn next_step(&mut self, now: Instant, lease: Option<&Lease>) -> Step {
        let Some(lease) = lease else { return Step::Take };
        if holder(lease).is_none() {
            return Step::Take;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => now,
        };
        self.seen = Some((version, since));
        let seconds = lease.spec.as_ref().and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok());
        let duration = seconds.map_or(DEFAULT_DURATION, Duration::from_secs);
        if now.duration_since(since) >= duration { Step::Take } else { Step::Wait }
    }
}

pub(super) fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(version: &str, holder: &str) -> Lease {
        let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": 6});
        serde_json::from_value(json!({"metadata": {"resourceVersion": version}, "spec": spec})).unwrap()
    }

    #[test]
    fn a_lease_that_nobody_holds_is_taken_at_once() {
        let now = Instant::now();
        assert_eq!(Candidate::default().next_step(now, None), Step::Take);
        assert_eq!(Candidate::default().next_step(now, Some(&lease("1", ""))), Step::Take);
    }

    #[test]
    fn one_that_is_held_is_taken_when_it_has_not_changed_for_as_long_as_it_says() {
        let (start, mut candidate) = (Instant::now(), Candidate::default());
        for (second, version, expected) in [
            (0, "1", Step::Wait),
            (5, "1", Step::Wait),
            (6, "2", Step::Wait),
            (11, "2", Step::Wait),
            (12, "2", Step::Take),
            (13, "3", Step::Wait),
        ] {
            let now = start + Duration::from_secs(second);
            assert_eq!(candidate.next_step(now, Some(&lease(version, "other"))), expected, "second {second}");
        }
    }
}
