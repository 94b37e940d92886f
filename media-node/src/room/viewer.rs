//! One viewer: which packets it gets, and under which sequence numbers.
//!
//! - Video begins at a key frame, and so does every change of where it comes from.
//! - What begins is later than everything sent before: a viewer's time never goes back.
//! - Sequence numbers go on over changes; packets missing at the source stay missing.

use std::time::Duration;

use rtp::SequenceRewriter;

use super::{MediaPacket, Origin, Output, PeerId, Rendition, TrackKind, clock::TrackClock};

/// Any number would do: each viewer's track has an SSRC of its own.
const FIRST_SEQUENCE: u16 = 1;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A viewer that stopped at a source frame waits this long for an enhanced key frame behind it.
const LONGEST_HOLD: Duration = Duration::from_millis(800);
/// How long a viewer stays with the source when the enhanced rendition failed it; doubled with each failure soon after.
const FIRST_DISTRUST: Duration = Duration::from_secs(2);
const LONGEST_DISTRUST: Duration = Duration::from_secs(120);

/// A packet that is new to the room, on its way to the viewers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    pub(super) origin: Origin,
    pub(super) kind: TrackKind,
    /// Extended, of the publisher's session.
    pub(super) sequence: u64,
    pub(super) stream_time: u64,
    /// A viewer can begin here.
    pub(super) begins: bool,
    pub(super) packet: &'a MediaPacket,
}

/// How the enhanced rendition does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnhancedHealth {
    /// No packets for half a second.
    Dead,
    /// Too far behind the source to change to it without a long stop.
    Lagging,
    Good,
}

/// What becomes of a packet for one viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send {
        sequence: u16,
    },
    Skip,
    /// Not sent: the viewer waits for a key frame of this packet's origin, later than this packet.
    AwaitKeyframe,
}

#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) internal: bool,
    rendition: Rendition,
    video: OutgoingTrack,
    audio: Option<OutgoingTrack>,
    /// Only for `auto`: since when, on its way from source to enhanced, it gets no newer frames of the source.
    held_since: Option<Duration>,
    /// Only for `auto`: until then it stays with the source.
    distrusts_until: Duration,
    distrust: Duration,
}

impl Viewer {
    pub(super) fn new(rendition: Rendition, audio: bool, internal: bool) -> Self {
        Self {
            internal,
            rendition,
            video: OutgoingTrack::new(),
            audio: audio.then(OutgoingTrack::new),
            held_since: None,
            distrusts_until: Duration::ZERO,
            distrust: FIRST_DISTRUST,
        }
    }

    /// Where its video should come from now.
    pub(super) fn wanted(&self, now: Duration, enhanced: EnhancedHealth) -> Origin {
        match self.rendition {
            Rendition::Source => Origin::Source,
            Rendition::Enhanced => Origin::Enhanced,
            Rendition::Auto if enhanced == EnhancedHealth::Dead || now < self.distrusts_until => Origin::Source,
            // What it has it keeps, however late; only to change to it, it must be close.
            Rendition::Auto if self.video.feed == Some(Origin::Source) && enhanced == EnhancedHealth::Lagging => {
                Origin::Source
            }
            Rendition::Auto => Origin::Enhanced,
        }
    }

    /// Where a key frame request of its goes to.
    pub(super) fn video_from(&self, now: Duration, enhanced: EnhancedHealth) -> Origin {
        self.video.feed.unwrap_or_else(|| self.wanted(now, enhanced))
    }

    /// The session it was fed from is over: its sequence numbers mean nothing any more.
    pub(super) fn end_feed(&mut self, origin: Origin) {
        for track in [Some(&mut self.video), self.audio.as_mut()].into_iter().flatten() {
            if track.feed == Some(origin) {
                track.feed = None;
                self.held_since = None;
            }
        }
    }

    pub(super) fn step(&mut self, now: Duration, incoming: &Incoming<'_>, enhanced: EnhancedHealth) -> Step {
        match (incoming.kind, &mut self.audio) {
            (TrackKind::Audio, Some(audio)) if audio.feed == Some(incoming.origin) => audio.send(incoming),
            (TrackKind::Audio, Some(audio)) => audio.begin(incoming),
            (TrackKind::Audio, None) => Step::Skip,
            (TrackKind::Video, _) => self.step_video(now, incoming, enhanced),
        }
    }

