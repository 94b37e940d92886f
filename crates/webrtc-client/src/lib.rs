//! WHIP and WHEP clients over `webrtc`: what `acuity publish`, `acuity watch` and the enhancer share.
//!
//! One `Publisher` or `Viewer` is one session; whoever holds it connects again with [`Backoff`] when it ends.

mod backoff;
mod publisher;
mod signalling;
mod viewer;

pub use backoff::Backoff;
pub use publisher::{PublishOptions, Publisher, PublisherEvent, UplinkBytes};
pub use signalling::SignallingError;
pub use viewer::{ReceivedPacket, ViewOptions, Viewer, ViewerEvent};
