//! WHIP and WHEP clients over `webrtc`: what `acuity publish`, `acuity watch` and the enhancer share.
//!
//! One `Publisher` or `Viewer` is one session; whoever holds it connects again with [`Backoff`] when it ends.
//! Programs install rustls' crypto provider before the first connection.

mod backoff;
mod connection;
mod engine;
mod estimate;
mod keyframe_requests;
mod loss;
mod publisher;
mod retransmissions;
mod route;
mod signalling;
mod silence;
mod viewer;
mod wire;

pub use backoff::Backoff;
pub use loss::Loss;
pub use publisher::{MAX_MESSAGE_BYTES, PublishOptions, Publisher, PublisherEvent};
pub use route::is_loopback;
pub use signalling::SignallingError;
pub use viewer::{ReceivedPacket, ViewOptions, Viewer, ViewerEvent};
pub use wire::UplinkBytes;
