//! How many trainers each stream has: a pure function of what is known of the stream, of what others wish, of the past
//! decision and of the time. `docs/autoscaling.md` tells the rules.
//!
//! ```text
//! inputs ── wish (this stream alone) ── budget (all streams) ── choice (who goes, who comes) ── decision, event
//! ```
//!
//! It touches no clock and no client. The same inputs after the same past give the same decision, so that any decision
//! can be replayed from its event.

mod budget;
mod choice;
mod event;
mod inputs;
mod reason;
mod scaler;
mod share;
mod timing;
mod wish;

pub use budget::Budget;
pub use event::{RECORD_ANNOTATION, Record, ReplayError, ScalingEvent};
pub use inputs::{Activity, CPU, MediaNodeInput, ScalingInputs, ScalingSpec, TrainerInput, TrainerState};
pub use scaler::{Active, Limited, Recalled, Scaler, ScalingDecision};
pub use wish::Memory;

#[cfg(test)]
mod tests;
