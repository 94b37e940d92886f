//! RTCP on its way from a peer: what the application is to see of it, and how much of it is obeyed.

use std::{collections::VecDeque, time::Instant};

use rtc::{
    interceptor::{Attribute, Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{
        payload_feedbacks::{full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication},
        sender_report::SenderReport,
        transport_feedbacks::transport_layer_nack::TransportLayerNack,
    },
    sansio::Protocol,
    shared::error::Error,
};

/// Retransmissions one viewer may ask for: one NACK of 1.4 KB could ask for six thousand.
const MAX_RETRANSMISSIONS_PER_SECOND: f64 = 600.0;
const MAX_RETRANSMISSION_BURST: f64 = 300.0;

pub(super) fn is_keyframe_request(packet: &dyn rtc::rtcp::Packet) -> bool {
    let packet = packet.as_any();
    packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()
}

/// Delivers sender reports, and hides nothing from the interceptors before it.
#[derive(Default)]
pub(super) struct FromPublisher(Queues);

/// Delivers key frame requests, and lets through as many requests for retransmission as the budget allows.
#[derive(Default)]
pub(super) struct FromViewer {
    queues: Queues,
    budget: Budget,
}

#[derive(Default)]
struct Queues {
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

struct Budget {
    retransmissions: f64,
    at: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { retransmissions: MAX_RETRANSMISSION_BURST, at: None }
    }
}

impl Budget {
    fn admits(&mut self, now: Instant, nack: &TransportLayerNack) -> bool {
        let elapsed = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.at = Some(now);
        let refilled = self.retransmissions + elapsed * MAX_RETRANSMISSIONS_PER_SECOND;
        self.retransmissions = refilled.min(MAX_RETRANSMISSION_BURST);
        let asked: u32 = nack.nacks.iter().map(|pair| 1 + pair.lost_packets.count_ones()).sum();
        let admitted = f64::from(asked) <= self.retransmissions;
        if admitted {
            self.retransmissions -= f64::from(asked);
        }
        admitted
    }
}

impl FromPublisher {
    fn read(&mut self, mut tagged: TaggedPacket) {
        if let Packet::Rtcp(packets) = &tagged.message.packet
            && packets.iter().any(|packet| packet.as_any().is::<SenderReport>())
        {
            tagged.message.add(Attribute::DeliverToApplication);
        }
        self.0.reads.push_back(tagged);
    }

    fn queues(&mut self) -> &mut Queues {
        &mut self.0
    }
}

impl FromViewer {
    fn read(&mut self, mut tagged: TaggedPacket) {
        if let Packet::Rtcp(packets) = &mut tagged.message.packet {
            packets.retain(|packet| {
                packet.as_any().downcast_ref().is_none_or(|nack| self.budget.admits(tagged.now, nack))
            });
            if packets.is_empty() {
                return;
            }
            if packets.iter().any(|packet| is_keyframe_request(packet.as_ref())) {
                tagged.message.add(Attribute::DeliverToApplication);
            }
        }
        self.queues.reads.push_back(tagged);
    }

    fn queues(&mut self) -> &mut Queues {
        &mut self.queues
    }
}

macro_rules! interceptor {
    ($name:ty) => {
        impl Protocol<TaggedPacket, TaggedPacket, ()> for $name {
            type Rout = TaggedPacket;
            type Wout = TaggedPacket;
            type Eout = ();
            type Error = Error;
            type Time = Instant;

            fn handle_read(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
                self.read(tagged);
                Ok(())
            }

            fn poll_read(&mut self) -> Option<TaggedPacket> {
                self.queues().reads.pop_front()
            }

            fn handle_write(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
                self.queues().writes.push_back(tagged);
                Ok(())
            }

            fn poll_write(&mut self) -> Option<TaggedPacket> {
                self.queues().writes.pop_front()
            }
        }

        impl Interceptor for $name {
            fn bind_local_stream(&mut self, _info: &StreamInfo) {}
            fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
            fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
            fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
        }
    };
}

interceptor!(FromPublisher);
interceptor!(FromViewer);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rtc::rtcp::transport_feedbacks::transport_layer_nack::NackPair;

    use super::*;

    #[test]
    fn a_viewer_gets_no_more_retransmissions_than_its_budget() {
        let mut budget = Budget::default();
        let nack = |pairs: usize| TransportLayerNack {
            sender_ssrc: 1,
            media_ssrc: 2,
            nacks: vec![NackPair { packet_id: 7, lost_packets: 0xffff }; pairs],
        };
        let start = Instant::now();
        assert!(!budget.admits(start, &nack(300)), "5100 packets at once");
        assert!(budget.admits(start, &nack(10)));
        assert!(!budget.admits(start, &nack(10)));
        assert!(budget.admits(start + Duration::from_millis(300), &nack(10)));
    }
}
