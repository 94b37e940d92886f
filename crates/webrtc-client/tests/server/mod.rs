//! A small WHIP and WHEP server: it mirrors what is published to its one viewer.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{delete, post},
};
use bytes::BytesMut;
use prost::Message;
use proto::v1::{PatchChannelMessage, PatchControl, patch_channel_message::Kind};
use rtc::{
    ice::mdns::MulticastDnsMode,
    media_stream::MediaStreamTrack,
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp::Packet,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
    },
};
use tokio::sync::watch;
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    media_stream::{
        track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
        RTCSessionDescription, Registry, SettingEngineBuilder, register_default_interceptors,
    },
    rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit},
};

const H264: u8 = 102;
const SSRC: u32 = 7;

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) video: Mutex<Vec<Packet>>,
    pub(crate) audio: Mutex<Vec<Packet>>,
    pub(crate) messages: Mutex<Vec<PatchChannelMessage>>,
    /// Label, protocol, ordered
    pub(crate) channel: Mutex<Option<(String, String, bool)>>,
    pub(crate) deleted: AtomicUsize,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) seen: Arc<Seen>,
    inner: Arc<Inner>,
}

struct Inner {
    seen: Arc<Seen>,
    peers: Mutex<Vec<Arc<dyn PeerConnection>>>,
    /// To the viewer.
    track: Mutex<Option<Arc<TrackLocalStaticRTP>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let inner = Arc::new(Inner { seen: seen.clone(), peers: Mutex::default(), track: Mutex::default() });
        let routes = Router::new()
            .route("/whip", post(whip))
            .route("/whep", post(whep))
            .route("/session/1", delete(end))
            .with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, seen, inner }
    }

    /// Every session loses its server without a word, as when its process is killed.
    pub(crate) async fn fall_silent(&self) {
        let peers = std::mem::take(&mut *self.inner.peers.lock().unwrap());
        for peer in peers {
            for sender in peer.get_senders().await {
                peer.remove_track(&sender).await.ok();
            }
            peer.close().await.unwrap();
        }
    }
}

struct Handler {
    inner: Arc<Inner>,
    gathered: watch::Sender<bool>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathered.send_replace(state == RTCIceGatheringState::Complete);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        tokio::spawn(mirror(track, self.inner.clone()));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        tokio::spawn(answer_messages(channel, self.inner.seen.clone()));
    }
}

async fn mirror(track: Arc<dyn TrackRemote>, inner: Arc<Inner>) {
    let video = track.kind().await == RtpCodecKind::Video;
    let mut asked = false;
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        if !asked && video {
            asked = true;
            let request = PictureLossIndication { sender_ssrc: 0, media_ssrc: packet.header.ssrc };
            track.write_rtcp(vec![Box::new(request)]).await.unwrap();
        }
        let viewer = inner.track.lock().unwrap().clone();
        if let Some(viewer) = viewer.filter(|_| video) {
            let mut packet = packet.clone();
            packet.header.ssrc = SSRC;
            packet.header.extension = false;
            packet.header.extensions.clear();
            packet.header.extensions_padding = 0;
            viewer.write_rtp(packet).await.ok();
        }
        let packets = if video { &inner.seen.video } else { &inner.seen.audio };
        packets.lock().unwrap().push(packet);
    }
}

async fn answer_messages(channel: Arc<dyn DataChannel>, seen: Arc<Seen>) {
    *seen.channel.lock().unwrap() =
        Some((channel.label().await.unwrap(), channel.protocol().await.unwrap(), channel.ordered().await.unwrap()));
    while let Some(event) = channel.poll().await {
        let DataChannelEvent::OnMessage(message) = event else { continue };
        seen.messages.lock().unwrap().push(PatchChannelMessage::decode(&message.data[..]).unwrap());
        let control = PatchControl { max_kbps: 77, ..Default::default() };
        let answer = PatchChannelMessage { kind: Some(Kind::Control(control)) }.encode_to_vec();
        channel.send(BytesMut::from(&answer[..])).await.ok();
    }
}

async fn peer(inner: &Arc<Inner>) -> (Arc<dyn PeerConnection>, watch::Receiver<bool>) {
    let codec = |mime: &str, clock_rate, channels, fmtp: &str| RTCRtpCodec {
        mime_type: mime.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: vec![],
    };
    let mut engine = MediaEngine::default();
    let h264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    for (rtp_codec, payload_type, kind) in [
        (codec("video/H264", 90_000, 0, h264), H264, RtpCodecKind::Video),
        (codec("video/rtx", 90_000, 0, "apt=102"), 103, RtpCodecKind::Video),
        (codec("audio/opus", 48_000, 2, ""), 111, RtpCodecKind::Audio),
    ] {
        engine.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, kind).unwrap();
    }
    let interceptors = register_default_interceptors(Registry::new(), &mut engine).unwrap();
    let (gathered, complete) = watch::channel(false);
    let handler = Arc::new(Handler { inner: inner.clone(), gathered });
    let peer = PeerConnectionBuilder::new()
        .with_media_engine(engine)
        .with_interceptor_registry(interceptors)
        .with_setting_engine(
            SettingEngineBuilder::new()
                .with_include_loopback_candidate(true)
                .with_lite(true)
                .with_multicast_dns_mode(MulticastDnsMode::Disabled)
                .build(),
        )
        .with_handler(handler as Arc<dyn PeerConnectionEventHandler>)
        .with_udp_addrs(vec!["127.0.0.1:0"])
        .build()
        .await
        .unwrap();
    (Arc::new(peer), complete)
}

async fn answer(
    inner: &Arc<Inner>,
    peer: Arc<dyn PeerConnection>,
    mut gathered: watch::Receiver<bool>,
    offer: String,
) -> impl IntoResponse + use<> {
    peer.set_remote_description(RTCSessionDescription::offer(offer).unwrap()).await.unwrap();
    let answer = peer.create_answer(None).await.unwrap();
    peer.set_local_description(answer).await.unwrap();
    gathered.wait_for(|complete| *complete).await.unwrap();
    let sdp = peer.local_description().await.unwrap().sdp;
    inner.peers.lock().unwrap().push(peer);
    (StatusCode::CREATED, [("location", "session/1"), ("content-type", "application/sdp")], sdp)
}

async fn whip(State(inner): State<Arc<Inner>>, offer: String) -> impl IntoResponse {
    let (peer, gathered) = peer(&inner).await;
    for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
        let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        peer.add_transceiver_from_kind(kind, Some(init)).await.unwrap();
    }
    answer(&inner, peer, gathered, offer).await
}

async fn whep(State(inner): State<Arc<Inner>>, offer: String) -> impl IntoResponse {
    let (peer, gathered) = peer(&inner).await;
    let codec = RTCRtpCodec {
        mime_type: "video/H264".into(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".into(),
        rtcp_feedback: vec![],
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(SSRC), ..Default::default() },
        codec,
        ..Default::default()
    };
    let name = || "video".to_owned();
    let track = MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Video, vec![encoding]);
    let track = Arc::new(TrackLocalStaticRTP::new(track));
    peer.add_track(track.clone() as Arc<dyn TrackLocal>).await.unwrap();
    *inner.track.lock().unwrap() = Some(track);
    answer(&inner, peer, gathered, offer).await
}

async fn end(State(inner): State<Arc<Inner>>) -> StatusCode {
    inner.seen.deleted.fetch_add(1, SeqCst);
    StatusCode::OK
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
