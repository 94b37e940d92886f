//! One publisher session as it comes in: what of it is new, where key frames begin, whether it is live.

use std::time::Duration;

use rtp::{Arrival, ArrivalWindow, Assembler, h264};

use super::{MediaPacket, Origin, PeerId, TrackKind, keyframe_requests::KeyframeRequests, recent::FrameRate};

/// A session without an authenticated packet for this long is not live.
const LIVE: Duration = Duration::from_secs(2);
/// A missing packet of a frame is waited for until this many newer ones came: time for two repairs at 2.5 Mbit/s.
const REORDER_PACKETS: usize = 128;

/// At most one session of each origin is shown.
#[derive(Debug, Default)]
pub(super) struct Publishers {
    pub(super) source: Option<Publisher>,
    pub(super) enhanced: Option<Publisher>,
    /// Another enhancer, whose first key frame is waited for.
    pub(super) contender: Option<Publisher>,
}

impl Publishers {
    pub(super) fn slot(&mut self, origin: Origin) -> &mut Option<Publisher> {
        match origin {
            Origin::Source => &mut self.source,
            Origin::Enhanced => &mut self.enhanced,
        }
    }

    pub(super) fn get(&self, origin: Origin) -> Option<&Publisher> {
        match origin {
            Origin::Source => self.source.as_ref(),
            Origin::Enhanced => self.enhanced.as_ref(),
        }
    }

    pub(super) fn origin_of(&self, peer: PeerId) -> Option<Origin> {
        [Origin::Source, Origin::Enhanced]
            .into_iter()
            .find(|&origin| self.get(origin).is_some_and(|publisher| publisher.peer == peer))
    }

    pub(super) fn contends(&self, peer: PeerId) -> bool {
        self.contender.as_ref().is_some_and(|contender| contender.peer == peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Publisher> {
        self.source.iter().chain(&self.enhanced)
    }
}

#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) peer: PeerId,
    pub(super) session: String,
    pub(super) keyframes: KeyframeRequests,
    pub(super) assembler: Assembler,
    pub(super) frames: FrameRate,
    pub(super) said_hello: bool,
    /// The outside was told that it is there, and not yet that it is gone.
    pub(super) announced: bool,
    video: ArrivalWindow,
    audio: ArrivalWindow,
    last_packet_at: Option<Duration>,
    /// Sequence number and stream time of the newest video packet.
    newest_video: Option<(u64, u64)>,
}

impl Publisher {
    pub(super) fn new(peer: PeerId, session: String) -> Self {
        Self {
            peer,
            session,
            keyframes: KeyframeRequests::default(),
            assembler: Assembler::new(REORDER_PACKETS),
            frames: FrameRate::default(),
            said_hello: false,
            announced: false,
            video: ArrivalWindow::default(),
            audio: ArrivalWindow::default(),
            last_packet_at: None,
            newest_video: None,
        }
    }

    /// An authenticated packet came.
    pub(super) fn touch(&mut self, now: Duration) {
        self.last_packet_at = Some(now);
    }

    pub(super) fn is_live(&self, now: Duration) -> bool {
        self.is_active(now, LIVE)
    }

    /// Whether a packet came within the last `window`.
    pub(super) fn is_active(&self, now: Duration, window: Duration) -> bool {
        self.last_packet_at.is_some_and(|at| now.saturating_sub(at) < window)
    }

    /// When it stops being live unless a packet comes.
    pub(super) fn silent_at(&self) -> Option<Duration> {
        self.last_packet_at.map(|at| at + LIVE)
    }

    /// The extended sequence number of a packet that did not come before; `None` for any other.
    pub(super) fn arrive(&mut self, kind: TrackKind, sequence: u16) -> Option<u64> {
        let window = match kind {
            TrackKind::Video => &mut self.video,
            TrackKind::Audio => &mut self.audio,
        };
        match window.arrive(sequence) {
            Arrival::New(sequence) => Some(sequence),
            Arrival::Duplicate | Arrival::TooOld => None,
        }
    }

    /// Whether a viewer can begin with this video packet: it holds parameter sets, or it is an IDR slice known to be
    /// the first packet of its frame. (A later slice of a key frame is no beginning, nor is one whose parameter sets
    /// may have been in a packet before it. And when the beginning comes late, part of the rest has been passed on
    /// already, to others.)
    pub(super) fn begins_keyframe(&mut self, sequence: u64, stream_time: u64, packet: &MediaPacket) -> bool {
        let previous = self.newest_video;
        if previous.is_some_and(|(newest, _)| sequence < newest) {
            return false;
        }
        self.newest_video = Some((sequence, stream_time));
        let first_of_frame = || previous.is_some_and(|(newest, time)| newest + 1 == sequence && time != stream_time);
        h264::holds_sps(&packet.payload) || h264::is_keyframe(&packet.payload) && first_of_frame()
    }
}
