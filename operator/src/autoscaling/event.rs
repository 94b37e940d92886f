//! A decision as an Event that holds everything it was made from, and the way back.

use std::collections::{BTreeMap, BTreeSet};

use crds::{
    Reason,
    conditions::{ScalingActive, ScalingLimited},
};
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use serde::{Deserialize, Serialize};

use super::{
    inputs::ScalingInputs,
    reason,
    scaler::{ScalingDecision, conclude},
    wish::{Memory, next_wish},
};

/// Annotation of the Event that holds the [`Record`], as JSON.
pub const RECORD_ANNOTATION: &str = "acuity.video/scaling-record";

/// The longest note that the API server takes, in bytes.
const MAX_NOTE_BYTES: usize = 1024;

/// The number of trainers changed.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingEvent {
    pub from: u32,
    pub to: u32,
    pub reason: ScalingActive,
    pub limit: ScalingLimited,
    pub record: Record,
}

/// What a decision was made from, and which trainers it said are to exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub inputs: ScalingInputs,
    pub past: Memory,
    /// What the budget left to this stream.
    pub granted: u32,
    pub trainers: BTreeSet<u32>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("it is not the record of a decision")]
    Malformed(#[from] serde_json::Error),
    #[error("this release decides otherwise: trainers {now:?} instead of {then:?}")]
    Otherwise { now: BTreeSet<u32>, then: BTreeSet<u32> },
}

impl Record {
    /// Decides again from what is recorded.
    #[must_use]
    pub fn decide(&self) -> ScalingDecision {
        conclude(&self.past, next_wish(&self.past, &self.inputs), self.granted, false, &self.inputs).1
    }

    /// Decides again from the text of [`RECORD_ANNOTATION`].
    ///
    /// # Errors
    /// When it is no record, or when the rules have changed since.
    pub fn replay(text: &str) -> Result<ScalingDecision, ReplayError> {
        let record: Self = serde_json::from_str(text)?;
        let decision = record.decide();
        match decision.trainers == record.trainers {
            true => Ok(decision),
            false => Err(ReplayError::Otherwise { now: decision.trainers, then: record.trainers }),
        }
    }
}

impl ScalingEvent {
    /// In one line: `1 -> 0 trainers (Saturated): …`.
    #[must_use]
    pub fn note(&self) -> String {
        let mut note = format!(
            "{} -> {} trainers ({}): {}",
            self.from,
            self.to,
            self.reason.as_str(),
            reason::message(self.reason)
        );
        if self.limit != ScalingLimited::WithinLimits {
            note += &format!("; {}", reason::limit_message(self.limit));
        }
        if let Some(media_node) = &self.record.inputs.media_node {
            if let Some(gain) = media_node.gain_millidecibels {
                note += &format!("; gain {gain:+} mdB");
            }
            note += &format!(
                "; slope {:+} mdB/s, {} patches/s, {} waiting, scene {}",
                media_node.gain_slope_millidecibels_per_second,
                media_node.patches_per_second,
                media_node.backlog,
                media_node.scene_changes,
            );
        }
        debug_assert!(note.len() <= MAX_NOTE_BYTES);
        note
    }

    /// An Event to be created as it is: one that goes through a recorder may be counted with an earlier one, and then
    /// its record is lost. `controller` and `instance`: who says so.
    #[must_use]
    pub fn to_event(&self, regarding: ObjectReference, controller: &str, instance: &str) -> Event {
        let up = self.to > self.from;
        let record = serde_json::to_string(&self.record).unwrap_or_default();
        let now = self.record.inputs.now;
        Event {
            metadata: ObjectMeta {
                // The same decision makes the same Event: tried again, it exists already.
                name: Some(format!("{}.{:x}", regarding.name.as_deref().unwrap_or_default(), now.as_nanosecond())),
                namespace: regarding.namespace.clone(),
                annotations: Some(BTreeMap::from([(RECORD_ANNOTATION.to_owned(), record)])),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            action: Some(if up { "ScaleUp" } else { "ScaleDown" }.to_owned()),
            reason: Some(if up { "ScaledUp" } else { "ScaledDown" }.to_owned()),
            note: Some(self.note()),
            type_: Some("Normal".to_owned()),
            regarding: Some(regarding),
            reporting_controller: Some(controller.to_owned()),
            reporting_instance: Some(instance.to_owned()),
            ..Event::default()
        }
    }
}
