//! The room of one stream: who publishes, who watches, which packet goes to whom under which number and time.
//!
//! A pure state machine: no socket, no clock, no random generator. Whoever drives it feeds [`Input`]s with the time,
//! then drains [`Room::poll_output`], and calls [`Room::handle_timeout`] at [`Room::poll_timeout`].
//!
//! ```text
//!  source ──▶ Publisher ──▶ Clocks ──────────▶ ┌──────────┐ ──▶ Viewer ──▶ Forward, SenderReport
//!             (new? key     (stream time) │    │ fan_out  │ ──▶ Viewer ──▶ …
//!  enhanced ▶  frame?)  ──▶ FrameTimes ───┼──▶ └──────────┘
//!             Assembler                   └──▶ Learning (frames, patches)
//! ```
//!
//! Invariants:
//! - Every forwarded timestamp is stream time; it is computed once, when a packet comes in, and never rewritten.
//! - No packet goes twice to a viewer, and no sequence number of a viewer's track is used for two packets.
//! - A viewer's video begins, and changes its origin, at a key frame later than everything sent to it before.
//! - NTP times come from the source's sender reports only; before the first of a session there are none.
//! - Of two enhancers the one that came last is shown, from its first key frame on; until then the other one is.
//! - A publisher is asked for a key frame at most once in 500 ms, however many viewers want one.
//! - Memory is bounded by the number of viewers, whatever a publisher sends; the same inputs give the same outputs.

mod clock;
pub mod fuzz;
mod keyframe_requests;
mod learning;
mod messages;
mod publisher;
mod recent;
mod viewer;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use proto::status::{FramesPerSecond, StreamEventKind};
use rtp::h264;

pub use self::messages::{Input, MediaPacket, Origin, Output, PeerId, Rendition, RoomStatistics, TrackKind};
use self::{
    clock::Clocks,
    publisher::{Publisher, Publishers},
    recent::FrameTimes,
    viewer::{EnhancedHealth, Incoming, Step, Viewer},
};
use crate::bridge::FromRelay;

/// Without a packet of it for this long the enhanced rendition is given up by those who need not have it.
const ENHANCED_DEAD: Duration = Duration::from_millis(500);
/// The lag behind the source, in 90 kHz ticks, up to which changing to enhanced costs a short stop only: 300 ms.
const LEAST_LAG_TOO_FAR: u64 = 27_000;

