//! The `LiveStream` resource: what a user writes, what the operator answers, and the names both go by.
//!
//! The types are the source of the custom resource definition and of its reference documentation. Defaults, bounds and
//! rules stand in the schema, so that the API server holds them and nobody checks them again.
//!
//! ```text
//! live_stream ── spec/*      what a user writes
//!             ├─ status      what the operator answers
//!             └─ conditions  each condition, and its closed list of reasons
//! children                   names and labels of what a stream owns
//! ```

#![allow(unreachable_pub, reason = "KubeSchema repeats each public struct inside a function")]

pub mod children;
pub mod conditions;
mod definition;
mod live_stream;
mod reference;
mod spec;
mod status;

pub use children::Role;
pub use conditions::{ConditionStatus, ConditionType, Reason};
pub use definition::{definition, definition_yaml, schema};
pub use live_stream::{LiveStream, LiveStreamSpec};
pub use reference::reference;
pub use spec::{
    Accelerator, Autoscaling, AutoscalingMode, Encoder, EncoderImplementation, Enhancement, EnhancementMode, Ingest,
    Media, MediaExposure, NetworkShape, OnNoEnhancerAccelerator, OnNoTrainerAccelerator, Patches, PodOverlay, Pods,
    Relay, Resources, SecretKeyRef, SecretRef, Signalling, SignallingExposure, Start, Training, Unjudged,
};
pub use status::{CheckpointStatus, Endpoints, EnhancerStatus, LiveStreamStatus, TrainersStatus};
