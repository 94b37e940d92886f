//! Sequence numbers: what came in before, and what goes out on a track that is fed from changing sources.

use crate::unwrap::Unwrap16;

/// What a sequence number of an incoming track says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Not seen before; the extended sequence number.
    New(u64),
    Duplicate,
    /// Too far behind the newest to tell.
    TooOld,
}

/// Tells new packets of an incoming track from duplicates, within a window behind the newest one. A sender that
/// starts over at another number is followed from its second packet on: extended numbers just go on.
#[derive(Clone, Debug, Default)]
pub struct ArrivalWindow {
    unwrap: Unwrap16,
    /// Added to what `unwrap` says, so that a sender's new start goes on.
    shift: u64,
    newest: Option<u64>,
    /// One bit for each of the newest numbers, at its remainder.
    seen: [u64; Self::PACKETS as usize / 64],
    /// The number that would prove a sender's new start.
    restart_at: Option<u16>,
}

impl ArrivalWindow {
    /// How far behind the newest packet others are still told apart.
    pub const PACKETS: u64 = 1024;

    pub fn arrive(&mut self, sequence: u16) -> Arrival {
        let extended = self.shift.wrapping_add(self.unwrap.unwrap(sequence));
        let newest = *self.newest.get_or_insert(extended.saturating_sub(1));
        if extended > newest {
            return self.advance(newest, extended);
        }
        if newest - extended < Self::PACKETS {
            return if self.mark(extended) { Arrival::New(extended) } else { Arrival::Duplicate };
        }
        if self.restart_at == Some(sequence) {
            self.unwrap = Unwrap16::default();
            self.shift = (newest + 1).wrapping_sub(self.unwrap.unwrap(sequence));
            return self.advance(newest, newest + 1);
        }
        self.restart_at = Some(sequence.wrapping_add(1));
        Arrival::TooOld
    }

    fn advance(&mut self, newest: u64, extended: u64) -> Arrival {
        if extended - newest >= Self::PACKETS {
            self.seen = Default::default();
        } else {
            for skipped in newest + 1..extended {
                let (word, bit) = Self::place(skipped);
                self.seen[word] &= !bit;
            }
            let (word, bit) = Self::place(extended);
            self.seen[word] &= !bit;
        }
        self.mark(extended);
        self.newest = Some(extended);
        self.restart_at = None;
        Arrival::New(extended)
    }

    /// Whether it was not marked before.
    fn mark(&mut self, extended: u64) -> bool {
        let (word, bit) = Self::place(extended);
        let fresh = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        fresh
    }

    fn place(extended: u64) -> (usize, u64) {
        let index = extended % Self::PACKETS;
        ((index / 64) as usize, 1 << (index % 64))
    }
}

/// Maps extended sequence numbers of a source to those of one outgoing track. Gaps of the source stay gaps; at a
/// switch the new source goes on where the old one ended.
#[derive(Clone, Debug)]
pub struct SequenceRewriter {
    /// What the next switch begins with.
    next: u64,
    current: Option<Segment>,
}

/// One source's run: `source` goes out as `outgoing`, and so on from there.
#[derive(Clone, Copy, Debug)]
struct Segment {
    source: u64,
    outgoing: u64,
}

impl SequenceRewriter {
    /// `first` is the sequence number the track starts with; below 2^15 a receiver cannot misjudge its first wrap.
    #[must_use]
    pub fn new(first: u16) -> Self {
        Self { next: u64::from(first), current: None }
    }

    /// The next packet is of another source whose extended sequence number is `source_sequence`.
    pub fn switch(&mut self, source_sequence: u64) {
        self.current = Some(Segment { source: source_sequence, outgoing: self.next });
    }

    /// The outgoing extended sequence number; `None` for a packet older than the last switch. The first packet
    /// switches by itself.
    pub fn rewrite(&mut self, source_sequence: u64) -> Option<u64> {
        let segment = *self.current.get_or_insert(Segment { source: source_sequence, outgoing: self.next });
        let outgoing = segment.outgoing.saturating_add(source_sequence.checked_sub(segment.source)?);
        self.next = self.next.max(outgoing.saturating_add(1));
        Some(outgoing)
    }

    /// The source's extended sequence number of an outgoing one (for a NACK); `None` when it is of an older source or
    /// was never given out.
    #[must_use]
    pub fn source_of(&self, outgoing: u64) -> Option<u64> {
        let segment = self.current?;
        let offset = outgoing.checked_sub(segment.outgoing)?;
        (outgoing < self.next).then(|| segment.source.saturating_add(offset))
    }
}

#[cfg(test)]
mod tests;
