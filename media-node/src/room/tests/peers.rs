//! The publishers of a world: a camera with sound, and an enhancer.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rtp::h264;

use crate::room::{MediaPacket, PeerId, TrackKind};

/// What a packet says of itself, at the end of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag {
    pub(super) publisher: PeerId,
    /// Counts a track's packets.
    pub(super) number: u32,
    /// Whose frame it is, counted through in that session; an enhanced frame has its source frame's.
    pub(super) camera: PeerId,
    pub(super) frame: u32,
    pub(super) index: u8,
    pub(super) of: u8,
}

impl Tag {
    const BYTES: usize = 18;

    fn to_bytes(self) -> Vec<u8> {
        let peer = |peer: PeerId| u32::try_from(peer.0).unwrap();
        let numbers = [peer(self.publisher), self.number, peer(self.camera), self.frame];
        let numbers = numbers.map(u32::to_be_bytes).concat();
        [&numbers[..], &[self.index, self.of]].concat()
    }

    pub(super) fn parse(payload: &[u8]) -> Self {
        let bytes = &payload[payload.len() - Self::BYTES..];
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let peer = |at| PeerId(u64::from(word(at)));
        Self { publisher: peer(0), number: word(4), camera: peer(8), frame: word(12), index: bytes[16], of: bytes[17] }
    }
}

/// The packets of one video frame, of which `first` is the first one: with parameter sets there in a key frame.
fn frame_packets(first: Tag, first_sequence: u16, timestamp: u32, key: bool) -> Vec<MediaPacket> {
    let of = first.of;
    (0..of)
        .map(|index| {
            let number = first.number + u32::from(index);
            let tag = Tag { number, index, ..first }.to_bytes();
            let header: &[u8] = match (key, index) {
                (true, 0) => &[0x78, 0, 1, 0x67, 0, Tag::BYTES as u8 + 1, 0x68],
                (true, 1) => &[0x65, 0x88],
                (true, _) => &[0x65, 0x08],
                (false, 0) => &[0x41, 0x9a],
                (false, _) => &[0x41, 0x1a],
            };
            let payload = Bytes::from([header, &tag].concat());
            let sequence = first_sequence.wrapping_add(number as u16);
            MediaPacket { sequence, timestamp, marker: index + 1 == of, payload }
        })
        .collect()
}

const FRAME: Duration = Duration::from_nanos(33_333_333);
const SOUND: Duration = Duration::from_millis(20);

/// 30 frames a second and sound, in a session of its own clocks and counters.
#[derive(Debug)]
pub(super) struct Camera {
    pub(super) peer: PeerId,
    started: Duration,
    frames: u32,
    packets: u32,
    sounds: u32,
    key_at: Option<Duration>,
}

impl Camera {
    pub(super) fn new(peer: PeerId, now: Duration) -> Self {
        Self { peer, started: now, frames: 0, packets: 0, sounds: 0, key_at: Some(now) }
    }

    /// A key frame was asked for; the question is on its way for a while.
    pub(super) fn ask_keyframe(&mut self, now: Duration) {
        self.key_at.get_or_insert(now + Duration::from_millis(20));
    }

    /// What it sends by `now`.
    pub(super) fn shoot(&mut self, now: Duration) -> Vec<(TrackKind, MediaPacket)> {
        let mut sent = Vec::new();
        while self.started + FRAME * self.frames <= now {
            let key = self.key_at.is_some_and(|at| at <= now);
            if key {
                self.key_at = None;
            }
            let of = if key { 7 } else { 1 + (self.frames * 7 % 4) as u8 };
            let sequence = (self.peer.0 as u16).wrapping_mul(21_111);
            let (publisher, number, frame) = (self.peer, self.packets, self.frames);
            let first = Tag { publisher, number, camera: publisher, frame, index: 0, of };
            let packets = frame_packets(first, sequence, self.timestamp(frame), key);
            sent.extend(packets.into_iter().map(|packet| (TrackKind::Video, packet)));
            self.frames += 1;
            self.packets += u32::from(of);
        }
        while self.started + SOUND * self.sounds <= now {
            let tag = Tag { publisher: self.peer, number: self.sounds, camera: self.peer, frame: 0, index: 0, of: 1 };
            let timestamp = (self.sounds * 960).wrapping_sub(4_000);
            let payload = Bytes::from(tag.to_bytes());
            sent.push((
                TrackKind::Audio,
                MediaPacket { sequence: self.sounds as u16, timestamp, marker: false, payload },
            ));
            self.sounds += 1;
        }
        sent
    }

    /// (NTP, RTP) of the newest whole second of video.
    pub(super) fn report(&self) -> (u64, u32) {
        let second = self.frames / 30;
        (ntp_of_frame(self.peer, second * 30), self.timestamp(second * 30))
    }

    fn timestamp(&self, frame: u32) -> u32 {
        (self.peer.0 as u32).wrapping_mul(1_234_567_890).wrapping_add(frame * 3_000)
    }
}

/// Each session has an hour of its own.
pub(super) fn ntp_of_frame(publisher: PeerId, frame: u32) -> u64 {
    ((3_600 * publisher.0) << 32) + (u64::from(frame) << 32) / 30
}

/// Watches the source as an internal viewer and sends each frame that came whole with its own timestamp.
#[derive(Debug)]
pub(super) struct Enhancer {
    pub(super) viewer: PeerId,
    pub(super) publisher: PeerId,
    packets: u32,
    key_wanted: bool,
    /// Packets there of the frames of each timestamp.
    pieces: BTreeMap<u32, u8>,
}

impl Enhancer {
    pub(super) fn new(viewer: PeerId, publisher: PeerId) -> Self {
        Self { viewer, publisher, packets: 0, key_wanted: true, pieces: BTreeMap::new() }
    }

    pub(super) fn ask_keyframe(&mut self) {
        self.key_wanted = true;
    }

    /// Takes a packet of the source and gives the enhanced frame that it completes.
    pub(super) fn enhance(&mut self, packet: &MediaPacket) -> Vec<MediaPacket> {
        let tag = Tag::parse(&packet.payload);
        let pieces = self.pieces.entry(packet.timestamp).or_default();
        *pieces += 1;
        if *pieces < tag.of {
            return Vec::new();
        }
        self.pieces.remove(&packet.timestamp);
        let key = std::mem::take(&mut self.key_wanted);
        let first = Tag { publisher: self.publisher, number: self.packets, index: 0, of: 3, ..tag };
        self.packets += u32::from(first.of);
        frame_packets(first, 65_000, packet.timestamp, key)
    }
}

pub(super) fn begins_keyframe(packet: &MediaPacket) -> bool {
    h264::holds_sps(&packet.payload)
}
