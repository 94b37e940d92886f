//! What a media-node negotiates: H264 (constrained baseline, packetization mode 1) with retransmission, and Opus.

use std::sync::Arc;

use rtc::{
    crypto::RTCCryptoProvider,
    dtls::cipher_suite::CipherSuiteId,
    interceptor::{NackGeneratorBuilder, NackResponderBuilder, ReceiverReportBuilder, Registry, Slot},
    peer_connection::configuration::{
        interceptor_registry::configure_twcc_receiver_only,
        media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MediaEngine},
        setting_engine::{SettingEngine, SettingEngineBuilder},
    },
    rtp_transceiver::rtp_sender::{RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind},
    shared::error::Result,
};

use super::feedback::{FromPublisher, FromViewer};

/// Behind all of the stack's own.
const LAST_SLOT: usize = 60_000;
/// The stack would ask for a lost packet ten times a second for ever, and an uplink that is full would stay so.
const MAX_NACKS_PER_PACKET: u16 = 4;
/// Packets kept for retransmission to a viewer: 2 s of 2.5 Mbit/s.
const RETRANSMISSION_PACKETS: u16 = 512;
/// Unread messages of a data channel, in bytes.
const CHANNEL_RECEIVE_BYTES: u32 = 256 << 10;
const VIDEO: u8 = 102;
const VIDEO_RTX: u8 = 103;
const OPUS: u8 = 111;

pub(super) fn h264() -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    RTCRtpCodec {
        mime_type: MIME_TYPE_H264.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".to_owned(),
        rtcp_feedback: vec![feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")],
    }
}

pub(super) fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: vec![],
    }
}

fn media_engine() -> Result<MediaEngine> {
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

/// Asks for what is lost, reports on what came, and feeds the publisher's congestion control.
pub(super) fn publisher() -> Result<(MediaEngine, Registry)> {
    let mut engine = media_engine()?;
    let missing = NackGeneratorBuilder::new().with_max_nacks_per_packet(MAX_NACKS_PER_PACKET).build();
    let registry = configure_twcc_receiver_only(Registry::new(), &mut engine)?
        .with(Slot::NackGenerator, missing)
        .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
        .with(Slot::from(LAST_SLOT), FromPublisher::default());
    Ok((engine, registry))
}

/// Retransmits what is asked for. Sender reports are the room's.
pub(super) fn viewer() -> Result<(MediaEngine, Registry)> {
    let responder = NackResponderBuilder::new().with_size(RETRANSMISSION_PACKETS).build();
    Ok((media_engine()?, Registry::new().with(Slot::NackResponder, FromViewer::new(responder))))
}

/// ICE-lite with our own credentials. The stack has no say over when a peer is gone: its idea of the peer's address
/// never changes, so it would give up after a mere change of port.
pub(super) fn settings(ufrag: &str, password: &str, crypto: Option<Arc<dyn RTCCryptoProvider>>) -> SettingEngine {
    let settings = SettingEngineBuilder::new()
        .with_lite(true)
        .with_include_loopback_candidate(true)
        .with_ice_credentials(ufrag.to_owned(), password.to_owned())
        .with_ice_timeouts(Some(std::time::Duration::ZERO), Some(std::time::Duration::ZERO), None)
        .with_sctp_max_receive_buffer_size(CHANNEL_RECEIVE_BYTES)
        // Only ciphers through which a screened provider sees what comes.
        .with_dtls_cipher_suites(vec![
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
            CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
        ]);
    match crypto {
        Some(crypto) => settings.with_crypto_provider(crypto).build(),
        None => settings.build(),
    }
}
