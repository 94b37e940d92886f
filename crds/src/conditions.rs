//! Conditions of a stream. A reason belongs to one condition and implies its status, so the two cannot contradict.

mod reasons;

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::LiveStreamStatus;
pub use reasons::{
    AddressReachable, BusReachable, ConditionType, Enhancing, Publishing, Ready, Reconciling, ScalingActive,
    ScalingLimited, Stalled, Training,
};

/// Why a condition has its status. Implemented by one closed list for each condition.
pub trait Reason: Copy + fmt::Debug {
    const CONDITION: ConditionType;

    fn as_str(self) -> &'static str;

    fn status(self) -> ConditionStatus;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A condition with this reason, as of `now`. The message is cut to what the schema allows.
#[must_use]
pub fn condition<R: Reason>(reason: R, message: &str, generation: i64, now: &Time) -> Condition {
    Condition {
        type_: R::CONDITION.as_str().to_owned(),
        status: reason.status().as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        message: message.chars().take(MAX_MESSAGE).collect(),
        observed_generation: Some(generation),
        last_transition_time: now.clone(),
    }
}

/// The longest message of a condition, in characters.
pub(crate) const MAX_MESSAGE: usize = 1024;

impl LiveStreamStatus {
    #[must_use]
    pub fn condition(&self, of: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == of.as_str())
    }

    #[must_use]
    pub fn is_true(&self, of: ConditionType) -> bool {
        self.condition(of).is_some_and(|condition| condition.status == ConditionStatus::True.as_str())
    }

    /// Puts `condition` in the place of the one of its type. Where the status stays the same, so does the time of the
    /// last transition: what did not change is not written again.
    pub fn set_condition(&mut self, mut condition: Condition) {
        match self.conditions.iter_mut().find(|old| old.type_ == condition.type_) {
            Some(old) => {
                if old.status == condition.status {
                    condition.last_transition_time = old.last_transition_time.clone();
                }
                *old = condition;
            }
            None => self.conditions.push(condition),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn a_condition_with_the_same_status_keeps_its_time() {
        let mut status = LiveStreamStatus::default();
        status.set_condition(condition(Ready::Starting, "pod starts", 1, &at(10)));
        status.set_condition(condition(Ready::ImageUnavailable, "no such image", 2, &at(20)));
        assert_eq!(status.conditions, [condition(Ready::ImageUnavailable, "no such image", 2, &at(10))]);
        status.set_condition(condition(Ready::Accepting, "", 2, &at(30)));
        assert_eq!(status.conditions, [condition(Ready::Accepting, "", 2, &at(30))]);
        assert!(status.is_true(ConditionType::Ready));
        assert!(!status.is_true(ConditionType::Publishing));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long = "é".repeat(5000);
        assert_eq!(condition(Ready::Starting, &long, 1, &at(0)).message.chars().count(), MAX_MESSAGE);
    }
}
