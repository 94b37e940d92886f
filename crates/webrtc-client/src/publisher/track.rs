//! A track that is sent: sequence numbers, and packets that never wait.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::FutureExt;
use rtc::{
    media_stream::MediaStreamTrack,
    rtp::{Header, Packet},
    rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind},
};
use webrtc::{
    error::Result,
    media_stream::track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
    peer_connection::PeerConnection,
};

use crate::engine::{self, OPUS, VIDEO};

/// With RTP header and extensions, the SRTP tag and the two bytes of a retransmission, below 1200 bytes of UDP payload.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1140;

pub(super) struct OutgoingTrack {
    track: Arc<TrackLocalStaticRTP>,
    payload_type: u8,
    ssrc: u32,
    next_sequence: Mutex<u16>,
}

impl OutgoingTrack {
    /// Adds a track of our codec for `kind` to an offer to come.
    pub(super) async fn add(peer: &Arc<dyn PeerConnection>, kind: RtpCodecKind) -> Result<Self> {
        let (codec, payload_type, name) = match kind {
            RtpCodecKind::Audio => (engine::opus(), OPUS, "audio"),
            _ => (engine::h264(), VIDEO, "video"),
        };
        let ssrc = rand::random();
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
            codec,
            ..Default::default()
        };
        let (stream, name) = ("acuity".to_owned(), name.to_owned());
        let track =
            Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(stream, name.clone(), name, kind, vec![encoding])));
        peer.add_track(track.clone() as Arc<dyn TrackLocal>).await?;
        Ok(Self { track, payload_type, ssrc, next_sequence: Mutex::new(rand::random()) })
    }

    /// The track, to listen to the server's RTCP.
    pub(super) fn feedback(&self) -> Arc<dyn TrackLocal> {
        self.track.clone()
    }

    /// Sends the payloads of one frame, the marker on the last. False when the stack's queue is full: the rest of the
    /// frame is then left out, and a hole in the sequence numbers shows it to receivers.
    pub(super) fn send(&self, payloads: Vec<Bytes>, timestamp: u32) -> bool {
        let mut next_sequence = self.next_sequence.lock().expect("nothing panics with the lock held");
        let count = payloads.len();
        for (index, payload) in payloads.into_iter().enumerate() {
            let header = Header {
                version: 2,
                marker: index + 1 == count,
                payload_type: self.payload_type,
                sequence_number: *next_sequence,
                timestamp,
                ssrc: self.ssrc,
                ..Default::default()
            };
            *next_sequence = next_sequence.wrapping_add(1);
            // The stack's queue is taken from by another task: what it does not take at once, it does not take in time.
            let Some(Ok(())) = self.track.write_rtp(Packet { header, payload }).now_or_never() else { return false };
        }
        true
    }
}

impl std::fmt::Debug for OutgoingTrack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutgoingTrack").field("payload_type", &self.payload_type).field("ssrc", &self.ssrc).finish()
    }
}
