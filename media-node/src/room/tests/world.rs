//! A room among a camera behind a lossy uplink, an enhancer and viewers, a millisecond at a time. Every output is
//! checked as it comes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    link::{Link, Weather},
    peers::{Camera, Enhancer, Tag, ntp_of_frame},
    watcher::Watcher,
};
use crate::{
    bridge::FromRelay,
    room::{Input, MediaPacket, Origin, Output, PeerId, Rendition, Room, TrackKind},
};

const MILLISECOND: Duration = Duration::from_millis(1);
/// From the enhancer's last packet of a frame to the room.
const ENHANCED_LAG: Duration = Duration::from_millis(45);

pub(super) struct World {
    pub(super) room: Room,
    pub(super) now: Duration,
    pub(super) uplink: Link<(PeerId, TrackKind, MediaPacket)>,
    pub(super) watchers: BTreeMap<PeerId, Watcher>,
    camera: Option<Camera>,
    enhancer: Option<Enhancer>,
    from_enhancer: Link<(PeerId, MediaPacket)>,
    peers: u64,
    /// Video packets of the camera's current session that came to the room.
    arrived: BTreeSet<u32>,
    asked_at: BTreeMap<PeerId, Duration>,
    /// Stream time of each camera's frame 0, low 32 bits, as first seen by any viewer.
    stream_time_by_camera: BTreeMap<PeerId, u32>,
    newest_timestamp: Option<u32>,
    newest_frame_learnt: u64,
}

impl World {
    pub(super) fn new(weather: Weather, seed: u64) -> Self {
        Self {
            room: Room::new(),
            now: Duration::ZERO,
            uplink: Link::new(weather, seed),
            watchers: BTreeMap::new(),
            camera: None,
            enhancer: None,
            from_enhancer: Link::new(Weather::calm(ENHANCED_LAG), seed),
            peers: 0,
            arrived: BTreeSet::new(),
            asked_at: BTreeMap::new(),
            stream_time_by_camera: BTreeMap::new(),
            newest_timestamp: None,
            newest_frame_learnt: 0,
        }
    }

    pub(super) fn start_camera(&mut self) {
        let peer = self.next_peer();
        self.camera = Some(Camera::new(peer, self.now));
        self.arrived.clear();
        self.input(Input::PublisherJoined { peer, origin: Origin::Source, session: peer.0.to_string() });
    }

    pub(super) fn stop_camera(&mut self) {
        if let Some(camera) = self.camera.take() {
            self.input(Input::PublisherLeft { peer: camera.peer, reason: String::new() });
        }
    }

    pub(super) fn start_enhancer(&mut self) {
        self.stop_enhancer();
        let (viewer, publisher) = (self.next_peer(), self.next_peer());
        self.enhancer = Some(Enhancer::new(viewer, publisher));
        self.input(Input::ViewerJoined { peer: viewer, rendition: Rendition::Source, audio: false, internal: true });
        self.input(Input::PublisherJoined { peer: publisher, origin: Origin::Enhanced, session: String::new() });
    }

    pub(super) fn stop_enhancer(&mut self) {
        if let Some(enhancer) = self.enhancer.take() {
            self.input(Input::ViewerLeft { peer: enhancer.viewer });
            self.input(Input::PublisherLeft { peer: enhancer.publisher, reason: String::new() });
        }
    }

    /// The enhancer is as good as dead, and nobody was told.
    pub(super) fn hang_enhancer(&mut self) {
        self.enhancer = None;
    }

    pub(super) fn join(&mut self, rendition: Rendition) -> PeerId {
        let peer = self.next_peer();
        self.watchers.insert(peer, Watcher::new(rendition));
        self.input(Input::ViewerJoined { peer, rendition, audio: true, internal: false });
        peer
    }

    pub(super) fn leave(&mut self, peer: PeerId) {
        self.watchers.remove(&peer);
        self.input(Input::ViewerLeft { peer });
    }

    pub(super) fn input(&mut self, input: Input) {
        self.room.handle_input(self.now, input);
        self.drain();
    }

