//! Sequence numbers of one outgoing track that is fed from changing sources.

/// Maps extended sequence numbers of a source to those of one outgoing track. Gaps of the source stay gaps; at a
/// switch the new source goes on where the old one ended.
#[derive(Clone, Debug)]
pub struct SequenceRewriter {}

impl SequenceRewriter {
    /// `first` is the sequence number the track starts with.
    #[must_use]
    pub fn new(_first: u16) -> Self {
        todo!()
    }

    /// The next packet is of another source whose extended sequence number is `source_sequence`.
    pub fn switch(&mut self, _source_sequence: u64) {
        todo!()
    }

    /// The outgoing extended sequence number; `None` for a packet older than the last switch.
    pub fn rewrite(&mut self, _source_sequence: u64) -> Option<u64> {
        todo!()
    }

    /// The source's extended sequence number of an outgoing one (for a NACK); `None` when it is of an older source.
    #[must_use]
    pub fn source_of(&self, _outgoing: u64) -> Option<u64> {
        todo!()
    }
}
