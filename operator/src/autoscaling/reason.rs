//! The reasons of `ScalingActive` and `ScalingLimited` as rules name them: read back from text, and said to people.

use crds::{
    Reason,
    conditions::{ScalingActive, ScalingLimited},
};
use serde::{Deserialize, Deserializer, Serializer};

const ALL: [ScalingActive; 17] = [
    ScalingActive::PatchesWait,
    ScalingActive::SceneChanged,
    ScalingActive::GainFell,
    ScalingActive::TooFewSteps,
    ScalingActive::BacklogGrows,
    ScalingActive::Saturated,
    ScalingActive::GainFlat,
    ScalingActive::EnoughSteps,
    ScalingActive::NobodyPublishes,
    ScalingActive::NoPatches,
    ScalingActive::Steady,
    ScalingActive::Fixed,
    ScalingActive::External,
    ScalingActive::TrainingDisabled,
    ScalingActive::Paused,
    ScalingActive::BusUnreachable,
    ScalingActive::NoReport,
];

pub(super) fn parse(text: &str) -> Option<ScalingActive> {
    ALL.into_iter().find(|reason| reason.as_str() == text)
}

/// For people. It stays as it is while the reason does, so that no status is written for it.
pub(super) const fn message(reason: ScalingActive) -> &'static str {
    match reason {
        ScalingActive::PatchesWait => "patches came and nobody trained",
        ScalingActive::SceneChanged => "the scene changed",
        ScalingActive::GainFell => "the gain fell, or the weights were withdrawn",
        ScalingActive::TooFewSteps => "the trainers took too few steps for each new patch",
        ScalingActive::BacklogGrows => "patches piled up although every trainer worked",
        ScalingActive::Saturated => "training gains nothing more",
        ScalingActive::GainFlat => "several trainers gained no more than fewer would",
        ScalingActive::EnoughSteps => "fewer trainers take enough steps for each new patch",
        ScalingActive::NobodyPublishes => "nobody publishes",
        ScalingActive::NoPatches => "the publisher sends no patches",
        ScalingActive::Steady => "nothing calls for a change",
        ScalingActive::Fixed => "spec.training.replicas says how many trainers there are",
        ScalingActive::External => "another autoscaler writes spec.training.replicas",
        ScalingActive::TrainingDisabled => "spec.training.enabled is false",
        ScalingActive::Paused => "spec.paused is true",
        ScalingActive::BusUnreachable => "NATS is not reachable: the last decision stays",
        ScalingActive::NoReport => "the media-node has not reported yet: the last decision stays",
    }
}

pub(super) const fn limit_message(limit: ScalingLimited) -> &'static str {
    match limit {
        ScalingLimited::WithinLimits => "as many trainers as the stream asks for",
        ScalingLimited::MaxReplicas => "more trainers would help than autoscaling.maxReplicas allows",
        ScalingLimited::MinReplicas => "autoscaling.minReplicas keeps more trainers than are needed",
        ScalingLimited::Budget => "other streams use the cluster's trainers; this one gets its share of them",
        ScalingLimited::BudgetTooSmall => "one trainer takes more than the cluster's whole budget for trainers",
    }
}

/// For `#[serde(with = …)]`.
pub(super) fn serialize<S: Serializer>(reason: &ScalingActive, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}

/// For `#[serde(with = …)]`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ScalingActive, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom(format!("no reason of ScalingActive: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back() {
        let reasons = crds::ConditionType::ScalingActive.reasons();
        assert_eq!(reasons.len(), ALL.len());
        for (name, ..) in reasons {
            assert_eq!(parse(name).map(Reason::as_str), Some(*name));
        }
        assert_eq!(parse("Bored"), None);
    }
}
