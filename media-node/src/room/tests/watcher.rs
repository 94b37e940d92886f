//! A viewer that believes nothing: it holds every packet against what the room promises.

use std::collections::BTreeMap;

use rtp::Unwrap16;

use super::peers::{Tag, begins_keyframe};
use crate::room::{MediaPacket, PeerId, Rendition, TrackKind};

#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) rendition: Rendition,
    pub(super) video: Track,
    pub(super) audio: Track,
}

impl Watcher {
    pub(super) fn new(rendition: Rendition) -> Self {
        Self { rendition, video: Track::default(), audio: Track::default() }
    }

    /// Panics where a promise is broken.
    pub(super) fn watch(&mut self, kind: TrackKind, packet: &MediaPacket) {
        match kind {
            TrackKind::Video => self.video.watch(packet, begins_keyframe(packet)),
            TrackKind::Audio => self.audio.watch(packet, true),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Track {
    sequences: Unwrap16,
    by_sequence: BTreeMap<u64, Tag>,
    /// The publisher that feeds it, and what its packet numbers are short of the extended sequence numbers: constant,
    /// for gaps are those of the source.
    feed: Option<(PeerId, u64)>,
    /// Packet numbers of the current feed.
    pub(super) numbers: Vec<u32>,
    pub(super) newest_timestamp: Option<u32>,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl Track {
    pub(super) fn publisher(&self) -> Option<PeerId> {
        self.feed.map(|(publisher, _)| publisher)
    }

    fn watch(&mut self, packet: &MediaPacket, begins: bool) {
        let tag = Tag::parse(&packet.payload);
        let newest_sequence = self.by_sequence.last_key_value().map(|(&newest, _)| newest);
        let sequence = self.sequences.unwrap(packet.sequence);
        let later = self.newest_timestamp.is_none_or(|newest| packet.timestamp.wrapping_sub(newest).cast_signed() > 0);
        let feed = Some((tag.publisher, sequence - u64::from(tag.number)));
        if feed != self.feed {
            assert!(begins, "begins, or changes its feed, in the middle, or with a gap of its own: {tag:?}");
            assert!(later, "goes back in time: {tag:?} at {}", packet.timestamp);
            assert!(newest_sequence.is_none_or(|newest| sequence == newest + 1), "changes with a gap: {tag:?}");
            self.feed = feed;
            self.numbers.clear();
        }
        let other = self.by_sequence.insert(sequence, tag);
        assert_eq!(other, None, "two packets under number {sequence}: {tag:?}");
        if later {
            self.newest_timestamp = Some(packet.timestamp);
        }
        self.numbers.push(tag.number);
        self.packets += 1;
        self.octets += packet.payload.len() as u32;
    }
}
