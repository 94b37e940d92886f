//! A peer built on the bare stack, with its own socket: it behaves until told otherwise.

#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use rand::{RngExt, rngs::StdRng};
use rtc::{
    crypto::{
        ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher, CryptoAlgorithm,
        CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac, PublicKey, RTCCrypto, RTCCryptoProvider,
        RTCRandom, SignatureScheme, SigningKey, StreamCipher, StreamCipherAlgorithm, default_provider,
    },
    data_channel::{RTCDataChannelId, RTCDataChannelInit},
    ice::candidate::{CandidateConfig, candidate_host::CandidateHostConfig},
    media_stream::MediaStreamTrack,
    peer_connection::{
        RTCPeerConnection, RTCPeerConnectionBuilder,
        configuration::{
            interceptor_registry::register_default_interceptors, media_engine::MediaEngine,
            setting_engine::SettingEngineBuilder,
        },
        event::{RTCDataChannelEvent, RTCPeerConnectionEvent},
        message::RTCMessage,
        sdp::RTCSessionDescription,
        state::RTCPeerConnectionState,
        transport::{RTCDtlsTransportState, RTCIceCandidate, RTCIceCandidateInit},
    },
    rtp,
    rtp_transceiver::{
        RTCRtpTransceiverDirection, RTCRtpTransceiverInit,
        rtp_sender::{RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind},
    },
    sansio::Protocol,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
};

const VIDEO_SSRC: u32 = 0x2222;
const PATIENCE: Duration = Duration::from_secs(10);

/// Changes an SCTP packet that is about to be sent; the checksum is made right afterwards.
pub(crate) type Change = Box<dyn FnMut(&mut [u8]) + Send>;
type SctpChange = Arc<Mutex<Option<Change>>>;

pub(crate) struct BarePeer {
    pub(crate) connection: RTCPeerConnection,
    pub(crate) socket: UdpSocket,
    pub(crate) server: SocketAddr,
    pub(crate) offer: String,
    pub(crate) answer: String,
    pub(crate) connected: bool,
    pub(crate) packets: u64,
    /// Sequence numbers of the video that came, repaired or not, in order of arrival.
    pub(crate) video_sequences: Vec<u16>,
    pub(crate) channel: Option<RTCDataChannelId>,
    pub(crate) sctp_change: SctpChange,
    /// Loses each media datagram on its way in with this probability.
    pub(crate) loses: Option<(f64, StdRng)>,
    /// Everything but STUN is kept back.
    pub(crate) only_ice: bool,
}

