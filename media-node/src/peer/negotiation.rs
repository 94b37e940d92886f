//! From an offer to an answer and the peer behind it. Pure computation: it can run on any thread, so that a hostile or
//! slow offer never costs the relay's.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use rand::{RngExt, distr::Alphanumeric};
use rtc::{
    ice::candidate::{CandidateConfig, candidate_host::CandidateHostConfig},
    media_stream::MediaStreamTrack,
    peer_connection::{
        RTCPeerConnection, RTCPeerConnectionBuilder,
        sdp::RTCSessionDescription,
        transport::{RTCIceCandidate, RTCIceCandidateInit},
    },
    rtp_transceiver::{
        RTCRtpReceiverId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit,
        rtp_sender::{RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind},
    },
    shared::error::Result as StackResult,
};
use telemetry::prometheus_client::metrics::counter::Counter;

use super::{
    OfferError, Peer, Role,
    egress::{Egress, OutgoingTrack},
    engine,
    ingress::Ingress,
    offer::Offer,
};
use crate::{
    guard::{Guard, IceCredentials, screen::ScreenedProvider},
    room::TrackKind,
};

/// One media stream to viewers, so that they play its tracks in time with each other.
const STREAM_ID: &str = "acuity";
const UFRAG_CHARS: usize = 12;
const PASSWORD_CHARS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Publisher,
    Viewer,
}

/// A peer that waits for its first datagram.
pub(crate) struct Negotiated {
    pub(crate) peer: Peer,
    /// By it the peer's first datagrams are known.
    pub(crate) ufrag: String,
    pub(crate) answer: String,
}

/// Answers `offer` with `candidates` as the only addresses to reach us at. `refused_sctp` counts what the guard drops
/// inside DTLS.
pub(crate) fn negotiate(
    now: Instant,
    side: Side,
    offer: &str,
    candidates: Vec<SocketAddr>,
    refused_sctp: &Counter,
) -> Result<Negotiated, OfferError> {
    let offer = Offer::parse(offer)?;
    if side == Side::Viewer && offer.has_channel {
        return Err(OfferError::Unsupported("a data channel, which viewers do not get".to_owned()));
    }
    let credentials = (random_text(UFRAG_CHARS), random_text(PASSWORD_CHARS));
    let answered =
        catch_unwind(AssertUnwindSafe(|| answer(now, side, &offer, &credentials, &candidates, refused_sctp)));
    let (connection, role, answer) = answered
        .map_err(|_| OfferError::Malformed("the WebRTC stack panicked over it".to_owned()))?
        .map_err(|error| OfferError::Malformed(error.to_string()))?;
    check_answer(&answer, side)?;

    let (ufrag, password) = credentials;
    let ice = IceCredentials {
        local_ufrag: &ufrag,
        local_password: &password,
        remote_ufrag: &offer.ufrag,
        remote_password: &offer.password,
    };
    let guard = Guard::new(ice, side == Side::Publisher, offer.sources);
    let peer = Peer::new(connection, guard, role, candidates, now);
    Ok(Negotiated { peer, ufrag, answer })
}

fn answer(
    now: Instant,
    side: Side,
    offer: &Offer,
    (ufrag, password): &(String, String),
    candidates: &[SocketAddr],
    refused_sctp: &Counter,
) -> StackResult<(RTCPeerConnection, Role, String)> {
    let (engine, interceptors) = match side {
        Side::Publisher => engine::publisher()?,
        Side::Viewer => engine::viewer()?,
    };
    // Without a data channel there is nothing inside DTLS to look at.
    let screened = offer.has_channel.then(rtc::crypto::default_provider).transpose();
    let screened = screened.map_err(|error| rtc::shared::error::Error::Other(error.to_string()))?;
    let screened = screened.map(|provider| Arc::new(ScreenedProvider::new(provider, refused_sctp.clone())) as _);
    let mut connection = RTCPeerConnectionBuilder::new()
        .with_media_engine(engine)
        .with_interceptor_registry(interceptors)
        .with_setting_engine(engine::settings(ufrag, password, screened))
        .build(now)?;

    let kinds: &[TrackKind] = if offer.has_audio { &[TrackKind::Video, TrackKind::Audio] } else { &[TrackKind::Video] };
    let mut outgoing = Vec::new();
    for kind in kinds {
        match side {
            Side::Publisher => add_receiver(&mut connection, *kind)?,
            Side::Viewer => outgoing.push(add_track(&mut connection, *kind)?),
        }
    }
    connection.set_remote_description(now, RTCSessionDescription::offer(offer.sdp.clone())?)?;
    let description = connection.create_answer(None)?;
    connection.set_local_description(now, description)?;
    for candidate in candidates {
        connection.add_local_candidate(host_candidate(*candidate)?)?;
    }
    connection.add_local_candidate(RTCIceCandidateInit::default())?;
    let answer = connection.local_description().map(|description| description.sdp).unwrap_or_default();

    let role = match side {
        Side::Publisher => Role::Publisher(Ingress::new(audio_payload_types(&mut connection))),
        Side::Viewer => {
            for track in &mut outgoing {
                track.payload_type = negotiated_payload_type(&mut connection, track);
            }
            Role::Viewer(Egress::new(outgoing))
        }
    };
    Ok((connection, role, answer))
}