#[derive(Debug)]
pub struct Room {
    publishers: Publishers,
    clocks: Clocks,
    /// Stream times of the source video that enhanced frames may have.
    frame_times: FrameTimes,
    /// How far the newest enhanced packet was behind the source, in 90 kHz ticks.
    enhanced_lag: u64,
    viewers: BTreeMap<PeerId, Viewer>,
    outputs: VecDeque<Output>,
    /// What only counts up; the rest of it is filled in on request.
    counters: RoomStatistics,
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl Room {
    #[must_use]
    pub fn new() -> Self {
        Self {
            publishers: Publishers::default(),
            clocks: Clocks::new(),
            frame_times: FrameTimes::default(),
            enhanced_lag: 0,
            viewers: BTreeMap::new(),
            outputs: VecDeque::new(),
            counters: RoomStatistics::default(),
        }
    }

    pub fn handle_input(&mut self, now: Duration, input: Input) {
        match input {
            Input::WallClock { unix_us } => self.clocks.set_unix_time(now, unix_us),
            Input::PublisherJoined { peer, origin, session } => {
                if origin == Origin::Enhanced && self.is_live(origin, now) {
                    self.publishers.contender = Some(Publisher::new(peer, session));
                } else {
                    self.begin_session(peer, origin, session);
                }
            }
            Input::PublisherLeft { peer, reason } => {
                self.publishers.contender.take_if(|contender| contender.peer == peer);
                if let Some(origin) = self.publishers.origin_of(peer) {
                    self.end_session(origin, reason);
                }
            }
            Input::PublisherPacket { peer, kind, packet } => self.handle_packet(now, peer, kind, packet),
            Input::PublisherSenderReport { peer, kind, ntp, rtp_timestamp } => {
                if self.publishers.origin_of(peer) == Some(Origin::Source) {
                    self.clocks.track_mut(kind).handle_report(ntp, rtp_timestamp);
                }
            }
            Input::PublisherMessage { peer, message } => self.handle_message(peer, *message),
            Input::ViewerJoined { peer, rendition, audio, internal } => {
                let viewer = Viewer::new(rendition, audio, internal);
                let origin = viewer.video_from(now, self.enhanced_health(now));
                self.viewers.insert(peer, viewer);
                self.want_keyframe(now, origin);
            }
            Input::ViewerLeft { peer } => {
                self.viewers.remove(&peer);
            }
            Input::KeyframeRequest { peer } => {
                if let Some(viewer) = self.viewers.get(&peer) {
                    self.want_keyframe(now, viewer.video_from(now, self.enhanced_health(now)));
                }
            }
            Input::PairerKeyframeRequest => self.want_keyframe(now, Origin::Source),
        }
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        for origin in [Origin::Source, Origin::Enhanced] {
            self.ask_keyframe_if_due(now, origin);
            if let Some(publisher) = self.publishers.slot(origin)
                && publisher.announced
                && !publisher.is_live(now)
            {
                publisher.announced = false;
                let event = gone(origin, publisher, "no packet for 2 s".to_owned());
                self.outputs.push_back(Output::Event(event));
            }
        }
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let silent_at = |publisher: &Publisher| publisher.silent_at().filter(|_| publisher.announced);
        self.publishers
            .iter()
            .flat_map(|publisher| [publisher.keyframes.poll_timeout(), silent_at(publisher)])
            .flatten()
            .min()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether an authenticated packet of this origin came within the last 2 s.
    #[must_use]
    pub fn is_live(&self, origin: Origin, now: Duration) -> bool {
        self.publishers.get(origin).is_some_and(|publisher| publisher.is_live(now))
    }

    /// Whether this publisher's session is the one that viewers get.
    #[must_use]
    pub fn shows(&self, publisher: PeerId) -> bool {
        self.publishers.origin_of(publisher).is_some()
    }

    #[must_use]
    pub fn statistics(&self, now: Duration) -> RoomStatistics {
        let frames_per_second =
            |origin| self.publishers.get(origin).map_or(0.0, |publisher| publisher.frames.frames_per_second(now));
        let viewers = self.viewers.values().filter(|viewer| !viewer.internal).count();
        RoomStatistics {
            publishing: self.is_live(Origin::Source, now),
            enhanced_live: self.is_live(Origin::Enhanced, now),
            viewers: u32::try_from(viewers).unwrap_or(u32::MAX),
            frames_per_second: FramesPerSecond {
                source: frames_per_second(Origin::Source),
                enhanced: frames_per_second(Origin::Enhanced),
            },
            ..self.counters
        }
    }

    fn begin_session(&mut self, peer: PeerId, origin: Origin, session: String) {
        self.end_session(origin, "another session took over".to_owned());
        if origin == Origin::Source {
            self.clocks.start_session();
            self.learn(FromRelay::SessionStarted { session: session.clone() });
        }
        *self.publishers.slot(origin) = Some(Publisher::new(peer, session));
    }

    fn end_session(&mut self, origin: Origin, reason: String) {
        let Some(publisher) = self.publishers.slot(origin).take() else { return };
        for viewer in self.viewers.values_mut() {
            viewer.end_feed(origin);
        }
        if publisher.announced {
            self.outputs.push_back(Output::Event(gone(origin, &publisher, reason)));
        }
        if origin == Origin::Source {
            self.learn(FromRelay::SessionEnded { session: publisher.session });
        }
    }

    fn handle_packet(&mut self, now: Duration, peer: PeerId, kind: TrackKind, packet: MediaPacket) {
        if self.publishers.contends(peer) && !self.takes_over(now, kind, &packet) {
            return;
        }
        let Some(origin) = self.publishers.origin_of(peer) else { return };
        let Some(publisher) = self.publishers.slot(origin) else { return };
        self.counters.packets_received += 1;
        publisher.touch(now);
        if !publisher.announced {
            publisher.announced = true;
            self.outputs.push_back(Output::Event(connected(origin, publisher)));
        }
        let Some(sequence) = publisher.arrive(kind, packet.sequence) else {
            self.counters.packets_dropped_duplicate += 1;
            return;
        };
        match (origin, kind) {
            (Origin::Source, TrackKind::Audio) => {
                let stream_time = self.clocks.audio.map(now, packet.timestamp);
                self.fan_out(now, &Incoming { origin, kind, sequence, stream_time, begins: true, packet: &packet });
            }
            (Origin::Source, TrackKind::Video) => {
                let stream_time = self.clocks.video.map(now, packet.timestamp);
                self.frame_times.insert(now, stream_time);
                self.handle_video(now, origin, sequence, stream_time, &packet);
            }
            (Origin::Enhanced, TrackKind::Video) => {
                let newest = self.clocks.video.newest().unwrap_or_default();
                let stream_time = rtp::nearest(newest, packet.timestamp);
                if self.frame_times.contains(now, stream_time) {
                    self.enhanced_lag = newest.saturating_sub(stream_time);
                    self.handle_video(now, origin, sequence, stream_time, &packet);
                } else {
                    self.counters.packets_dropped_foreign_timestamp += 1;
                }
            }
            // Sound never passes through the enhancer.
            (Origin::Enhanced, TrackKind::Audio) => {}
        }
    }

    /// Whether a contender's packet makes it the enhanced publisher: it begins a key frame that viewers may be shown.
    fn takes_over(&mut self, now: Duration, kind: TrackKind, packet: &MediaPacket) -> bool {
        let stream_time = rtp::nearest(self.clocks.video.newest().unwrap_or_default(), packet.timestamp);
        let is_shown = kind == TrackKind::Video && self.frame_times.contains(now, stream_time);
        let Some(contender) = self.publishers.contender.as_mut().filter(|_| is_shown) else { return false };
        if !h264::holds_sps(&packet.payload) {
            contender.keyframes.open();
            contender.keyframes.want();
            if contender.keyframes.take_due(now) {
                self.counters.keyframe_requests += 1;
                self.outputs.push_back(Output::RequestKeyframe { publisher: contender.peer });
            }
            return false;
        }
        let contender = self.publishers.contender.take();
        let before = self.publishers.enhanced.as_ref().map(|enhanced| enhanced.peer);
        self.end_session(Origin::Enhanced, "another enhancer took over".to_owned());
        self.outputs.extend(before.map(|publisher| Output::EndSession { publisher }));
        self.publishers.enhanced = contender;
        true
    }

    fn handle_video(&mut self, now: Duration, origin: Origin, sequence: u64, stream_time: u64, packet: &MediaPacket) {
        let Some(publisher) = self.publishers.slot(origin) else { return };
        let begins = publisher.begins_keyframe(sequence, stream_time, packet);
        publisher.keyframes.open();
        if begins {
            publisher.keyframes.satisfy();
        }
        publisher.assembler.push(sequence as u16, stream_time as u32, packet.marker, &packet.payload);
        self.fan_out(now, &Incoming { origin, kind: TrackKind::Video, sequence, stream_time, begins, packet });
        self.ask_keyframe_if_due(now, origin);
        self.handle_frames(now, origin, stream_time);
    }

    /// Forwards one packet to everyone who is to have it.
    fn fan_out(&mut self, now: Duration, incoming: &Incoming<'_>) {
        let enhanced = self.enhanced_health(now);
        let (kind, packet) = (incoming.kind, incoming.packet);
        let mut keyframe_awaited = false;
        for (&viewer, state) in &mut self.viewers {
            let sequence = match state.step(now, incoming, enhanced) {
                Step::Send { sequence } => sequence,
                Step::Skip => continue,
                Step::AwaitKeyframe => {
                    keyframe_awaited = true;
                    continue;
                }
            };
            let timestamp = incoming.stream_time as u32;
            let packet = MediaPacket { sequence, timestamp, marker: packet.marker, payload: packet.payload.clone() };
            self.outputs.push_back(Output::Forward { viewer, kind, packet });
            self.counters.packets_forwarded += 1;
            // Enhanced frames have the times of the source's, and so the source's clock.
            if let Some(report) = state.handle_sent(now, incoming, self.clocks.track(kind)) {
                self.outputs.push_back(report.to(viewer, kind));
            }
        }
        if keyframe_awaited && let Some(publisher) = self.publishers.slot(incoming.origin) {
            publisher.keyframes.want();
        }
    }

    fn want_keyframe(&mut self, now: Duration, origin: Origin) {
        if let Some(publisher) = self.publishers.slot(origin) {
            publisher.keyframes.want();
            self.ask_keyframe_if_due(now, origin);
        }
    }

    fn ask_keyframe_if_due(&mut self, now: Duration, origin: Origin) {
        if let Some(publisher) = self.publishers.slot(origin)
            && publisher.keyframes.take_due(now)
        {
            self.counters.keyframe_requests += 1;
            self.outputs.push_back(Output::RequestKeyframe { publisher: publisher.peer });
        }
    }

    fn enhanced_health(&self, now: Duration) -> EnhancedHealth {
        match &self.publishers.enhanced {
            Some(enhanced) if enhanced.is_active(now, ENHANCED_DEAD) => {
                if self.enhanced_lag < LEAST_LAG_TOO_FAR {
                    EnhancedHealth::Good
                } else {
                    EnhancedHealth::Lagging
                }
            }
            _ => EnhancedHealth::Dead,
        }
    }
}

fn connected(origin: Origin, publisher: &Publisher) -> StreamEventKind {
    match origin {
        Origin::Source => StreamEventKind::PublisherConnected { session: publisher.session.clone() },
        Origin::Enhanced => StreamEventKind::EnhancerConnected,
    }
}

fn gone(origin: Origin, publisher: &Publisher, reason: String) -> StreamEventKind {
    match origin {
        Origin::Source => StreamEventKind::PublisherGone { session: publisher.session.clone(), reason },
        Origin::Enhanced => StreamEventKind::EnhancerGone,
    }
}

#[cfg(test)]
mod tests;
