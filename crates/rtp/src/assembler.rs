//! Puts H264 frames together from packets by timestamp and marker bit, so that a frame is out when its last packet is in.

mod access_unit;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use self::access_unit::AccessUnit;
use crate::{
    h264,
    sequence::{Arrival, ArrivalWindow},
    unwrap::Unwrap32,
};

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
    /// Frames that can no longer be completed; decoding is right again from the next key frame on. `packets` are
    /// missing or malformed.
    Lost {
        packets: u64,
    },
}

/// Reorders packets within a bounded window and assembles frames.
///
/// Late packets (NACK repairs) are waited for until `reorder_packets` newer ones are there; then the gap is lost. Frames
/// behind a gap are delivered from the first one whose beginning is certain.
///
/// **Drain `poll` after each `push`**: the window is bounded, what came out of it is not.
#[derive(Debug)]
pub struct Assembler {
    reorder_packets: usize,
    arrivals: ArrivalWindow,
    timestamps: Unwrap32,
    /// Packets ahead of a gap, by extended sequence number.
    held: BTreeMap<u64, Packet>,
    held_bytes: usize,
    /// The extended sequence number that comes next into a frame.
    next: Option<u64>,
    /// The frame at work; `None` before its first packet.
    frame: Option<Frame>,
    /// Whether the packet that comes next follows the one before without a gap.
    in_step: bool,
    outputs: VecDeque<AssemblerOutput>,
}

#[derive(Debug)]
struct Packet {
    timestamp: u32,
    marker: bool,
    payload: Bytes,
}

#[derive(Debug)]
struct Frame {
    timestamp: u32,
    /// `None` once it can no longer be completed.
    unit: Option<AccessUnit>,
}

impl Assembler {
    /// The largest access unit that is assembled, in bytes; larger ones are lost.
    pub const MAX_FRAME_BYTES: usize = 4 << 20;

    /// Waits for a missing packet until `reorder_packets` newer ones are there (at least 1, at most
    /// [`ArrivalWindow::PACKETS`]).
    #[must_use]
    pub fn new(reorder_packets: usize) -> Self {
        Self {
            reorder_packets: reorder_packets.clamp(1, ArrivalWindow::PACKETS as usize),
            arrivals: ArrivalWindow::default(),
            timestamps: Unwrap32::default(),
            held: BTreeMap::new(),
            held_bytes: 0,
            next: None,
            frame: None,
            in_step: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one packet; `payload` is the RTP payload without padding.
    pub fn push(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) {
        let Arrival::New(sequence) = self.arrivals.arrive(sequence) else { return };
        let next = *self.next.get_or_insert(sequence);
        if sequence < next {
            return;
        }
        if sequence == next {
            self.next = Some(next + 1);
            self.take(timestamp, marker, payload);
        } else {
            self.held_bytes += payload.len();
            self.held.insert(sequence, Packet { timestamp, marker, payload: Bytes::copy_from_slice(payload) });
        }
        self.take_held();
    }

    /// What became complete or lost, in order.
    pub fn poll(&mut self) -> Option<AssemblerOutput> {
        self.outputs.pop_front()
    }

    /// Takes the held packets that are next; gives gaps up while too much is held.
    fn take_held(&mut self) {
        while let (Some(next), Some(entry)) = (self.next, self.held.first_entry()) {
            let sequence = *entry.key();
            let full = self.held_bytes > Self::MAX_FRAME_BYTES;
            if sequence > next {
                if !full && self.held.len() < self.reorder_packets {
                    break;
                }
                self.lose(sequence - next);
            }
            if let Some(packet) = self.held.remove(&sequence) {
                self.held_bytes -= packet.payload.len();
                self.next = Some(sequence + 1);
                self.take(packet.timestamp, packet.marker, &packet.payload);
            }
        }
    }

    /// The packets up to the next held one will not come.
    fn lose(&mut self, packets: u64) {
        self.outputs.push_back(AssemblerOutput::Lost { packets });
        self.frame = None;
        self.in_step = false;
    }

    /// Takes the next packet in order into its frame.
    fn take(&mut self, timestamp: u32, marker: bool, payload: &[u8]) {
        if self.frame.as_ref().is_some_and(|frame| frame.timestamp != timestamp) {
            // Nothing is missing, so the sender just does not set markers.
            self.finish_frame();
        }
        if payload.is_empty() {
            return;
        }
        let certain = self.in_step || h264::begins_access_unit(payload);
        let frame = self.frame.get_or_insert_with(|| Frame { timestamp, unit: certain.then(AccessUnit::default) });
        self.in_step = true;
        if let Some(unit) = &mut frame.unit
            && unit.append(payload).is_err()
        {
            frame.unit = None;
            self.outputs.push_back(AssemblerOutput::Lost { packets: 1 });
        }
        if marker {
            self.finish_frame();
        }
    }

    fn finish_frame(&mut self) {
        let Some(Frame { timestamp, unit: Some(unit) }) = self.frame.take() else { return };
        let keyframe = unit.keyframe();
        self.outputs.push_back(match unit.finish() {
            Some(data) => {
                AssemblerOutput::Frame(Assembled { timestamp: self.timestamps.unwrap(timestamp), keyframe, data })
            }
            None => AssemblerOutput::Lost { packets: 1 },
        });
    }
}

#[cfg(test)]
mod tests;
