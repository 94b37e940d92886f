//! The least that forwards over the same stack: one thread, one socket, default interceptors, no guard, no room. Run as
//! a child of the benchmark.

use std::{
    collections::HashMap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::post,
};
use bytes::BytesMut;
use rand::{RngExt, distr::Alphanumeric};
use rtc::{
    ice::candidate::{CandidateConfig, candidate_host::CandidateHostConfig},
    media_stream::MediaStreamTrack,
    peer_connection::{
        RTCPeerConnection, RTCPeerConnectionBuilder,
        configuration::{
            interceptor_registry::register_default_interceptors, media_engine::MediaEngine,
            setting_engine::SettingEngineBuilder,
        },
        event::RTCPeerConnectionEvent,
        message::RTCMessage,
        sdp::RTCSessionDescription,
        state::RTCPeerConnectionState,
        transport::{RTCIceCandidate, RTCIceCandidateInit},
    },
    rtp,
    rtp_transceiver::{
        RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit,
        rtp_sender::{RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind},
    },
    sansio::Protocol,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
};

pub(crate) const ARGUMENT: &str = "--plain-forwarder";
const BATCH: usize = 64;

struct Offer {
    publishes: bool,
    sdp: String,
    answer: tokio::sync::oneshot::Sender<String>,
}

struct Peer {
    connection: RTCPeerConnection,
    /// Of a viewer.
    track: Option<(RTCRtpSenderId, u32, u8)>,
    connected: bool,
    next_timeout: Instant,
}

pub(crate) fn run() {
    let ports = std::env::args().nth(2).expect("a file for the ports");
    let (offers, waiting_offers) = mpsc::channel();
    std::thread::spawn(move || serve_http(&offers, Path::new(&ports)));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let options = socket2::SockRef::from(&socket);
    options.set_recv_buffer_size(8 << 20).and(options.set_send_buffer_size(8 << 20)).unwrap();
    Forwarder::new(socket).run(&waiting_offers);
}

fn serve_http(offers: &mpsc::Sender<Offer>, ports: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let route = |publishes| {
        let offers = offers.clone();
        post(async move |sdp: String| {
            let (answer, answered) = tokio::sync::oneshot::channel();
            offers.send(Offer { publishes, sdp, answer }).unwrap();
            (StatusCode::CREATED, [(CONTENT_TYPE, "application/sdp")], answered.await.unwrap()).into_response()
        })
    };
    let routes = Router::new().route("/whip", route(true)).route("/whep", route(false));
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let text = serde_json::json!({ "listen": listener.local_addr().unwrap() }).to_string();
        std::fs::write(ports, text).unwrap();
        axum::serve(listener, routes).await.unwrap();
    });
}

struct Forwarder {
    socket: UdpSocket,
    local: SocketAddr,
    peers: Vec<Peer>,
    by_ufrag: HashMap<String, usize>,
    by_address: HashMap<SocketAddr, usize>,
    dirty: Vec<usize>,
    received: Vec<rtp::Packet>,
}

impl Forwarder {
    fn new(socket: UdpSocket) -> Self {
        let local = socket.local_addr().unwrap();
        Self {
            socket,
            local,
            peers: Vec::new(),
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            dirty: Vec::new(),
            received: Vec::new(),
        }
    }

    fn run(mut self, offers: &mpsc::Receiver<Offer>) {
        loop {
            while let Ok(offer) = offers.try_recv() {
                self.answer(offer);
            }
            self.forward();
            self.receive();
        }
    }

    fn answer(&mut self, offer: Offer) {
        let (ufrag, password) = (text(16), text(32));
        let (peer, answer) = answer(&offer, self.local, &ufrag, &password);
        self.by_ufrag.insert(ufrag, self.peers.len());
        self.dirty.push(self.peers.len());
        self.peers.push(peer);
        offer.answer.send(answer).unwrap();
    }

    fn forward(&mut self) {
        loop {
            let now = Instant::now();
            for (index, peer) in self.peers.iter_mut().enumerate() {
                if peer.next_timeout <= now {
                    let _ = peer.connection.handle_timeout(now);
                    self.dirty.push(index);
                }
            }
            self.dirty.sort_unstable();
            self.dirty.dedup();
            for index in std::mem::take(&mut self.dirty) {
                drain(&mut self.peers[index], &self.socket, &mut self.received, now);
            }
            if self.received.is_empty() {
                return;
            }
            for mut packet in self.received.drain(..) {
                packet.header.extension = false;
                packet.header.extension_profile = 0;
                packet.header.extensions_padding = 0;
                packet.header.extensions.clear();
                for (index, peer) in self.peers.iter_mut().enumerate().filter(|(_, peer)| peer.connected) {
                    let Some((id, ssrc, payload_type)) = peer.track else { continue };
                    let mut copy = packet.clone();
                    copy.header.ssrc = ssrc;
                    copy.header.payload_type = payload_type;
                    if let Some(mut sender) = peer.connection.rtp_sender(id) {
                        let _ = sender.write_rtp(now, copy);
                        self.dirty.push(index);
                    }
                }
            }
        }
    }

