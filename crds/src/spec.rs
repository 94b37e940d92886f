//! What a user writes.

mod enhancement;
mod ingest;
mod pods;
mod references;
mod relay;
mod training;

pub use enhancement::{
    Encoder, EncoderImplementation, Enhancement, EnhancementMode, NetworkShape, OnNoEnhancerAccelerator, Unjudged,
};
pub use ingest::Ingest;
pub use pods::{PodOverlay, Pods, Resources};
pub use references::{Accelerator, SecretKeyRef, SecretRef};
pub use relay::{Media, MediaExposure, Relay, Signalling, SignallingExposure};
pub use training::{Autoscaling, AutoscalingMode, OnNoTrainerAccelerator, Patches, Start, Training};
