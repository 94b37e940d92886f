//! One session's connection: the WebRTC stack behind its guard. Sans-IO like the stack; whoever drives it hands over
//! datagrams and time, then [polls](Peer::poll).

mod egress;
mod engine;
mod feedback;
mod ingress;
mod negotiation;
mod offer;

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use rtc::{
    peer_connection::{
        RTCPeerConnection,
        event::{RTCDataChannelEvent, RTCPeerConnectionEvent, RTCTrackEvent},
        message::RTCMessage,
        state::{RTCIceConnectionState, RTCPeerConnectionState},
        transport::RTCDtlsTransportState,
    },
    sansio::Protocol,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
};

use egress::Egress;
pub(crate) use egress::TrackReport;
use ingress::Ingress;
pub(crate) use ingress::UplinkBytes;
pub(crate) use negotiation::{Negotiated, Side, negotiate};
pub(crate) use offer::MAX_OFFER_BYTES;
pub(crate) use offer::OfferError;

use crate::{
    guard::{Datagram, Guard, Refusal},
    room::{MediaPacket, TrackKind},
};

/// From the answer to a connection, at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Nothing authentic for so long withdraws a peer's consent to be sent to (RFC 7675).
const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);
/// An address from which nothing came for so long gives way to another one, also when that is not nominated.
const ADDRESS_SILENCE: Duration = Duration::from_secs(1);
/// The stack sometimes wants to be called again at once; it need not be.
const MIN_TIMER: Duration = Duration::from_millis(1);
const IDLE_TIMER: Duration = Duration::from_secs(1);

/// Where datagrams go. A datagram that cannot be sent now is lost: nobody waits for a slow peer.
pub(crate) trait DatagramSink {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]);
}

#[derive(Debug)]
pub(crate) enum PeerEvent {
    Connected,
    /// Connection lost, never made, or closed by the peer: nothing more comes.
    Gone(&'static str),
    Packet {
        kind: TrackKind,
        packet: MediaPacket,
    },
    SenderReport {
        kind: TrackKind,
        ntp: u64,
        rtp_timestamp: u32,
    },
    KeyframeRequest,
    Message(Bytes),
}

/// The stack panicked: what it holds is not to be relied on any more.
#[derive(Debug)]
pub(crate) struct Panicked;

enum Role {
    Publisher(Ingress),
    Viewer(Egress),
}

pub(crate) struct Peer {
    connection: RTCPeerConnection,
    guard: Guard,
    role: Role,
    /// Our candidates; the stack knows its own end by them.
    candidates: Vec<SocketAddr>,
    /// Where to send: the last address that proved to be the peer's, and when something last came from there.
    address: Option<(SocketAddr, Instant)>,
    created_at: Instant,
    alive_at: Instant,
    next_timeout: Instant,
    connected: bool,
    heard_dtls: bool,
    /// Why the peer is gone, if it is.
    gone: Option<&'static str>,
}

impl Peer {
    fn new(connection: RTCPeerConnection, guard: Guard, role: Role, candidates: Vec<SocketAddr>, now: Instant) -> Self {
        Self {
            connection,
            guard,
            role,
            candidates,
            address: None,
            created_at: now,
            alive_at: now,
            next_timeout: now,
            connected: false,
            heard_dtls: false,
            gone: None,
        }
    }

    /// Whether what comes from `from` can be this peer's from now on, without a user name.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<Datagram, Refusal> {
        let kind = self.guard.check(now, from, datagram)?;
        let local_addr = self.candidates.iter().find(|candidate| candidate.is_ipv4() == from.is_ipv4());
        let local_addr = *local_addr.ok_or(Refusal::UnknownPeer)?;
        if let Datagram::BindingRequest { nominates } = kind {
            self.alive_at = now;
            self.follow(now, from, nominates);
        } else if let Some((address, heard)) = &mut self.address
            && *address == from
        {
            *heard = now;
        }
        if let Role::Publisher(ingress) = &mut self.role {
            ingress.count(kind, datagram);
        }
        self.heard_dtls |= kind == Datagram::Dtls;
        let transport =
            TransportContext { local_addr, peer_addr: from, ecn: None, transport_protocol: TransportProtocol::UDP };
        let tagged = TaggedBytesMut { now, transport, message: BytesMut::from(datagram) };
        match self.catch(|peer| peer.connection.handle_read(tagged)) {
            Ok(Ok(())) => Ok(kind),
            Ok(Err(_)) => Err(Refusal::Stack),
            Err(Panicked) => Err(Refusal::Panic),
        }
    }

