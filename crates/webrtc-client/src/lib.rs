//! WHIP and WHEP clients over `webrtc`: what `acuity publish`, `acuity watch` and the enhancer share.
//!
//! One [`Publisher`] or [`Viewer`] is one session; [`Publishing`] and [`Watching`] go on with the next one when it ends, or
//! when the stream moves to another media-node.
//! Programs install rustls' crypto provider before the first connection.

mod backoff;
mod connection;
mod engine;
mod estimate;
mod keyframe_requests;
mod loss;
mod moves;
mod or_never;
mod publisher;
mod publishing;
mod reconnect;
mod retransmissions;
mod route;
mod signalling;
mod silence;
mod viewer;
mod watching;
mod wire;

pub use backoff::Backoff;
pub use loss::Loss;
pub use publisher::{MAX_MESSAGE_BYTES, PublishOptions, Publisher, PublisherEvent};
pub use publishing::{Outlet, Publishing, PublishingEvent};
pub use reconnect::GiveUp;
pub use route::is_loopback;
pub use signalling::SignallingError;
pub use viewer::{ReceivedPacket, ViewOptions, Viewer, ViewerEvent};
pub use watching::{Watching, WatchingEvent};
pub use wire::UplinkBytes;