fn add_receiver(connection: &mut RTCPeerConnection, kind: TrackKind) -> StackResult<()> {
    let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
    connection.add_transceiver_from_kind(codec(kind).0, Some(init)).map(|_| ())
}

fn add_track(connection: &mut RTCPeerConnection, kind: TrackKind) -> StackResult<OutgoingTrack> {
    let ssrc: u32 = rand::random();
    let (codec_kind, codec) = codec(kind);
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
        codec,
        ..Default::default()
    };
    let track_id = match kind {
        TrackKind::Video => "video",
        TrackKind::Audio => "audio",
    };
    let track = MediaStreamTrack::new(
        STREAM_ID.to_owned(),
        track_id.to_owned(),
        track_id.to_owned(),
        codec_kind,
        vec![encoding],
    );
    let sender = connection.add_track(track)?;
    Ok(OutgoingTrack { kind, sender, ssrc, payload_type: 0 })
}

fn codec(kind: TrackKind) -> (RtpCodecKind, RTCRtpCodec) {
    match kind {
        TrackKind::Video => (RtpCodecKind::Video, engine::h264()),
        TrackKind::Audio => (RtpCodecKind::Audio, engine::opus()),
    }
}

fn host_candidate(address: SocketAddr) -> StackResult<RTCIceCandidateInit> {
    let base_config = CandidateConfig {
        network: "udp".to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..Default::default()
    };
    let candidate = CandidateHostConfig { base_config, ..Default::default() }.new_candidate_host()?;
    RTCIceCandidate::from(&candidate).to_json()
}

/// The client's number for our codec.
fn negotiated_payload_type(connection: &mut RTCPeerConnection, track: &OutgoingTrack) -> u8 {
    let (_, wanted) = codec(track.kind);
    let Some(mut sender) = connection.rtp_sender(track.sender) else { return 0 };
    let codecs = &sender.get_parameters().rtp_parameters.codecs;
    let mut same = codecs.iter().filter(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(&wanted.mime_type));
    let exact = same.clone().find(|codec| codec.rtp_codec.sdp_fmtp_line == wanted.sdp_fmtp_line);
    exact.or_else(|| same.next()).map_or(0, |codec| codec.payload_type)
}

fn audio_payload_types(connection: &mut RTCPeerConnection) -> Vec<u8> {
    let receivers: Vec<RTCRtpReceiverId> = connection.get_receivers().collect();
    let mut types = Vec::new();
    for id in receivers {
        if let Some(mut receiver) = connection.rtp_receiver(id)
            && receiver.track().kind() == RtpCodecKind::Audio
        {
            types.extend(receiver.get_parameters().rtp_parameters.codecs.iter().map(|codec| codec.payload_type));
        }
    }
    types
}

/// An answer without a video that flows the right way is none.
fn check_answer(answer: &str, side: Side) -> Result<(), OfferError> {
    let video = answer.split("\r\nm=").find(|section| section.starts_with("video "));
    let video = video.filter(|section| !section.starts_with("video 0 ")).unwrap_or_default();
    let flows = |direction: &str| video.lines().any(|line| line.strip_prefix("a=") == Some(direction));
    let right = match side {
        Side::Publisher => flows("recvonly"),
        Side::Viewer => flows("sendonly") || flows("sendrecv"),
    };
    right
        .then_some(())
        .ok_or_else(|| OfferError::Unsupported("no constrained baseline H264 in this direction".to_owned()))
}

fn random_text(chars: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(chars).map(char::from).collect()
}