impl BarePeer {
    /// A publisher has a data channel and offers to send; a viewer offers to receive.
    pub(crate) async fn offer(url: &str, publishes: bool) -> Self {
        let now = Instant::now();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut engine = MediaEngine::default();
        engine.register_default_codecs().unwrap();
        let interceptors = register_default_interceptors(rtc::interceptor::Registry::new(), &mut engine).unwrap();
        let sctp_change = SctpChange::default();
        let provider = EvilProvider { inner: default_provider().unwrap(), change: sctp_change.clone() };
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_crypto_provider(Arc::new(provider))
            .build();
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_setting_engine(settings)
            .with_interceptor_registry(interceptors)
            .build(now)
            .unwrap();
        if publishes {
            connection.add_track(video_track()).unwrap();
            let init = RTCDataChannelInit { protocol: "acuity.v1".to_owned(), ..Default::default() };
            connection.create_data_channel("patches", Some(init)).unwrap();
        } else {
            let direction = RTCRtpTransceiverDirection::Recvonly;
            let init = RTCRtpTransceiverInit { direction, ..Default::default() };
            connection.add_transceiver_from_kind(RtpCodecKind::Video, Some(init)).unwrap();
        }
        let description = connection.create_offer(None).unwrap();
        connection.set_local_description(now, description).unwrap();
        connection.add_local_candidate(candidate(socket.local_addr().unwrap())).unwrap();
        connection.add_local_candidate(RTCIceCandidateInit::default()).unwrap();
        let offer = connection.local_description().unwrap().sdp;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(url).header("content-type", "application/sdp").body(offer.clone());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 201);
        let answer = response.text().await.unwrap();
        let mut peer = Self {
            server: server_address(&answer),
            connection,
            socket,
            offer,
            answer,
            connected: false,
            packets: 0,
            video_sequences: Vec::new(),
            loses: None,
            channel: None,
            sctp_change,
            only_ice: false,
        };
        let description = RTCSessionDescription::answer(peer.answer.clone()).unwrap();
        peer.connection.set_remote_description(now, description).unwrap();
        peer
    }

    pub(crate) async fn connect(url: &str, publishes: bool) -> Self {
        let mut peer = Self::offer(url, publishes).await;
        peer.run_until("connected", |peer| peer.connected && (!publishes || peer.channel.is_some())).await;
        peer
    }

    pub(crate) async fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "not in time: {what}");
            self.turn();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// From the address that the server knows.
    pub(crate) fn send_raw(&self, datagram: &[u8]) {
        // A full socket buffer is as good as a lossy network.
        let _ = self.socket.send_to(datagram, self.server);
    }

    pub(crate) fn is_closed_by_server(&mut self) -> bool {
        let id = self.connection.get_receivers().next().unwrap();
        let receiver = self.connection.rtp_receiver(id).unwrap();
        receiver.transport().unwrap().state() == RTCDtlsTransportState::Closed
    }

    pub(crate) fn close(&mut self) {
        self.connection.close().unwrap();
        while let Some(out) = self.connection.poll_write() {
            let _ = self.socket.send_to(&out.message, out.transport.peer_addr);
        }
    }

    /// Sends from another port from now on, as after a NAT forgot the old one.
    pub(crate) fn rebind(&mut self) {
        self.socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        self.socket.set_nonblocking(true).unwrap();
    }

    pub(crate) fn turn(&mut self) {
        let now = Instant::now();
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            if self.only_ice && buffer[0] > 3 {
                continue;
            }
            if buffer[0] >= 128
                && let Some((share, random)) = &mut self.loses
                && random.random_bool(*share)
            {
                continue;
            }
            let message = BytesMut::from(&buffer[..length]);
            let transport = TransportContext {
                local_addr: first_candidate(&self.offer),
                peer_addr: from,
                ecn: None,
                transport_protocol: TransportProtocol::UDP,
            };
            let _ = self.connection.handle_read(TaggedBytesMut { now, transport, message });
        }
        if self.connection.poll_timeout().is_some_and(|at| at <= now) {
            let _ = self.connection.handle_timeout(now);
        }
        while let Some(event) = self.connection.poll_event() {
            match event {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(RTCPeerConnectionState::Connected) => {
                    self.connected = true;
                }
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(channel)) => {
                    self.channel = Some(channel);
                }
                _ => {}
            }
        }
        while let Some(message) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = message.message {
                self.packets += 1;
                self.video_sequences.push(packet.header.sequence_number);
            }
        }
        while let Some(out) = self.connection.poll_write() {
            let _ = self.socket.send_to(&out.message, out.transport.peer_addr);
        }
    }

    /// Sends a packet of the video track.
    pub(crate) fn send_video(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: Bytes) {
        let id = self.connection.get_senders().next().unwrap();
        let mut sender = self.connection.rtp_sender(id).unwrap();
        let payload_type = sender.get_parameters().rtp_parameters.codecs[0].payload_type;
        let header = rtp::Header {
            version: 2,
            marker,
            payload_type,
            sequence_number: sequence,
            timestamp,
            ssrc: VIDEO_SSRC,
            ..Default::default()
        };
        sender.write_rtp(Instant::now(), rtp::Packet { header, payload }).unwrap();
    }

    /// A user message of 200 bytes that begins with 0xAA: what `sctp_change` looks for.
    pub(crate) fn send_marked(&mut self) {
        let channel = self.channel.unwrap();
        let mut channel = self.connection.data_channel(channel).unwrap();
        channel.send(Instant::now(), BytesMut::from(&[0xAA; 200][..])).unwrap();
    }
}

