//! The way of forwarded packets to one viewer. Whoever makes this path faster (own SRTP, segmentation offload) replaces
//! [`Egress`] and touches neither the room nor the rest of a peer.

use std::time::Instant;

use rtc::{
    peer_connection::RTCPeerConnection,
    rtcp::{
        goodbye::Goodbye,
        sender_report::SenderReport,
        source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem},
    },
    rtp,
    rtp_transceiver::RTCRtpSenderId,
    shared::error::Result,
};

use crate::room::{MediaPacket, TrackKind};

/// One for all tracks of a viewer, so that it plays them in time with each other.
const CNAME: &[u8] = b"acuity";

/// One negotiated track of a viewer.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutgoingTrack {
    pub(super) kind: TrackKind,
    pub(super) sender: RTCRtpSenderId,
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
}

#[derive(Debug, Default)]
pub(super) struct Egress {
    tracks: Vec<OutgoingTrack>,
}

/// (NTP, RTP) of a moment, and what was sent until then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrackReport {
    pub(crate) ntp: u64,
    pub(crate) rtp_timestamp: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

impl Egress {
    pub(super) fn new(tracks: Vec<OutgoingTrack>) -> Self {
        Self { tracks }
    }

    pub(super) fn has(&self, kind: TrackKind) -> bool {
        self.track(kind).is_some()
    }

    fn track(&self, kind: TrackKind) -> Option<OutgoingTrack> {
        self.tracks.iter().find(|track| track.kind == kind).copied()
    }

    /// Hands a packet to the connection, under this viewer's own numbers; what leaves is polled there.
    pub(super) fn forward(
        &self,
        connection: &mut RTCPeerConnection,
        now: Instant,
        kind: TrackKind,
        packet: MediaPacket,
    ) -> Result<()> {
        let Some(track) = self.track(kind) else { return Ok(()) };
        let Some(mut sender) = connection.rtp_sender(track.sender) else { return Ok(()) };
        let header = rtp::Header {
            version: 2,
            marker: packet.marker,
            payload_type: track.payload_type,
            sequence_number: packet.sequence,
            timestamp: packet.timestamp,
            ssrc: track.ssrc,
            ..Default::default()
        };
        sender.write_rtp(now, rtp::Packet { header, payload: packet.payload })
    }

    pub(super) fn report(
        &self,
        connection: &mut RTCPeerConnection,
        now: Instant,
        kind: TrackKind,
        report: TrackReport,
    ) -> Result<()> {
        let Some(track) = self.track(kind) else { return Ok(()) };
        let Some(mut sender) = connection.rtp_sender(track.sender) else { return Ok(()) };
        let sender_report = SenderReport {
            ssrc: track.ssrc,
            ntp_time: report.ntp,
            rtp_time: report.rtp_timestamp,
            packet_count: report.packets,
            octet_count: report.octets,
            ..Default::default()
        };
        let name = SourceDescriptionItem { sdes_type: SdesType::SdesCname, text: CNAME.into() };
        let description =
            SourceDescription { chunks: vec![SourceDescriptionChunk { source: track.ssrc, items: vec![name] }] };
        sender.write_rtcp(now, vec![Box::new(sender_report), Box::new(description)])
    }

    /// Says that nothing more comes.
    pub(super) fn goodbye(&self, connection: &mut RTCPeerConnection, now: Instant) -> Result<()> {
        for track in &self.tracks {
            if let Some(mut sender) = connection.rtp_sender(track.sender) {
                let goodbye = Goodbye { sources: vec![track.ssrc], ..Default::default() };
                sender.write_rtcp(now, vec![Box::new(goodbye)])?;
            }
        }
        Ok(())
    }
}
