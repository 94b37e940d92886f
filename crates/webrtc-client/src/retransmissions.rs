//! Keeps repairs from making a full path fuller: without a limit, each packet that a full path drops is asked for and
//! sent again and again, many times the rate of the video itself.

use std::{collections::VecDeque, time::Instant};

use rtc::{
    interceptor::{Attribute, Interceptor, Packet, StreamInfo, TaggedPacket},
    sansio::Protocol,
    shared::error::Error,
};

/// Bytes that may be sent again, as a share of those sent for the first time.
#[derive(Debug)]
struct Budget {
    bytes: f64,
}

/// Repairs a loss of up to a fifth; beyond that, sending less helps and sending again does not.
const SHARE: f64 = 0.25;
/// Saved up at most: about the packets of one key frame.
const SAVED_BYTES: f64 = 32_768.0;

impl Budget {
    fn sent(&mut self, bytes: usize) {
        self.bytes = (self.bytes + SHARE * bytes as f64).min(SAVED_BYTES);
    }

    fn takes_a_repair(&mut self, bytes: usize) -> bool {
        let takes = self.bytes > 0.0;
        if takes {
            self.bytes -= bytes as f64;
        }
        takes
    }
}

/// Drops retransmissions beyond their budget. Belongs between the NACK responder and everything nearer to the wire, so
/// that what is dropped gets no transport-wide number.
pub(crate) struct RetransmissionLimit {
    budget: Budget,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Default for RetransmissionLimit {
    fn default() -> Self {
        Self { budget: Budget { bytes: SAVED_BYTES }, reads: VecDeque::new(), writes: VecDeque::new() }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for RetransmissionLimit {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        self.reads.push_back(tagged);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(packet) = &tagged.message.packet {
            let bytes = packet.payload.len();
            if !tagged.message.has(&Attribute::Retransmission) {
                self.budget.sent(bytes);
            } else if !self.budget.takes_a_repair(bytes) {
                return Ok(());
            }
        }
        self.writes.push_back(tagged);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for RetransmissionLimit {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of packets sent again when `asked` repairs are asked for with each packet.
    fn repaired(asked: f64) -> f64 {
        let (mut budget, mut owed, mut repairs) = (Budget { bytes: SAVED_BYTES }, 0.0, 0);
        for _ in 0..10_000 {
            budget.sent(1000);
            owed += asked;
            while owed >= 1.0 {
                owed -= 1.0;
                repairs += u32::from(budget.takes_a_repair(1000));
            }
        }
        f64::from(repairs) / 10_000.0
    }

    #[test]
    fn moderate_loss_is_repaired_and_a_storm_is_not_answered() {
        assert!((repaired(0.03) - 0.03).abs() < 0.001);
        assert!((repaired(0.2) - 0.2).abs() < 0.001);
        assert!((repaired(20.0) - SHARE).abs() < 0.01);
    }
}