pub(crate) fn attribute<'a>(sdp: &'a str, name: &str) -> &'a str {
    let line = sdp.lines().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {sdp}"))
}

fn video_track() -> MediaStreamTrack {
    let codec = RTCRtpCodec {
        mime_type: "video/H264".to_owned(),
        clock_rate: 90_000,
        sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".to_owned(),
        ..Default::default()
    };
    let rtp_coding_parameters = RTCRtpCodingParameters { ssrc: Some(VIDEO_SSRC), ..Default::default() };
    let encoding = RTCRtpEncodingParameters { rtp_coding_parameters, codec, ..Default::default() };
    MediaStreamTrack::new("s".to_owned(), "v".to_owned(), "v".to_owned(), RtpCodecKind::Video, vec![encoding])
}

fn first_candidate(sdp: &str) -> SocketAddr {
    let parts: Vec<&str> = attribute(sdp, "candidate").split(' ').collect();
    format!("{}:{}", parts[4], parts[5]).parse().unwrap()
}

fn server_address(answer: &str) -> SocketAddr {
    first_candidate(answer)
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

struct EvilProvider {
    inner: Arc<dyn RTCCryptoProvider>,
    change: SctpChange,
}

struct EvilCipher {
    inner: Box<dyn AeadCipher>,
    change: SctpChange,
}

impl AeadCipher for EvilCipher {
    fn tag_len(&self) -> usize {
        self.inner.tag_len()
    }

    fn seal_in_place(&mut self, nonce: &[u8], aad: &[u8], data: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        let is_sctp = aad.len() == 13 && aad[8] == 23;
        if is_sctp && let Some(change) = self.change.lock().unwrap().as_mut() {
            change(data);
            data[8..12].fill(0);
            let checksum = crc32c(data).to_le_bytes();
            data[8..12].copy_from_slice(&checksum);
        }
        self.inner.seal_in_place(nonce, aad, data, tag)
    }

    fn open_in_place(&mut self, nonce: &[u8], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<(), CryptoError> {
        self.inner.open_in_place(nonce, aad, data, tag)
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    !crc
}

impl RTCCryptoProvider for EvilProvider {
    fn name(&self) -> &'static str {
        "evil"
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self
    }

    fn random(&self) -> &dyn RTCRandom {
        self.inner.random()
    }
}

impl RTCCrypto for EvilProvider {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.inner.crypto().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().hash(algorithm, data)
    }

    fn block_encrypt(&self, algorithm: BlockCipherAlgorithm, key: &[u8], block: &mut [u8]) -> Result<(), CryptoError> {
        self.inner.crypto().block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.inner.crypto().new_hmac(algorithm, key)
    }

    fn new_stream_cipher(&self, a: StreamCipherAlgorithm, key: &[u8]) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.inner.crypto().new_stream_cipher(a, key)
    }

    fn new_aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadCipher>, CryptoError> {
        let inner = self.inner.crypto().new_aead(algorithm, key)?;
        Ok(Box::new(EvilCipher { inner, change: self.change.clone() }))
    }

    fn new_cbc(&self, algorithm: CbcAlgorithm, key: &[u8]) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.inner.crypto().new_cbc(algorithm, key)
    }

    fn start_key_exchange(&self, algorithm: KeyExchangeAlgorithm) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.inner.crypto().start_key_exchange(algorithm)
    }

    fn generate_signing_key(&self, scheme: SignatureScheme) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().generate_signing_key(scheme)
    }

    fn import_signing_key(&self, scheme: SignatureScheme, der: &[u8]) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().import_signing_key(scheme, der)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner.crypto().verify_signature(scheme, key, message, signature)
    }
}
