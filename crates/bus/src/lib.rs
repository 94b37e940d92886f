//! NATS as Acuity uses it: the only place that names subjects, buckets, consumers, limits and what each role may do.
//!
//! `ensure_*` creates what is absent and never changes what is there. Every other call ensures first what it needs, so
//! a server that comes back empty is filled again.

mod checkpoints;
mod connect;
mod deletion;
mod names;
mod patches;
mod permissions;
mod reports;
pub mod server;

pub use checkpoints::Checkpoints;
pub use connect::{Bus, BusError};
pub use patches::{PatchConsumer, ReceivedPatch};
pub use permissions::{Permissions, Role, permissions, user_name};
pub use reports::{Heard, ReportKey, ReportRole};
