//! What comes from a publisher: packets by track, sender reports, messages of the channel `patches`, and bytes by kind.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rtc::{
    data_channel::RTCDataChannelId,
    peer_connection::{RTCPeerConnection, event::RTCTrackEventInit},
    rtcp::{self, payload_feedbacks::picture_loss_indication::PictureLossIndication, sender_report::SenderReport},
    rtp,
    rtp_transceiver::{RTCRtpReceiverId, rtp_sender::RtpCodecKind},
};

use super::PeerEvent;
use crate::{
    guard::Datagram,
    room::{MediaPacket, TrackKind},
};

const CHANNEL_LABEL: &str = "patches";
const CHANNEL_PROTOCOL: &str = "acuity.v1";
/// A longer message is refused.
const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// Unacknowledged bytes of ours beyond which a message is dropped.
const MAX_OUTSTANDING_BYTES: usize = 64 << 10;
const MAX_TRACKS: usize = 4;
const DTLS_APPLICATION_DATA: u8 = 23;

/// UDP payload received from a publisher, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UplinkBytes {
    pub(crate) video: u64,
    pub(crate) audio: u64,
    pub(crate) patches: u64,
    pub(crate) other: u64,
}

struct IncomingTrack {
    id: String,
    kind: TrackKind,
    ssrc: u32,
    receiver: RTCRtpReceiverId,
}

#[derive(Default)]
pub(super) struct Ingress {
    tracks: Vec<IncomingTrack>,
    /// Payload types of sound; all others are video and its retransmissions.
    audio_payload_types: Vec<u8>,
    channel: Option<RTCDataChannelId>,
    uplink: UplinkBytes,
}

impl Ingress {
    pub(super) fn new(audio_payload_types: Vec<u8>) -> Self {
        Self { audio_payload_types, ..Self::default() }
    }

    pub(super) fn uplink(&self) -> UplinkBytes {
        self.uplink
    }

    pub(super) fn count(&mut self, kind: Datagram, datagram: &[u8]) {
        let counter = match (kind, datagram) {
            (Datagram::Dtls, [DTLS_APPLICATION_DATA, ..]) => &mut self.uplink.patches,
            (Datagram::Rtp, [_, second, ..]) if self.audio_payload_types.contains(&(second & 0x7f)) => {
                &mut self.uplink.audio
            }
            (Datagram::Rtp, _) => &mut self.uplink.video,
            _ => &mut self.uplink.other,
        };
        *counter += datagram.len() as u64;
    }

    pub(super) fn open_track(&mut self, connection: &mut RTCPeerConnection, opened: &RTCTrackEventInit) {
        let Some(receiver) = connection.rtp_receiver(opened.receiver_id) else { return };
        let kind = match receiver.track().kind() {
            RtpCodecKind::Video => TrackKind::Video,
            RtpCodecKind::Audio => TrackKind::Audio,
            _ => return,
        };
        if self.tracks.len() < MAX_TRACKS {
            let id = opened.track_id.clone();
            self.tracks.push(IncomingTrack { id, kind, ssrc: opened.ssrc, receiver: opened.receiver_id });
        }
    }

    pub(super) fn packet(&self, track: &str, packet: rtp::Packet) -> Option<PeerEvent> {
        let kind = self.tracks.iter().find(|known| known.id == track)?.kind;
        let rtp::Packet { header, payload } = packet;
        let packet = MediaPacket {
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            payload,
        };
        Some(PeerEvent::Packet { kind, packet })
    }

    pub(super) fn sender_reports(&self, packets: &[Box<dyn rtcp::Packet>]) -> impl Iterator<Item = PeerEvent> {
        packets.iter().filter_map(|packet| {
            let report = packet.as_any().downcast_ref::<SenderReport>()?;
            let kind = self.tracks.iter().find(|track| track.ssrc == report.ssrc)?.kind;
            Some(PeerEvent::SenderReport { kind, ntp: report.ntp_time, rtp_timestamp: report.rtp_time })
        })
    }

    pub(super) fn open_channel(&mut self, connection: &mut RTCPeerConnection, id: RTCDataChannelId) {
        let Some(channel) = connection.data_channel(id) else { return };
        if channel.label() == CHANNEL_LABEL && channel.protocol() == CHANNEL_PROTOCOL {
            self.channel.get_or_insert(id);
        } else {
            tracing::info!(label = %channel.label().escape_debug(), "a data channel that nobody reads was opened");
        }
    }

    pub(super) fn message(&self, channel: RTCDataChannelId, data: BytesMut) -> Option<PeerEvent> {
        let wanted = self.channel == Some(channel) && data.len() <= MAX_MESSAGE_BYTES;
        wanted.then(|| PeerEvent::Message(Bytes::from(data)))
    }

    pub(super) fn send(&self, connection: &mut RTCPeerConnection, now: Instant, message: &[u8]) -> bool {
        let Some(mut channel) = self.channel.and_then(|id| connection.data_channel(id)) else { return false };
        channel.outstanding_bytes() + message.len() <= MAX_OUTSTANDING_BYTES
            && channel.send(now, BytesMut::from(message)).is_ok()
    }

    pub(super) fn request_keyframe(&self, connection: &mut RTCPeerConnection, now: Instant) {
        for track in self.tracks.iter().filter(|track| track.kind == TrackKind::Video) {
            let request = PictureLossIndication { sender_ssrc: 0, media_ssrc: track.ssrc };
            if let Some(mut receiver) = connection.rtp_receiver(track.receiver)
                && let Err(error) = receiver.write_rtcp(now, vec![Box::new(request)])
            {
                tracing::debug!(%error, "a key frame request was not sent");
            }
        }
    }
}
