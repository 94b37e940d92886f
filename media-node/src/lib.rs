//! One stream's WHIP ingest, WHEP relay, checkpoint registry and judge. Links no codec and no libtorch.

mod bind;
pub mod bridge;
mod guard;
mod http;
pub mod learning;
mod moving;
mod peer;
mod relay;
pub mod room;
mod run;
mod tokens;

pub use guard::fuzz;
pub use moving::Stages;
pub use run::run;
