//! What media-node and clients share on the wire: H264 packetising, frame assembly, unwrapped counters, stream time,
//! sequence rewriting. Pure: no socket, no clock. Every function here that takes a peer's bytes returns, whatever
//! they hold, and allocates no more than a small multiple of their length.

mod assembler;
pub mod fuzz;
pub mod h264;
mod sequence;
mod stream_time;
mod unwrap;

pub use assembler::{Assembled, Assembler, AssemblerOutput};
pub use sequence::{Arrival, ArrivalWindow, SequenceRewriter};
pub use stream_time::Timeline;
pub use unwrap::{Unwrap16, Unwrap32, nearest};
