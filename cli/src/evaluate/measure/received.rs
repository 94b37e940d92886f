//! What a viewer got of one rendition: packets to pictures, each with the frame it is of.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    path::Path,
    vec,
};

use media::{Decoder, Picture};
use rtp::{Assembled, Assembler, AssemblerOutput};

use super::super::recording::SentFrame;
use crate::rtpdump::{self, ArrivedPacket};

/// Later packets that are waited for a missing one, as `acuity watch` does.
const REORDER_PACKETS: usize = 64;

/// Index of a frame sent by its RTP timestamp.
pub(crate) type Sent = HashMap<u32, usize>;

pub(crate) fn index(sent: &[SentFrame]) -> Sent {
    sent.iter().enumerate().map(|(index, frame)| (frame.rtp_timestamp, index)).collect()
}

/// A picture as it was on the screen.
#[derive(Debug)]
pub(crate) struct ReceivedFrame {
    /// Which of the frames sent
    pub(crate) sent: usize,
    pub(crate) keyframe: bool,
    /// When the packet came that completed it
    pub(crate) arrived_unix_us: u64,
    pub(crate) picture: Picture,
}

/// The pictures of a dump, in their order. What is not of a frame sent is passed over.
#[derive(Debug)]
pub(crate) struct Received {
    units: Units,
    decoder: Decoder,
    sent: Sent,
    ready: VecDeque<ReceivedFrame>,
}

impl Received {
    pub(crate) fn open(dump: &Path, sent: &[SentFrame]) -> anyhow::Result<Self> {
        let units = Units::of(rtpdump::read(dump)?);
        Ok(Self { units, decoder: Decoder::h264(1)?, sent: index(sent), ready: VecDeque::new() })
    }

    /// The picture of this frame, if there is one; those of earlier frames are passed over.
    pub(crate) fn take(&mut self, sent: usize) -> Option<ReceivedFrame> {
        while !self.ready.is_empty() || self.decode_next() {
            match self.ready.front() {
                Some(next) if next.sent > sent => return None,
                Some(next) if next.sent == sent => return self.ready.pop_front(),
                _ => drop(self.ready.pop_front()),
            }
        }
        None
    }

    /// False at the end of the dump.
    fn decode_next(&mut self) -> bool {
        match self.units.next() {
            None => return false,
            Some(Unit::Lost) => self.decoder.lost(),
            Some(Unit::Frame { arrived_unix_us, unit }) => {
                let decoded = self.decoder.decode(&unit.data, unit.timestamp).unwrap_or_default();
                self.ready.extend(decoded.into_iter().filter_map(|frame| {
                    let sent = *self.sent.get(&low_bits(frame.timestamp))?;
                    Some(ReceivedFrame { sent, keyframe: unit.keyframe, arrived_unix_us, picture: frame.picture })
                }));
            }
        }
        true
    }
}

/// Which frames sent were key frames, as far as their packets came. The first always is.
pub(crate) fn keyframes(packets: Vec<ArrivedPacket>, sent: &Sent) -> BTreeSet<usize> {
    let units = Units::of(packets).filter_map(|unit| match unit {
        Unit::Frame { unit, .. } if unit.keyframe => sent.get(&low_bits(unit.timestamp)).copied(),
        _ => None,
    });
    units.chain([0]).collect()
}

/// Access units as their packets completed them.
#[derive(Debug)]
struct Units {
    packets: vec::IntoIter<ArrivedPacket>,
    assembler: Assembler,
    arrived_unix_us: u64,
}

enum Unit {
    Frame { arrived_unix_us: u64, unit: Assembled },
    Lost,
}

impl Units {
    fn of(packets: Vec<ArrivedPacket>) -> Self {
        Self { packets: packets.into_iter(), assembler: Assembler::new(REORDER_PACKETS), arrived_unix_us: 0 }
    }
}

impl Iterator for Units {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        loop {
            match self.assembler.poll() {
                Some(AssemblerOutput::Frame(unit)) => {
                    return Some(Unit::Frame { arrived_unix_us: self.arrived_unix_us, unit });
                }
                Some(AssemblerOutput::Lost { .. }) => return Some(Unit::Lost),
                None => {
                    let ArrivedPacket { arrived_unix_us, packet } = self.packets.next()?;
                    self.arrived_unix_us = arrived_unix_us;
                    self.assembler.push(packet.sequence, packet.timestamp, packet.marker, &packet.payload);
                }
            }
        }
    }
}

/// The RTP timestamp that was unwrapped.
#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what is meant")]
fn low_bits(timestamp: u64) -> u32 {
    timestamp as u32
}
