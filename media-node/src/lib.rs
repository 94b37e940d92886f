//! One stream's WHIP ingest, WHEP relay, checkpoint registry and judge. Links no codec and no libtorch.

pub mod bridge;
mod guard;
pub mod learning;
mod peer;
pub mod room;