    pub(super) fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.now += MILLISECOND;
            if self.room.poll_timeout().is_some_and(|at| at <= self.now) {
                self.room.handle_timeout(self.now);
                assert!(self.room.poll_timeout().is_none_or(|at| at > self.now), "a timeout again and again");
                self.drain();
            }
            self.run_camera();
            while let Some((peer, kind, packet)) = self.uplink.receive(self.now) {
                if kind == TrackKind::Video && self.camera.as_ref().is_some_and(|camera| camera.peer == peer) {
                    self.arrived.insert(Tag::parse(&packet.payload).number);
                }
                self.input(Input::PublisherPacket { peer, kind, packet });
            }
            while let Some((peer, packet)) = self.from_enhancer.receive(self.now) {
                self.input(Input::PublisherPacket { peer, kind: TrackKind::Video, packet });
            }
        }
    }

    /// Everybody gets pictures, and whoever watches the source has all of it that came.
    pub(super) fn check_that_all_are_served(&self) {
        let camera = self.camera.as_ref().map(|camera| camera.peer);
        let enhancer = self.enhancer.as_ref().map(|enhancer| enhancer.publisher);
        let newest = self.newest_timestamp.unwrap_or_default();
        for (peer, watcher) in &self.watchers {
            let publisher = watcher.video.publisher();
            let expected = match watcher.rendition {
                Rendition::Source => publisher == camera,
                Rendition::Enhanced => publisher == enhancer,
                Rendition::Auto => [camera, enhancer].contains(&publisher),
            };
            assert!(expected, "{peer:?} watches {publisher:?}: {:?}", watcher.rendition);
            let behind = newest.wrapping_sub(watcher.video.newest_timestamp.unwrap());
            assert!(behind < 45_000, "{peer:?} is {behind} ticks behind: {:?}", watcher.rendition);
            if watcher.rendition == Rendition::Source {
                let numbers: BTreeSet<u32> = watcher.video.numbers.iter().copied().collect();
                let expected: BTreeSet<u32> = self.arrived.range(watcher.video.numbers[0]..).copied().collect();
                let missing: Vec<&u32> = expected.difference(&numbers).collect();
                assert!(missing.is_empty(), "{peer:?} did not get {missing:?}");
            }
        }
    }

    fn next_peer(&mut self) -> PeerId {
        self.peers += 1;
        PeerId(self.peers)
    }

    fn run_camera(&mut self) {
        let Some(camera) = &mut self.camera else { return };
        let peer = camera.peer;
        for (kind, packet) in camera.shoot(self.now) {
            self.uplink.send(self.now, (peer, kind, packet));
        }
        let (ntp, rtp_timestamp) = camera.report();
        if self.now.subsec_millis() == 500 {
            self.input(Input::PublisherSenderReport { peer, kind: TrackKind::Video, ntp, rtp_timestamp });
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Forward { viewer, kind, packet } => self.deliver(viewer, kind, &packet),
                Output::RequestKeyframe { publisher } => self.ask_keyframe(publisher),
                Output::SenderReport { viewer, kind: TrackKind::Video, ntp, rtp_timestamp, packets, octets } => {
                    self.check_report(viewer, ntp, rtp_timestamp, packets, octets);
                }
                Output::Learning(FromRelay::AccessUnit { stream_time, .. }) => {
                    assert!(stream_time > self.newest_frame_learnt, "frames are told in order");
                    self.newest_frame_learnt = stream_time;
                }
                // An enhancer that began again has taken the place of its earlier life, which is gone.
                Output::EndSession { .. } | Output::SenderReport { .. } | Output::Learning(_) | Output::Event(_) => {}
            }
        }
    }

    fn deliver(&mut self, viewer: PeerId, kind: TrackKind, packet: &MediaPacket) {
        if kind == TrackKind::Video {
            self.check_time(packet);
        }
        if let Some(watcher) = self.watchers.get_mut(&viewer) {
            watcher.watch(kind, packet);
        } else if let Some(enhancer) = self.enhancer.as_mut().filter(|enhancer| enhancer.viewer == viewer) {
            for enhanced in enhancer.enhance(packet) {
                self.from_enhancer.send(self.now, (enhancer.publisher, enhanced));
            }
        }
    }

    /// A frame has one time for all viewers and both renditions, and a session's frames keep their distances.
    fn check_time(&mut self, packet: &MediaPacket) {
        let tag = Tag::parse(&packet.payload);
        let frame_0 = packet.timestamp.wrapping_sub(tag.frame * 3_000);
        let known = *self.stream_time_by_camera.entry(tag.camera).or_insert(frame_0);
        assert_eq!(frame_0, known, "a timestamp that is not stream time: {tag:?}");
        if self.newest_timestamp.is_none_or(|newest| packet.timestamp.wrapping_sub(newest).cast_signed() > 0) {
            self.newest_timestamp = Some(packet.timestamp);
        }
    }

    fn ask_keyframe(&mut self, publisher: PeerId) {
        let asked_at = self.asked_at.insert(publisher, self.now);
        let apart = asked_at.map(|asked_at| self.now - asked_at);
        assert!(apart.is_none_or(|apart| apart >= Duration::from_millis(500)), "asked again after {apart:?}");
        if let Some(camera) = self.camera.as_mut().filter(|camera| camera.peer == publisher) {
            camera.ask_keyframe(self.now);
        } else if let Some(enhancer) = self.enhancer.as_mut().filter(|enhancer| enhancer.publisher == publisher) {
            enhancer.ask_keyframe();
        }
    }

    fn check_report(&mut self, viewer: PeerId, ntp: u64, rtp_timestamp: u32, packets: u32, octets: u32) {
        let (&camera, frame_0) = self.stream_time_by_camera.last_key_value().expect("a report follows a packet");
        let frame = rtp_timestamp.wrapping_sub(*frame_0) / 3_000;
        assert_eq!(ntp, ntp_of_frame(camera, frame), "frame {frame} has another time");
        if let Some(Watcher { video, .. }) = self.watchers.get(&viewer) {
            assert_eq!((packets, octets), (video.packets, video.octets));
        }
    }
}
