//! Trains a stream's network while the stream runs: patches from NATS in, checkpoints to the media-node out.
//!
//! ```text
//!  NATS ──▶ intake ──▶ learning thread: replay buffer, schedule, learner ──▶ offers ──▶ media-node (gRPC)
//!                             │ newest only                                 answers ──▶ back to the thread
//!                             ├──▶ keeper ──▶ object store: trainer-state
//!                             └──▶ reporter ──▶ KV: TrainerReport
//! ```
//! Whatever is away, the learning goes on: patches come through a bounded channel, and of checkpoints, states and
//! reports only the newest is kept for when the other side is back. It knows neither Kubernetes nor WebRTC.

mod exam;
mod example;
mod intake;
mod keeper;
mod learning;
mod losses;
mod metrics;
mod offers;
mod pretrain;
mod registry;
mod replay;
mod reporter;
mod run;
mod saturation;
mod schedule;
mod start;
mod state;
mod tile;

pub use pretrain::{PretrainFiles, pretrain};
pub use run::run;
