//! What the clients negotiate: H264 (constrained baseline, packetization mode 1) with retransmission, and Opus.

use rtc::interceptor::{CongestionControlBuilder, NackGeneratorBuilder, NackResponderBuilder, Registry, Slot};
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX};
use rtc::rtp_transceiver::rtp_sender::{RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind};
use webrtc::{
    error::Result,
    peer_connection::{
        MediaEngine, configure_rtcp_reports, configure_simulcast_extension_headers, configure_twcc_receiver_only,
        configure_twcc_sender_only,
    },
};

use crate::{
    estimate::{Estimate, ShownEstimator},
    keyframe_requests::KeyframeRequests,
    retransmissions::RetransmissionLimit,
};

/// Payload types of our offers.
pub(crate) const VIDEO: u8 = 102;
pub(crate) const VIDEO_RTX: u8 = 103;
pub(crate) const OPUS: u8 = 111;

/// Behind every slot of the stack's own interceptors, so that each of them has seen the packet first.
const LAST_SLOT: usize = 60_000;
/// One step nearer to the wire than the NACK responder.
const BEFORE_NACK_RESPONDER: usize = Slot::NackResponder.slot() - 1;

pub(crate) fn h264() -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    RTCRtpCodec {
        mime_type: MIME_TYPE_H264.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".to_owned(),
        rtcp_feedback: vec![feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")],
    }
}

pub(crate) fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: vec![],
    }
}

pub(crate) fn media_engine() -> Result<MediaEngine> {
    let retransmission = RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: format!("apt={VIDEO}"),
        rtcp_feedback: vec![],
    };
    let mut engine = MediaEngine::default();
    for (rtp_codec, payload_type, kind) in [
        (h264(), VIDEO, RtpCodecKind::Video),
        (retransmission, VIDEO_RTX, RtpCodecKind::Video),
        (opus(), OPUS, RtpCodecKind::Audio),
    ] {
        engine.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, kind)?;
    }
    Ok(engine)
}

/// How often a missing packet is asked for, a tenth of a second apart. The stack's own default is for ever.
const MAX_NACKS: u16 = 4;

/// NACK, reports, transport-wide feedback.
pub(crate) fn viewer_interceptors(engine: &mut MediaEngine) -> Result<Registry> {
    configure_simulcast_extension_headers(engine)?;
    let nack = NackGeneratorBuilder::new().with_max_nacks_per_packet(MAX_NACKS).build();
    let registry = configure_rtcp_reports(Registry::new()).with(Slot::NackGenerator, nack);
    configure_twcc_receiver_only(registry, engine)
}

/// Answers to NACK, reports, key frame requests, and congestion control when it is to begin at a rate. Without a pacer:
/// the stack's holds thousands of packets back, and whoever follows the estimate needs no queue.
pub(crate) fn publisher_interceptors(
    engine: &mut MediaEngine,
    initial_estimate_kbps: Option<u32>,
) -> Result<(Registry, Option<Estimate>)> {
    configure_simulcast_extension_headers(engine)?;
    let registry = configure_rtcp_reports(Registry::new())
        .with(Slot::NackResponder, NackResponderBuilder::new().build())
        .with(Slot::from(BEFORE_NACK_RESPONDER), RetransmissionLimit::default())
        .with(Slot::from(LAST_SLOT), KeyframeRequests::default());
    let Some(initial_kbps) = initial_estimate_kbps else { return Ok((registry, None)) };
    let (estimator, estimate) = ShownEstimator::new(initial_kbps);
    let registry = registry.with(Slot::CongestionControl, CongestionControlBuilder::new(estimator).build());
    Ok((configure_twcc_sender_only(registry, engine)?, Some(estimate)))
}
