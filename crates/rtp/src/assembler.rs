//! Puts H264 frames together from packets by timestamp and marker bit, so that a frame is out when its last packet is in.

use bytes::Bytes;

/// One complete access unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// RTP timestamp, unwrapped
    pub timestamp: u64,
    pub keyframe: bool,
    /// Annex B
    pub data: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssemblerOutput {
    Frame(Assembled),
    /// Frames that can no longer be completed; decoding is right again from the next key frame on.
    Lost { packets: u64 },
}

/// Reorders packets within a bounded window and assembles frames.
///
/// Late packets (NACK repairs) are waited for until `reorder_packets` newer ones are there; then the gap is lost.
#[derive(Debug)]
pub struct Assembler {}

impl Assembler {
    /// The largest access unit that is assembled, in bytes; larger ones are lost.
    pub const MAX_FRAME_BYTES: usize = 4 << 20;

    #[must_use]
    pub fn new(_reorder_packets: usize) -> Self {
        todo!()
    }

    /// Takes one packet; `payload` is the RTP payload without padding.
    pub fn push(&mut self, _sequence: u16, _timestamp: u32, _marker: bool, _payload: &[u8]) {
        todo!()
    }

    /// What became complete or lost, in order.
    pub fn poll(&mut self) -> Option<AssemblerOutput> {
        todo!()
    }
}
