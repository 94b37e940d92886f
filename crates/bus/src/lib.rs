//! NATS as Acuity uses it: the only place that names subjects, buckets, consumers and limits.
//!
//! `ensure_*` creates what is absent and never changes what is there.

mod checkpoints;
mod connect;
mod patches;
mod reports;

pub use checkpoints::Checkpoints;
pub use connect::{Bus, BusError};
pub use patches::{PatchConsumer, ReceivedPatch};
pub use reports::{ReportKey, ReportRole};