    /// The stack would stay with the first address for ever.
    fn follow(&mut self, now: Instant, from: SocketAddr, nominates: bool) {
        let moves = match self.address {
            None => true,
            Some((address, heard)) => {
                address == from || nominates || now.saturating_duration_since(heard) > ADDRESS_SILENCE
            }
        };
        if moves {
            self.address = Some((from, now));
        }
    }

    pub(crate) fn next_timeout(&self) -> Instant {
        self.next_timeout
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.connected && now.saturating_duration_since(self.created_at) > CONNECT_TIMEOUT {
            self.gone.get_or_insert("no connection was made");
        } else if now.saturating_duration_since(self.alive_at) > CONSENT_TIMEOUT {
            self.gone.get_or_insert("nothing came for 30 s");
        }
        // A failed timer is the stack's own business; the limits above end a peer that is broken for good.
        let _ = self.catch(|peer| peer.connection.handle_timeout(now));
    }

    /// Sends what is to be sent and collects what happened. To be called after anything else was.
    pub(crate) fn poll(&mut self, now: Instant, sink: &mut dyn DatagramSink, events: &mut Vec<PeerEvent>) {
        if self.catch(|peer| peer.poll_stack(now, sink, events)).is_err() {
            self.gone.get_or_insert("the stack panicked");
        }
        if let Some(reason) = self.gone {
            events.push(PeerEvent::Gone(reason));
        }
    }

    fn poll_stack(&mut self, now: Instant, sink: &mut dyn DatagramSink, events: &mut Vec<PeerEvent>) {
        self.send_all(sink);
        let mut begins_handshake = false;
        while let Some(event) = self.connection.poll_event() {
            begins_handshake |= matches!(
                event,
                RTCPeerConnectionEvent::OnIceConnectionStateChangeEvent(RTCIceConnectionState::Connected)
            );
            self.handle_event(now, event, events);
        }
        if begins_handshake {
            // The first flight waits for a timer otherwise; the answer to the peer's check must leave before it.
            self.send_all(sink);
            let _ = self.connection.handle_timeout(now);
        }
        while let Some(message) = self.connection.poll_read() {
            self.handle_message(now, message.message, events);
        }
        if std::mem::take(&mut self.heard_dtls) && self.is_closed_by_peer() {
            self.gone.get_or_insert("the peer closed the connection");
        }
        self.send_all(sink);
        let timeout = self.connection.poll_timeout().unwrap_or(now + IDLE_TIMER);
        self.next_timeout = timeout.clamp(now + MIN_TIMER, now + IDLE_TIMER);
    }

    /// The stack has no event for it.
    fn is_closed_by_peer(&mut self) -> bool {
        let (receiver, sender) = (self.connection.get_receivers().next(), self.connection.get_senders().next());
        let state = match (receiver, sender) {
            (Some(id), _) => self.connection.rtp_receiver(id).and_then(|receiver| Some(receiver.transport()?.state())),
            (_, Some(id)) => self.connection.rtp_sender(id).and_then(|sender| Some(sender.transport()?.state())),
            (None, None) => None,
        };
        state == Some(RTCDtlsTransportState::Closed)
    }

