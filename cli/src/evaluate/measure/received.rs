//! What a viewer got of one rendition: packets to pictures, each with the frame it is of.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    path::Path,
    vec,
};

use media::{Decoder, Picture};
use rtp::{Assembled, Assembler, AssemblerOutput, Unwrap16};

use super::super::recording::SentFrame;
use crate::rtpdump::{self, ArrivedPacket};

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
    ssrc: Option<u32>,
    arrived_unix_us: u64,
}

enum Unit {
    Frame { arrived_unix_us: u64, unit: Assembled },
    Lost,
}

impl Units {
    fn of(packets: Vec<ArrivedPacket>) -> Self {
        let packets = in_order(packets).into_iter();
        Self { packets, assembler: in_order_assembler(), ssrc: None, arrived_unix_us: 0 }
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
                    let another_session = self.ssrc.replace(packet.ssrc).is_some_and(|before| before != packet.ssrc);
                    if another_session {
                        self.assembler = in_order_assembler();
                    }
                    self.arrived_unix_us = arrived_unix_us;
                    self.assembler.push(packet.sequence, packet.timestamp, packet.marker, &packet.payload);
                    if another_session {
                        return Some(Unit::Lost);
                    }
                }
            }
        }
    }
}

/// What is missing behind a packet does not come any more.
fn in_order_assembler() -> Assembler {
    Assembler::new(1)
}

/// The packets of each session in the order they were sent, as a viewer has them that waits for what comes late and for
/// nothing else: a packet arrives no earlier than those before it.
fn in_order(packets: Vec<ArrivedPacket>) -> Vec<ArrivedPacket> {
    let mut ordered = Vec::with_capacity(packets.len());
    for session in packets.chunk_by(|a, b| a.packet.ssrc == b.packet.ssrc) {
        let mut unwrap = Unwrap16::default();
        let mut session: Vec<_> =
            session.iter().map(|packet| (unwrap.unwrap(packet.packet.sequence), packet.clone())).collect();
        session.sort_by_key(|(sequence, _)| *sequence);
        session.dedup_by_key(|(sequence, _)| *sequence);
        let mut newest = 0;
        ordered.extend(session.into_iter().map(|(_, packet)| {
            newest = packet.arrived_unix_us.max(newest);
            ArrivedPacket { arrived_unix_us: newest, ..packet }
        }));
    }
    ordered
}

/// The RTP timestamp that was unwrapped.
#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what is meant")]
fn low_bits(timestamp: u64) -> u32 {
    timestamp as u32
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::rtpdump::RtpPacket;

    fn packet(ssrc: u32, sequence: u16, arrived_unix_us: u64) -> ArrivedPacket {
        let payload = Bytes::from_static(&[0x41, 0x9a, 1]);
        let timestamp = u32::from(sequence) * 3000;
        let packet = RtpPacket { payload_type: 102, marker: true, sequence, timestamp, ssrc, payload };
        ArrivedPacket { arrived_unix_us, packet }
    }

    fn order(packets: Vec<ArrivedPacket>) -> Vec<(u16, u64)> {
        in_order(packets).iter().map(|packet| (packet.packet.sequence, packet.arrived_unix_us)).collect()
    }

    #[test]
    fn what_came_late_holds_up_what_was_sent_after_it() {
        let packets = vec![packet(1, 65_534, 10), packet(1, 0, 30), packet(1, 65_535, 50), packet(1, 65_535, 51)];
        assert_eq!(order(packets), [(65_534, 10), (65_535, 50), (0, 50)]);
        assert_eq!(order(vec![packet(1, 9, 10), packet(2, 5, 20), packet(2, 4, 30)]), [(9, 10), (4, 30), (5, 30)]);
    }

    #[test]
    fn what_never_came_is_lost_at_once() {
        let packets = vec![packet(1, 1, 10), packet(1, 3, 30), packet(2, 50, 60)];
        let units = Units::of(packets).map(|unit| match unit {
            Unit::Frame { arrived_unix_us, .. } => arrived_unix_us,
            Unit::Lost => 0,
        });
        assert_eq!(units.collect::<Vec<_>>(), [10, 0, 30, 0, 60]);
    }
}
