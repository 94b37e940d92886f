//! Reconciles `LiveStream`s.
//!
//! ```text
//! watches → stores → observe → desired → changes → apply → status
//!                    └────────── pure ──────────┘  (IO)    (pure)
//! ```

pub mod addresses;
mod apply;
pub mod autoscaling;
mod changes;
pub mod client;
mod context;
mod controller;
mod desired;
mod events;
pub mod leader;
mod memory;
mod metrics;
pub mod names;
mod nodes;
mod observe;
mod options;
mod outage;
pub mod ports;
pub mod probe;
mod queue;
mod reconcile;
mod replay;
pub mod reports;
mod run;
mod status;
mod stores;
pub mod views;
mod watches;

pub use context::{Context, Credentials};
pub use controller::{Finished, Operator};
pub use events::Events;
pub use metrics::{Label, Metrics};
pub use nodes::NodeView;
pub use options::{Images, Nats, Options, PodOptions, PullPolicy};
pub use replay::replay;
pub use run::{Driver, Ended, Probe, run};
pub use stores::{Kind, Watched};
pub use watches::watch;