    fn send_all(&mut self, sink: &mut dyn DatagramSink) {
        while let Some(out) = self.connection.poll_write() {
            let is_stun = out.message.first().is_some_and(|first| *first < 4);
            let address =
                if is_stun { Some(out.transport.peer_addr) } else { self.address.map(|(address, _)| address) };
            if let Some(address) = address {
                sink.send(address, &out.message);
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: RTCPeerConnectionEvent, events: &mut Vec<PeerEvent>) {
        match event {
            RTCPeerConnectionEvent::OnConnectionStateChangeEvent(RTCPeerConnectionState::Connected) => {
                self.guard.handle_handshake_complete(now);
                if !std::mem::replace(&mut self.connected, true) {
                    events.push(PeerEvent::Connected);
                }
            }
            RTCPeerConnectionEvent::OnConnectionStateChangeEvent(
                RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed,
            ) => {
                self.gone.get_or_insert("the connection was closed");
            }
            RTCPeerConnectionEvent::OnTrack(RTCTrackEvent::OnOpen(opened)) => {
                if let Role::Publisher(ingress) = &mut self.role {
                    ingress.open_track(&mut self.connection, &opened);
                }
            }
            RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(channel)) => {
                if let Role::Publisher(ingress) = &mut self.role {
                    ingress.open_channel(&mut self.connection, channel);
                }
            }
            _ => {}
        }
    }

    fn handle_message(&mut self, now: Instant, message: RTCMessage, events: &mut Vec<PeerEvent>) {
        self.alive_at = now;
        match (&mut self.role, message) {
            (Role::Publisher(ingress), RTCMessage::RtpPacket(track, packet)) => {
                events.extend(ingress.packet(&track, packet));
            }
            (Role::Publisher(ingress), RTCMessage::RtcpPacket(_, packets)) => {
                events.extend(ingress.sender_reports(&packets));
            }
            (Role::Publisher(ingress), RTCMessage::DataChannelMessage(channel, message)) => {
                events.extend(ingress.message(channel, message.data));
            }
            (Role::Viewer(_), RTCMessage::RtcpPacket(_, packets))
                if packets.iter().any(|packet| feedback::is_keyframe_request(packet.as_ref())) =>
            {
                events.push(PeerEvent::KeyframeRequest);
            }
            _ => {}
        }
    }

    /// Forwards to a viewer; false when it was dropped. [`Self::send_forwarded`] lets it go.
    pub(crate) fn forward(&mut self, now: Instant, kind: TrackKind, packet: MediaPacket) -> bool {
        let Role::Viewer(egress) = &self.role else { return false };
        self.connected && egress.forward(&mut self.connection, now, kind, packet).is_ok()
    }

    /// Sends what was forwarded, and nothing else that a [`poll`](Self::poll) does.
    pub(crate) fn send_forwarded(&mut self, sink: &mut dyn DatagramSink) {
        // A panic shows at the next poll, which a timer brings.
        let _ = self.catch(|peer| peer.send_all(sink));
    }

    pub(crate) fn send_report(&mut self, now: Instant, kind: TrackKind, report: TrackReport) {
        if let Role::Viewer(egress) = &self.role
            && let Err(error) = egress.report(&mut self.connection, now, kind, report)
        {
            tracing::debug!(%error, "a sender report was not sent");
        }
    }

    pub(crate) fn request_keyframe(&mut self, now: Instant) {
        if let Role::Publisher(ingress) = &self.role {
            ingress.request_keyframe(&mut self.connection, now);
        }
    }

    /// Sends a message over the publisher's channel `patches`; false when there is none or it is full.
    pub(crate) fn send_message(&mut self, now: Instant, message: &[u8]) -> bool {
        let Role::Publisher(ingress) = &self.role else { return false };
        ingress.send(&mut self.connection, now, message)
    }

    pub(crate) fn takes_audio(&self) -> bool {
        matches!(&self.role, Role::Viewer(egress) if egress.has(TrackKind::Audio))
    }

    pub(crate) fn uplink(&self) -> UplinkBytes {
        match &self.role {
            Role::Publisher(ingress) => ingress.uplink(),
            Role::Viewer(_) => UplinkBytes::default(),
        }
    }

    /// Says goodbye and closes.
    pub(crate) fn close(&mut self, now: Instant, sink: &mut dyn DatagramSink) {
        let closed = self.catch(|peer| {
            if let Role::Viewer(egress) = &peer.role
                && peer.connected
                && let Err(error) = egress.goodbye(&mut peer.connection, now)
            {
                tracing::debug!(%error, "the goodbye was not sent");
            }
            peer.send_all(sink);
            if let Err(error) = peer.connection.close() {
                tracing::debug!(%error, "the connection did not close cleanly");
            }
            peer.send_all(sink);
        });
        if closed.is_err() {
            tracing::warn!("the stack panicked while closing");
        }
    }

    /// Runs the stack so that a panic in it ends this peer and no other.
    fn catch<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> Result<T, Panicked> {
        catch_unwind(AssertUnwindSafe(|| run(self))).map_err(|_| {
            self.gone.get_or_insert("the stack panicked");
            Panicked
        })
    }
}

#[cfg(test)]
mod tests;
