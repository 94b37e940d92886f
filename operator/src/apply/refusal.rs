//! Why the API server does not take something, and will not before somebody changes something.

use kube::core::Status;

use crate::memory::{Refusal, RefusalReason};

/// `None`: it may take it another time.
pub(super) fn refusal(status: &Status) -> Option<Refusal> {
    let reason = match status.code {
        403 if status.message.contains("exceeded quota") => RefusalReason::QuotaExceeded,
        // said while a quota has not been counted yet
        403 if status.message.contains("status unknown for quota") => RefusalReason::QuotaExceeded,
        // the namespace goes, and the stream with it
        403 if status.message.contains("is being terminated") => RefusalReason::NamespaceEnds,
        403 => RefusalReason::PolicyRefused,
        // admission policies answer 422 as validation does, and name themselves
        422 if status.message.contains("ValidatingAdmissionPolicy") => RefusalReason::PolicyRefused,
        400 | 422 => RefusalReason::Invalid,
        _ => return None,
    };
    Some(Refusal { reason, message: status.message.clone() })
}