    /// Waits for a datagram or the next timer, then takes what is there.
    fn receive(&mut self) {
        let now = Instant::now();
        let limit = now + Duration::from_millis(20);
        let next = self.peers.iter().map(|peer| peer.next_timeout).min().unwrap_or(limit).min(limit);
        let wait = next.saturating_duration_since(now).max(Duration::from_millis(1));
        self.socket.set_nonblocking(false).unwrap();
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut buffer = [0; 2048];
        for taken in 0..BATCH {
            let (length, from) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(_) => return,
            };
            if taken == 0 {
                self.socket.set_nonblocking(true).unwrap();
            }
            let datagram = &buffer[..length];
            let index = requested_ufrag(datagram).and_then(|ufrag| self.by_ufrag.get(ufrag));
            let Some(index) = index.or_else(|| self.by_address.get(&from)).copied() else { continue };
            self.by_address.insert(from, index);
            let transport = TransportContext {
                local_addr: self.local,
                peer_addr: from,
                ecn: None,
                transport_protocol: TransportProtocol::UDP,
            };
            let message = BytesMut::from(datagram);
            let _ =
                self.peers[index].connection.handle_read(TaggedBytesMut { now: Instant::now(), transport, message });
            self.dirty.push(index);
        }
    }
}

fn drain(peer: &mut Peer, socket: &UdpSocket, received: &mut Vec<rtp::Packet>, now: Instant) {
    let send_all = |connection: &mut RTCPeerConnection| {
        while let Some(out) = connection.poll_write() {
            let _ = socket.send_to(&out.message, out.transport.peer_addr);
        }
    };
    send_all(&mut peer.connection);
    while let Some(event) = peer.connection.poll_event() {
        if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
            peer.connected = state == RTCPeerConnectionState::Connected;
        }
    }
    while let Some(message) = peer.connection.poll_read() {
        if let RTCMessage::RtpPacket(_, packet) = message.message {
            received.push(packet);
        }
    }
    send_all(&mut peer.connection);
    let next = peer.connection.poll_timeout().unwrap_or(now + Duration::from_millis(100));
    peer.next_timeout = if next <= now { now + Duration::from_millis(1) } else { next };
}

fn answer(offer: &Offer, local: SocketAddr, ufrag: &str, password: &str) -> (Peer, String) {
    let now = Instant::now();
    let mut engine = MediaEngine::default();
    engine.register_default_codecs().unwrap();
    let interceptors = register_default_interceptors(rtc::interceptor::Registry::new(), &mut engine).unwrap();
    let settings = SettingEngineBuilder::new()
        .with_lite(true)
        .with_ice_credentials(ufrag.to_owned(), password.to_owned())
        .with_include_loopback_candidate(true)
        .build();
    let mut connection = RTCPeerConnectionBuilder::new()
        .with_media_engine(engine)
        .with_setting_engine(settings)
        .with_interceptor_registry(interceptors)
        .build(now)
        .unwrap();
    let ssrc = rand::random();
    let sender = (!offer.publishes).then(|| connection.add_track(video_track(ssrc)).unwrap());
    if offer.publishes {
        let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        connection.add_transceiver_from_kind(RtpCodecKind::Video, Some(init)).unwrap();
    }
    connection.set_remote_description(now, RTCSessionDescription::offer(offer.sdp.clone()).unwrap()).unwrap();
    let description = connection.create_answer(None).unwrap();
    connection.set_local_description(now, description).unwrap();
    connection.add_local_candidate(candidate(local)).unwrap();
    connection.add_local_candidate(RTCIceCandidateInit::default()).unwrap();
    let answer = connection.local_description().unwrap().sdp;
    let track = sender.map(|id| {
        let mut sender = connection.rtp_sender(id).unwrap();
        (id, ssrc, sender.get_parameters().rtp_parameters.codecs[0].payload_type)
    });
    (Peer { connection, track, connected: false, next_timeout: now }, answer)
}

fn video_track(ssrc: u32) -> MediaStreamTrack {
    let codec = RTCRtpCodec {
        mime_type: "video/H264".to_owned(),
        clock_rate: 90_000,
        sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".to_owned(),
        ..Default::default()
    };
    let rtp_coding_parameters = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
    let encoding = RTCRtpEncodingParameters { rtp_coding_parameters, codec, ..Default::default() };
    MediaStreamTrack::new("s".to_owned(), "v".to_owned(), "v".to_owned(), RtpCodecKind::Video, vec![encoding])
}

fn candidate(address: SocketAddr) -> RTCIceCandidateInit {
    let base_config = CandidateConfig {
        network: "udp".to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..Default::default()
    };
    let candidate = CandidateHostConfig { base_config, ..Default::default() }.new_candidate_host().unwrap();
    RTCIceCandidate::from(&candidate).to_json().unwrap()
}

fn text(chars: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(chars).map(char::from).collect()
}

/// The first half of a binding request's user name.
fn requested_ufrag(datagram: &[u8]) -> Option<&str> {
    if datagram.get(..2)? != [0, 1] {
        return None;
    }
    let mut attributes = datagram.get(20..)?;
    loop {
        let (kind, length) = (attributes.get(..2)?, attributes.get(2..4)?);
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if kind == [0, 6] {
            return std::str::from_utf8(attributes.get(4..4 + length)?).ok()?.split(':').next();
        }
        attributes = attributes.get(4 + length.next_multiple_of(4)..)?;
    }
}
