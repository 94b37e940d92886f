//! The loop of the relay's thread: what comes in goes through guard and stack into the room; what the room says goes
//! out through the peers.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use prost::Message;
use proto::{
    status::{StreamEvent, UplinkKbps},
    v1::{PatchChannelMessage, PatchControl, patch_channel_message::Kind},
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{
    Command, JoinError, RelayMetrics, RelaySnapshot,
    sessions::{NewSession, Session, SessionKind, Sessions},
    socket::AsyncSocket,
};
use crate::{
    bridge::{FromRelay, ToRelay},
    guard::{AnonymousRequest, Datagram, MAX_ANONYMOUS_REQUESTS_PER_SECOND, Rate, Refusal},
    peer::{DatagramSink, PeerEvent, TrackReport, UplinkBytes},
    room::{Input, Origin, Output, PeerId, Rendition, Room},
};

/// Datagrams taken from the socket before timers, commands and the room get their turn.
const BATCH: usize = 64;
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Driver {
    socket: AsyncSocket,
    sessions: Sessions,
    room: Room,
    /// The room's zero.
    started: Instant,
    max_viewers: u32,
    /// Answers to requests without a name.
    anonymous: Rate,
    metrics: RelayMetrics,
    from_relay: mpsc::Sender<FromRelay>,
    snapshots: watch::Sender<RelaySnapshot>,
    events: broadcast::Sender<StreamEvent>,
    /// Peers to be polled.
    dirty: Vec<PeerId>,
    /// Viewers with forwarded packets that have not left yet.
    unsent: Vec<PeerId>,
    peer_events: Vec<PeerEvent>,
    /// No peer's timer ends earlier.
    next_timer: Instant,
    next_snapshot: Instant,
    snapshot: RelaySnapshot,
    uplink: UplinkBytes,
    /// To be told when no session is left.
    empty: Option<oneshot::Sender<()>>,
}

impl Driver {
    pub(super) fn new(
        socket: AsyncSocket,
        max_viewers: u32,
        metrics: RelayMetrics,
        from_relay: mpsc::Sender<FromRelay>,
        snapshots: watch::Sender<RelaySnapshot>,
        events: broadcast::Sender<StreamEvent>,
    ) -> Self {
        let now = Instant::now();
        Self {
            socket,
            sessions: Sessions::default(),
            room: Room::new(),
            started: now,
            max_viewers,
            anonymous: Rate::new(MAX_ANONYMOUS_REQUESTS_PER_SECOND),
            metrics,
            from_relay,
            snapshots,
            events,
            dirty: Vec::new(),
            unsent: Vec::new(),
            peer_events: Vec::new(),
            next_timer: now,
            next_snapshot: now + SNAPSHOT_INTERVAL,
            snapshot: RelaySnapshot::default(),
            uplink: UplinkBytes::default(),
            empty: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut to_relay: mpsc::Receiver<ToRelay>,
        shutdown: telemetry::Shutdown,
    ) {
        self.room.handle_input(self.started.elapsed(), Input::WallClock { unix_us: unix_us() });
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                () = shutdown.requested() => break,
                Some(command) = commands.recv() => self.handle_command(command),
                Some(message) = to_relay.recv() => self.handle_learning(message),
                Ok(()) = self.socket.readable() => self.receive(),
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
            self.turn();
        }
        self.close_all();
    }

    fn deadline(&self) -> Instant {
        let room = self.room.poll_timeout().map(|at| self.started + at);
        [room, Some(self.next_snapshot)].into_iter().flatten().fold(self.next_timer, Instant::min)
    }

    fn receive(&mut self) {
        for _ in 0..BATCH {
            let Some((from, datagram)) = self.socket.try_receive() else { return };
            self.metrics.count_received();
            let now = Instant::now();
            let Some(id) = self.sessions.find_for(from, datagram) else {
                let request = AnonymousRequest::parse(datagram);
                self.answer_stranger(now, from, request);
                continue;
            };
            let Some(session) = self.sessions.get_mut(id) else { continue };
            let result = session.peer.handle_datagram(now, from, datagram);
            Self::mark(&mut self.dirty, id, session);
            match result {
                Ok(Datagram::BindingRequest { .. }) => self.sessions.know_address(id, from),
                Ok(_) => {}
                Err(refusal) => self.metrics.count_refused(refusal),
            }
        }
    }

    /// Who nobody knows learns at most its own address.
    fn answer_stranger(&mut self, now: Instant, from: SocketAddr, request: Option<AnonymousRequest>) {
        match request {
            None => self.metrics.count_refused(Refusal::UnknownPeer),
            Some(_) if !self.anonymous.admits(now) => self.metrics.count_refused(Refusal::TooMany),
            Some(request) => {
                self.socket.sender.send(from, &request.response(from));
                self.metrics.count_stranger_answered();
            }
        }
    }

    fn mark(dirty: &mut Vec<PeerId>, id: PeerId, session: &mut Session) {
        if !std::mem::replace(&mut session.dirty, true) {
            dirty.push(id);
        }
    }

    /// Timers, then peers and room in turn until neither has more to say.
    fn turn(&mut self) {
        let now = Instant::now();
        if now >= self.next_timer {
            self.handle_timers(now);
        }
        if self.room.poll_timeout().is_some_and(|at| self.started + at <= now) {
            self.room.handle_timeout(now - self.started);
        }
        self.settle(now);
        if self.sessions.len() == 0
            && let Some(empty) = self.empty.take()
        {
            // Nobody waits for it any more: the time was over.
            let _ = empty.send(());
        }
        if now >= self.next_snapshot {
            self.publish_snapshot(now);
        }
    }

    fn handle_timers(&mut self, now: Instant) {
        for (id, session) in self.sessions.iter_mut() {
            if session.peer.next_timeout() <= now {
                session.peer.handle_timeout(now);
                Self::mark(&mut self.dirty, id, session);
            }
        }
        self.poll_peers(now);
        let timers = self.sessions.iter_mut().map(|(_, session)| session.peer.next_timeout());
        self.next_timer = timers.min().unwrap_or(now + SNAPSHOT_INTERVAL);
    }

    fn settle(&mut self, now: Instant) {
        loop {
            self.poll_peers(now);
            while let Some(output) = self.room.poll_output() {
                self.handle_output(now, output);
            }
            self.send_forwarded();
            if self.dirty.is_empty() {
                return;
            }
        }
    }

    fn poll_peers(&mut self, now: Instant) {
        let mut events = std::mem::take(&mut self.peer_events);
        while let Some(id) = self.dirty.pop() {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            session.dirty = false;
            session.peer.poll(now, &mut self.socket.sender, &mut events);
            self.next_timer = self.next_timer.min(session.peer.next_timeout());
            for event in events.drain(..) {
                self.handle_peer_event(now, id, event);
            }
        }
        self.peer_events = events;
    }

    /// One viewer after the other, each with all its packets of this turn: the common case, much cheaper than polling.
    fn send_forwarded(&mut self) {
        for id in self.unsent.drain(..) {
            if let Some(session) = self.sessions.get_mut(id) {
                session.unsent = false;
                session.peer.send_forwarded(&mut self.socket.sender);
            }
        }
    }

    fn handle_peer_event(&mut self, now: Instant, peer: PeerId, event: PeerEvent) {
        let input = match event {
            PeerEvent::Packet { kind, packet } => Input::PublisherPacket { peer, kind, packet },
            PeerEvent::SenderReport { kind, ntp, rtp_timestamp } => {
                Input::PublisherSenderReport { peer, kind, ntp, rtp_timestamp }
            }
            PeerEvent::KeyframeRequest => Input::KeyframeRequest { peer },
            PeerEvent::Message(bytes) => match PatchChannelMessage::decode(bytes) {
                Ok(message) => Input::PublisherMessage { peer, message: Box::new(message) },
                Err(_) => return self.tell_learning(FromRelay::PatchRefused { reason: "malformed" }),
            },
            PeerEvent::Connected => match self.sessions.get_mut(peer) {
                Some(session) => match session.kind {
                    SessionKind::Viewer { rendition, internal } => {
                        let audio = session.peer.takes_audio();
                        Input::ViewerJoined { peer, rendition, audio, internal }
                    }
                    SessionKind::Publisher { .. } => return,
                },
                None => return,
            },
            PeerEvent::Gone(reason) => return self.remove(now, peer, reason),
        };
        self.room.handle_input(now - self.started, input);
    }

    fn handle_output(&mut self, now: Instant, output: Output) {
        match output {
            Output::Forward { viewer, kind, packet } => {
                let Some(session) = self.sessions.get_mut(viewer) else { return };
                if !session.peer.forward(now, kind, packet) {
                    self.metrics.count_packet_dropped("not_taken");
                } else if !std::mem::replace(&mut session.unsent, true) {
                    self.unsent.push(viewer);
                }
            }
            Output::SenderReport { viewer, kind, ntp, rtp_timestamp, packets, octets } => {
                let Some(session) = self.sessions.get_mut(viewer) else { return };
                session.peer.send_report(now, kind, TrackReport { ntp, rtp_timestamp, packets, octets });
                Self::mark(&mut self.dirty, viewer, session);
            }
            Output::RequestKeyframe { publisher } => {
                let Some(session) = self.sessions.get_mut(publisher) else { return };
                session.peer.request_keyframe(now);
                Self::mark(&mut self.dirty, publisher, session);
            }
            Output::EndSession { publisher } => self.remove(now, publisher, "another session took its place"),
            Output::Learning(message) => self.tell_learning(message),
            Output::Event(kind) => {
                tracing::info!(event = ?kind, "stream");
                // Nobody has to listen.
                let _ = self.events.send(StreamEvent { at_unix_us: unix_us(), kind });
            }
        }
    }

    fn tell_learning(&mut self, message: FromRelay) {
        if self.from_relay.try_send(message).is_err() {
            self.metrics.count_learning_message_dropped();
        }
    }

    fn handle_learning(&mut self, message: ToRelay) {
        let now = Instant::now();
        match message {
            ToRelay::PatchControl(control) => self.send_control(now, control),
            ToRelay::KeyframeWanted => self.room.handle_input(now - self.started, Input::PairerKeyframeRequest),
        }
    }

    fn send_control(&mut self, now: Instant, control: PatchControl) {
        let Some((id, _)) = self.sessions.publisher(Origin::Source) else { return };
        self.send_message(now, id, &PatchChannelMessage { kind: Some(Kind::Control(control)) }.encode_to_vec());
    }

    /// False when the publisher has no channel for it, or that is full.
    fn send_message(&mut self, now: Instant, publisher: PeerId, message: &[u8]) -> bool {
        let Some(session) = self.sessions.get_mut(publisher) else { return false };
        let sent = session.peer.send_message(now, message);
        if sent {
            Self::mark(&mut self.dirty, publisher, session);
        }
        sent
    }

    /// A publisher that hears nothing loses least when its session ends now.
    fn send_away(&mut self, now: Instant, moved: &[u8]) {
        if let Some((id, _)) = self.sessions.publisher(Origin::Source)
            && !self.send_message(now, id, moved)
        {
            self.remove(now, id, "the stream moves");
        }
    }

    fn handle_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Join { session, reply } => {
                // A client that went away meanwhile would leave a session behind until it times out; that is all.
                let _ = reply.send(self.join(now, *session));
            }
            Command::Find { session, resource, reply } => {
                let found = self.sessions.find_by_name(&session, resource);
                let _ = reply.send(found.and_then(|id| self.sessions.etag(id)));
            }
            Command::End { session, resource, reply } => {
                let found = self.sessions.find_by_name(&session, resource);
                if let Some(id) = found {
                    self.remove(now, id, "the client ended the session");
                }
                let _ = reply.send(found.is_some());
            }
            Command::IsIdle { reply } => {
                let idle = self.sessions.publisher(Origin::Source).is_none() && self.sessions.public_viewers() == 0;
                let _ = reply.send(idle);
            }
            Command::SendAway { moved, empty } => {
                self.send_away(now, &moved);
                self.empty = Some(empty);
            }
        }
    }

    fn join(&mut self, now: Instant, session: NewSession) -> Result<(), JoinError> {
        let is_live = |origin| self.room.is_live(origin, now - self.started);
        match session.kind().clone() {
            SessionKind::Publisher { origin, client } => {
                let name = session.name().to_owned();
                let live = is_live(origin);
                for (old, known) in self.sessions.publishers(origin) {
                    let goes = !live || client.is_some() && known == client;
                    if !goes && origin == Origin::Source {
                        return Err(JoinError::PublisherLive);
                    }
                    // A live enhancer is shown until the next one has a picture.
                    if goes || !self.room.shows(old) {
                        self.remove(now, old, "another session took its place");
                    }
                }
                let peer = self.sessions.insert(session);
                self.dirty.push(peer);
                self.room.handle_input(now - self.started, Input::PublisherJoined { peer, origin, session: name });
            }
            SessionKind::Viewer { rendition, internal } => {
                let shown = match rendition {
                    Rendition::Source => is_live(Origin::Source),
                    Rendition::Enhanced => is_live(Origin::Enhanced),
                    Rendition::Auto => is_live(Origin::Source) || is_live(Origin::Enhanced),
                };
                if !shown {
                    return Err(JoinError::NothingToShow);
                }
                if !internal && self.sessions.public_viewers() >= self.max_viewers as usize {
                    return Err(JoinError::TooManyViewers);
                }
                let peer = self.sessions.insert(session);
                self.dirty.push(peer);
            }
        }
        Ok(())
    }

    fn remove(&mut self, now: Instant, peer: PeerId, reason: &'static str) {
        let Some(mut session) = self.sessions.remove(peer) else { return };
        session.peer.close(now, &mut self.socket.sender);
        let input = match session.kind {
            SessionKind::Publisher { .. } => Input::PublisherLeft { peer, reason: reason.to_owned() },
            SessionKind::Viewer { .. } => Input::ViewerLeft { peer },
        };
        tracing::debug!(?peer, reason, "peer gone");
        self.room.handle_input(now - self.started, input);
    }

    fn publish_snapshot(&mut self, now: Instant) {
        self.room.handle_input(now - self.started, Input::WallClock { unix_us: unix_us() });
        let seconds = (now - self.next_snapshot + SNAPSHOT_INTERVAL).as_secs_f64();
        self.next_snapshot = now + SNAPSHOT_INTERVAL;
        let uplink =
            self.sessions.publisher(Origin::Source).map(|(_, session)| session.peer.uplink()).unwrap_or_default();
        let before = std::mem::replace(&mut self.uplink, uplink);
        let kbps = |now: u64, before: u64| {
            // A new session counts from zero.
            let bytes = if now >= before { now - before } else { now };
            #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
            let bits = (bytes * 8) as f64;
            bits / seconds / 1000.0
        };
        let snapshot = RelaySnapshot {
            room: self.room.statistics(now - self.started),
            uplink: UplinkKbps {
                video: kbps(uplink.video, before.video),
                audio: kbps(uplink.audio, before.audio),
                patches: kbps(uplink.patches, before.patches),
                other: kbps(uplink.other, before.other),
            },
        };
        self.metrics.follow(&self.snapshot.room, &snapshot.room, self.sessions.len());
        self.metrics.count_unsent(self.socket.sender.take_dropped());
        self.snapshot = snapshot;
        self.snapshots.send_replace(snapshot);
    }

    fn close_all(&mut self) {
        let now = Instant::now();
        for id in self.sessions.ids() {
            self.remove(now, id, "the relay is ending");
        }
    }
}

fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
