//! RTCP on its way from a peer: what the application is to see of it, and how much of it is obeyed.

use std::{collections::VecDeque, time::Instant};

use rtc::{
    interceptor::{Attribute, Interceptor, NackResponderInterceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{
        payload_feedbacks::{full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication},
        sender_report::SenderReport,
        transport_feedbacks::transport_layer_nack::TransportLayerNack,
    },
    sansio::Protocol,
    shared::error::Error,
};

/// Retransmissions a viewer may ask for, as a share of what it was sent. One NACK of 1.4 KB could ask for six thousand,
/// and on a path that is full already, repeating everything is what keeps it full.
const RETRANSMITTED_SHARE: f64 = 0.25;
const MAX_RETRANSMISSION_BURST: f64 = 200.0;

pub(super) fn is_keyframe_request(packet: &dyn rtc::rtcp::Packet) -> bool {
    let packet = packet.as_any();
    packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()
}

/// Delivers a publisher's sender reports to the application.
#[derive(Default)]
pub(super) struct FromPublisher {
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

/// The stack's responder to NACKs, within a budget; delivers key frame requests to the application. It contains the
/// responder rather than stands beside it: each link of the chain costs every packet two moves.
pub(super) struct FromViewer {
    responder: NackResponderInterceptor,
    budget: Budget,
}

/// In packets.
struct Budget(f64);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_RETRANSMISSION_BURST / 2.0)
    }
}

impl Budget {
    fn earn(&mut self) {
        self.0 = (self.0 + RETRANSMITTED_SHARE).min(MAX_RETRANSMISSION_BURST);
    }

    fn admits(&mut self, nack: &TransportLayerNack) -> bool {
        let asked: u32 = nack.nacks.iter().map(|pair| 1 + pair.lost_packets.count_ones()).sum();
        let admitted = f64::from(asked) <= self.0;
        if admitted {
            self.0 -= f64::from(asked);
        }
        admitted
    }
}

impl FromViewer {
    pub(super) fn new(responder: NackResponderInterceptor) -> Self {
        Self { responder, budget: Budget::default() }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for FromPublisher {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut tagged: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &tagged.message.packet
            && packets.iter().any(|packet| packet.as_any().is::<SenderReport>())
        {
            tagged.message.add(Attribute::DeliverToApplication);
        }
        self.reads.push_back(tagged);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(tagged);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for FromViewer {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut tagged: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &mut tagged.message.packet {
            packets.retain(|packet| packet.as_any().downcast_ref().is_none_or(|nack| self.budget.admits(nack)));
            if packets.is_empty() {
                return Ok(());
            }
            if packets.iter().any(|packet| is_keyframe_request(packet.as_ref())) {
                tagged.message.add(Attribute::DeliverToApplication);
            }
        }
        self.responder.handle_read(tagged)
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.responder.poll_read()
    }

    fn handle_write(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        if matches!(tagged.message.packet, Packet::Rtp(_)) {
            self.budget.earn();
        }
        self.responder.handle_write(tagged)
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.responder.poll_write()
    }
}

impl Interceptor for FromPublisher {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

impl Interceptor for FromViewer {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.responder.bind_local_stream(info);
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.responder.unbind_local_stream(info);
    }

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.responder.bind_remote_stream(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.responder.unbind_remote_stream(info);
    }
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::transport_feedbacks::transport_layer_nack::NackPair;

    use super::*;

    #[test]
    fn a_viewer_gets_no_more_retransmissions_than_its_share() {
        let mut budget = Budget::default();
        let nack = |pairs: usize| TransportLayerNack {
            sender_ssrc: 1,
            media_ssrc: 2,
            nacks: vec![NackPair { packet_id: 7, lost_packets: 0xffff }; pairs],
        };
        assert!(!budget.admits(&nack(300)), "5100 packets at once");
        assert!(budget.admits(&nack(5)));
        assert!(!budget.admits(&nack(5)));
        for _ in 0..4 * 17 * 5 {
            budget.earn();
        }
        assert!(budget.admits(&nack(5)));
    }
}
