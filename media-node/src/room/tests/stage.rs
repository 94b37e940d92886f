//! A room and its clock, with inputs in one line and outputs as lines of text.

use std::time::Duration;

use bytes::Bytes;
use proto::status::StreamEventKind;
use rtp::h264;

use crate::{
    bridge::FromRelay,
    room::{Input, MediaPacket, Origin, Output, PeerId, Rendition, Room, TrackKind},
};

/// The peers of most tests.
pub(super) const SOURCE: PeerId = PeerId(1);
pub(super) const ENHANCER: PeerId = PeerId(2);
pub(super) const VIEWER: PeerId = PeerId(7);

/// First packets of a key frame, with parameter sets, and packets of other frames.
pub(super) const KEY: &[u8] = &[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2];
pub(super) const IDR: &[u8] = &[0x65, 0x88];
pub(super) const DELTA: &[u8] = &[0x41, 0x9a];

pub(super) struct Stage {
    pub(super) room: Room,
    pub(super) now: Duration,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self { room: Room::new(), now: Duration::ZERO }
    }

    /// With a live source whose first frame, at timestamp 90,000, was a key frame.
    pub(super) fn with_source() -> Self {
        let mut stage = Self::new();
        stage.publisher(SOURCE, Origin::Source);
        stage.video(SOURCE, 10, 90_000, KEY);
        stage.forget();
        stage
    }

    /// Moves the clock and calls the room when it asked for it.
    pub(super) fn at(&mut self, milliseconds: u64) -> &mut Self {
        let then = Duration::from_millis(milliseconds);
        while let Some(timeout) = self.room.poll_timeout().filter(|&timeout| timeout <= then) {
            self.now = self.now.max(timeout);
            self.room.handle_timeout(self.now);
            let next = self.room.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "the room asks for {next:?} again and again");
        }
        self.now = then;
        self
    }

    pub(super) fn input(&mut self, input: Input) -> &mut Self {
        self.room.handle_input(self.now, input);
        self
    }

    pub(super) fn publisher(&mut self, peer: PeerId, origin: Origin) -> &mut Self {
        self.input(Input::PublisherJoined { peer, origin, session: format!("session-{}", peer.0) })
    }

    pub(super) fn viewer(&mut self, peer: PeerId, rendition: Rendition) -> &mut Self {
        self.input(Input::ViewerJoined { peer, rendition, audio: true, internal: false })
    }

    /// One whole frame in one packet.
    pub(super) fn video(&mut self, peer: PeerId, sequence: u16, timestamp: u32, payload: &'static [u8]) -> &mut Self {
        self.packet(peer, TrackKind::Video, sequence, timestamp, true, payload)
    }

    pub(super) fn audio(&mut self, peer: PeerId, sequence: u16, timestamp: u32) -> &mut Self {
        self.packet(peer, TrackKind::Audio, sequence, timestamp, false, &[0xfc])
    }

    pub(super) fn packet(
        &mut self,
        peer: PeerId,
        kind: TrackKind,
        sequence: u16,
        timestamp: u32,
        marker: bool,
        payload: &'static [u8],
    ) -> &mut Self {
        let packet = MediaPacket { sequence, timestamp, marker, payload: Bytes::from_static(payload) };
        self.input(Input::PublisherPacket { peer, kind, packet })
    }

    pub(super) fn is_live(&self, origin: Origin) -> bool {
        self.room.is_live(origin, self.now)
    }

    pub(super) fn forget(&mut self) {
        while self.room.poll_output().is_some() {}
    }

    /// All outputs since the last call.
    pub(super) fn said(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.room.poll_output()).map(line).collect()
    }

    /// Only what goes to viewers and publishers.
    pub(super) fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.room.poll_output())
            .filter(|output| !matches!(output, Output::Learning(_) | Output::Event(_)))
            .map(line)
            .collect()
    }
}

fn line(output: Output) -> String {
    match output {
        Output::Forward { viewer: PeerId(viewer), kind: TrackKind::Video, packet } => {
            let key = if h264::is_keyframe(&packet.payload) { " key" } else { "" };
            format!("{viewer}: video #{} @{}{key}", packet.sequence, packet.timestamp)
        }
        Output::Forward { viewer: PeerId(viewer), kind: TrackKind::Audio, packet } => {
            format!("{viewer}: audio #{} @{}", packet.sequence, packet.timestamp)
        }
        Output::RequestKeyframe { publisher } => format!("key frame of {}", publisher.0),
        Output::EndSession { publisher } => format!("end of {}", publisher.0),
        Output::SenderReport { viewer, kind, ntp, rtp_timestamp, packets, octets } => {
            let (viewer, seconds) = (viewer.0, ntp as f64 / (1_u64 << 32) as f64);
            format!("{viewer}: {kind:?} report {seconds:.3} s @{rtp_timestamp}, {packets} packets, {octets} bytes")
        }
        Output::Learning(FromRelay::SessionStarted { session }) => format!("learn: {session} started"),
        Output::Learning(FromRelay::SessionEnded { session }) => format!("learn: {session} ended"),
        Output::Learning(FromRelay::AccessUnit { stream_time, captured_at_unix_us, keyframe, data }) => {
            let (key, bytes) = (if keyframe { " key" } else { "" }, data.len());
            format!("learn: frame @{} captured {captured_at_unix_us}{key}, {bytes} bytes", stream_time - (1 << 32))
        }
        Output::Learning(FromRelay::FramesLost) => "learn: frames lost".to_owned(),
        Output::Learning(FromRelay::Hello { session, .. }) => format!("learn: {session} says hello"),
        Output::Learning(FromRelay::Patch { session, stream_time, captured_at_unix_us, patch }) => {
            let time = stream_time - (1 << 32);
            format!("learn: patch {} of {session} @{time} captured {captured_at_unix_us}", patch.sequence)
        }
        Output::Learning(FromRelay::PatchRefused { reason }) => format!("learn: refused, {reason}"),
        Output::Event(StreamEventKind::PublisherConnected { session }) => format!("event: {session} connected"),
        Output::Event(StreamEventKind::PublisherGone { session, reason }) => format!("event: {session} gone, {reason}"),
        Output::Event(event) => format!("event: {event:?}"),
    }
}