    /// Counts what was sent; its sender report when one is due.
    pub(super) fn handle_sent(&mut self, now: Duration, incoming: &Incoming<'_>, clock: &TrackClock) -> Option<Report> {
        let track = match incoming.kind {
            TrackKind::Video => &mut self.video,
            TrackKind::Audio => self.audio.as_mut()?,
        };
        track.packets = track.packets.wrapping_add(1);
        track.octets = track.octets.wrapping_add(incoming.packet.payload.len() as u32);
        if now < track.next_report_at {
            return None;
        }
        let ntp = clock.ntp_at(track.newest)?;
        track.next_report_at = now + REPORT_INTERVAL;
        Some(Report { ntp, rtp_timestamp: track.newest as u32, packets: track.packets, octets: track.octets })
    }

    fn step_video(&mut self, now: Duration, incoming: &Incoming<'_>, enhanced: EnhancedHealth) -> Step {
        let wanted = self.wanted(now, enhanced);
        if let Some(since) = self.held_since
            && (wanted == Origin::Source || now >= since + LONGEST_HOLD)
        {
            return self.give_hold_up(now);
        }
        if self.video.feed == Some(incoming.origin) {
            let newer = incoming.stream_time > self.video.newest;
            if wanted == incoming.origin || incoming.origin == Origin::Enhanced || !newer {
                return self.video.send(incoming);
            }
            self.held_since.get_or_insert(now);
            return Step::Skip;
        }
        if wanted != incoming.origin {
            return Step::Skip;
        }
        if incoming.begins && incoming.stream_time > self.video.newest {
            if self.video.feed == Some(Origin::Enhanced) {
                self.distrust_enhanced(now);
            }
            self.held_since = None;
            return self.video.begin(incoming);
        }
        self.await_keyframe(incoming)
    }

    fn await_keyframe(&self, incoming: &Incoming<'_>) -> Step {
        // From source to enhanced, a key frame is of use only behind the last frame sent, and the enhancer is behind
        // the source: its next frame is late enough once it has done that one.
        let crossing = self.video.feed == Some(Origin::Source);
        let of_use = self.held_since.is_some() && incoming.stream_time >= self.video.newest;
        if crossing && !of_use { Step::Skip } else { Step::AwaitKeyframe }
    }

    /// Frames of the source were left out in vain: it, too, begins again at a key frame.
    fn give_hold_up(&mut self, now: Duration) -> Step {
        self.held_since = None;
        self.video.feed = None;
        self.distrust_enhanced(now);
        Step::Skip
    }

    fn distrust_enhanced(&mut self, now: Duration) {
        if now >= self.distrusts_until + LONGEST_DISTRUST {
            self.distrust = FIRST_DISTRUST;
        }
        self.distrusts_until = now + self.distrust;
        self.distrust = (self.distrust * 2).min(LONGEST_DISTRUST);
    }
}

/// A sender report of one outgoing track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) ntp: u64,
    pub(super) rtp_timestamp: u32,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl Report {
    pub(super) fn to(self, viewer: PeerId, kind: TrackKind) -> Output {
        let Self { ntp, rtp_timestamp, packets, octets } = self;
        Output::SenderReport { viewer, kind, ntp, rtp_timestamp, packets, octets }
    }
}

#[derive(Debug)]
struct OutgoingTrack {
    /// The session of this origin feeds it; `None`: it waits for one to begin.
    feed: Option<Origin>,
    rewriter: SequenceRewriter,
    /// Stream time of the newest packet sent; 0 before the first.
    newest: u64,
    packets: u32,
    octets: u32,
    next_report_at: Duration,
}

impl OutgoingTrack {
    fn new() -> Self {
        Self {
            feed: None,
            rewriter: SequenceRewriter::new(FIRST_SEQUENCE),
            newest: 0,
            packets: 0,
            octets: 0,
            next_report_at: Duration::ZERO,
        }
    }

    fn begin(&mut self, incoming: &Incoming<'_>) -> Step {
        self.feed = Some(incoming.origin);
        self.rewriter.switch(incoming.sequence);
        self.send(incoming)
    }

    /// Sends a packet of the current feed, unless it is from before the feed began.
    fn send(&mut self, incoming: &Incoming<'_>) -> Step {
        let Some(sequence) = self.rewriter.rewrite(incoming.sequence) else { return Step::Skip };
        self.newest = self.newest.max(incoming.stream_time);
        Step::Send { sequence: sequence as u16 }
    }
}
