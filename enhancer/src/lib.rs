//! One stream's super-resolution: `source` in, `enhanced` out, with the weights that are live.
//!
//! ```text
//!  WHEP ─▶ ingest ─▶ decode ─▶ queue ─▶ enhance ─▶ encode ─▶ publish ─▶ WHIP
//!          (task)    (thread)  of two   (thread)   (thread)  (task)
//!                                          ▲
//!  gRPC ─▶ watch ─▶ prepare ───────────────┘ changes
//!          (task)   (thread)
//! ```
//! **The video never waits**: not for the network (late frames get bicubic), not for weights (they are prepared on a
//! thread of their own and change hands between two frames), not for anybody who is connected.

mod checkpoints;
pub mod coder;
mod deadline;
mod decode;
mod encode;
mod enhance;
mod frame_rate;
mod ingest;
pub mod live;
mod metrics;
pub mod model;
pub mod pipeline;
mod prepare;
mod publish;
mod queue;
mod reports;
mod run;

pub use run::run;

/// Connecting takes at most this long.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
