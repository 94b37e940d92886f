//! SCTP packets (RFC 9260) of a data channel, judged after DTLS has decrypted them.
//!
//! Three chunks of an otherwise proper peer would hurt the stack: ABORT or ERROR whose cause is longer than its chunk
//! (panic), a channel control message that is too short (panic), and FORWARD-TSN far ahead (seconds of looping).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const COMMON_HEADER_BYTES: usize = 12;
const DATA: u8 = 0;
const SACK: u8 = 3;
const ABORT: u8 = 6;
const ERROR: u8 = 9;
const FORWARD_TSN: u8 = 192;

/// Payload protocol identifier of the data channel establishment protocol (RFC 8832).
const DCEP: u32 = 50;
const DCEP_ACK: u8 = 2;
const DCEP_OPEN: u8 = 3;
const DCEP_OPEN_HEADER_BYTES: usize = 12;
const UNFRAGMENTED: u8 = 0b11;

/// Streams are created by any DATA chunk; one channel is all that is needed.
const MAX_STREAM: u16 = 63;
/// How many transmission sequence numbers may be abandoned at once: some 10 MB of chunks.
const MAX_FORWARD: u32 = 8192;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hostile(pub(super) &'static str);

/// What our own packets said of the peer's: its cumulative transmission sequence number as last acknowledged.
#[derive(Debug, Default)]
pub(super) struct Acknowledged(AtomicU64);

impl Acknowledged {
    const KNOWN: u64 = 1 << 32;

    fn get(&self) -> Option<u32> {
        let value = self.0.load(Relaxed);
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the number")]
        (value & Self::KNOWN != 0).then_some(value as u32)
    }

    /// Reads one of our own packets.
    pub(super) fn observe_sent(&self, packet: &[u8]) {
        for (kind, _, body) in chunks(packet).flatten() {
            if let (SACK, Some(cumulative)) = (kind, body.first_chunk()) {
                self.0.store(Self::KNOWN | u64::from(u32::from_be_bytes(*cumulative)), Relaxed);
            }
        }
    }

    /// Judges one packet of the peer.
    pub(super) fn check_received(&self, packet: &[u8]) -> Result<(), Hostile> {
        for chunk in chunks(packet) {
            let (kind, flags, body) = chunk?;
            match kind {
                DATA => check_data(flags, body)?,
                ABORT | ERROR => check_causes(body)?,
                FORWARD_TSN => self.check_forward(body)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn check_forward(&self, body: &[u8]) -> Result<(), Hostile> {
        let Some(new) = body.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)) else {
            return Err(Hostile("short FORWARD-TSN"));
        };
        let acknowledged = self.get().ok_or(Hostile("FORWARD-TSN before any data"))?;
        let ahead = new.wrapping_sub(acknowledged);
        // Behind (as a serial number) is old news, which the stack answers with an acknowledgement.
        if ahead > MAX_FORWARD && ahead < 1 << 31 { Err(Hostile("FORWARD-TSN too far ahead")) } else { Ok(()) }
    }
}

/// (type, flags, value) of each chunk.
fn chunks(packet: &[u8]) -> impl Iterator<Item = Result<(u8, u8, &[u8]), Hostile>> {
    let mut rest = packet.get(COMMON_HEADER_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let head = rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let Some(body) = rest.get(4..length) else {
            rest = &[];
            return Some(Err(Hostile("chunk longer than its packet")));
        };
        let chunk = (head[0], head[1], body);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(chunk))
    })
}

fn check_data(flags: u8, body: &[u8]) -> Result<(), Hostile> {
    let Some((header, payload)) = body.split_first_chunk::<12>() else {
        return Err(Hostile("short DATA"));
    };
    if u16::from_be_bytes([header[4], header[5]]) > MAX_STREAM {
        return Err(Hostile("stream out of range"));
    }
    if u32::from_be_bytes([header[8], header[9], header[10], header[11]]) != DCEP {
        return Ok(());
    }
    let well_formed = match payload {
        [DCEP_ACK] => true,
        [DCEP_OPEN, ..] => {
            payload.len() >= DCEP_OPEN_HEADER_BYTES && {
                let length = |at: usize| usize::from(u16::from_be_bytes([payload[at], payload[at + 1]]));
                payload.len() == DCEP_OPEN_HEADER_BYTES + length(8) + length(10)
            }
        }
        _ => false,
    };
    if well_formed && flags & UNFRAGMENTED == UNFRAGMENTED { Ok(()) } else { Err(Hostile("malformed channel control")) }
}

/// Error causes fill their chunk exactly (RFC 9260 section 3.3.10).
fn check_causes(mut body: &[u8]) -> Result<(), Hostile> {
    while let Some(head) = body.first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if length < 4 || length > body.len() {
            return Err(Hostile("cause longer than its chunk"));
        }
        body = body.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    if body.is_empty() { Ok(()) } else { Err(Hostile("cause cut short")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + body.len()).unwrap();
        let mut chunk = [&[kind, flags][..], &length.to_be_bytes(), body].concat();
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    fn packet(chunks: &[Vec<u8>]) -> Vec<u8> {
        [&[0; COMMON_HEADER_BYTES][..], &chunks.concat()].concat()
    }

    fn data(stream: u16, protocol: u32, payload: &[u8]) -> Vec<u8> {
        let header = [&[0, 0, 0, 1][..], &stream.to_be_bytes(), &[0, 0], &protocol.to_be_bytes()].concat();
        chunk(DATA, UNFRAGMENTED, &[&header[..], payload].concat())
    }

    fn forward(new: u32) -> Vec<u8> {
        packet(&[chunk(FORWARD_TSN, 0, &new.to_be_bytes())])
    }

    #[test]
    fn a_forward_tsn_is_taken_only_near_what_was_acknowledged() {
        let acknowledged = Acknowledged::default();
        assert!(acknowledged.check_received(&forward(5)).is_err(), "before any data");
        let sack = [&(u32::MAX - 2).to_be_bytes()[..], &[0; 8]].concat();
        acknowledged.observe_sent(&packet(&[chunk(SACK, 0, &sack)]));
        for (new, taken) in
            [(u32::MAX - 2, true), (3, true), (8000, true), (9000, false), (1 << 30, false), (u32::MAX - 9, true)]
        {
            assert_eq!(acknowledged.check_received(&forward(new)).is_ok(), taken, "{new}");
        }
    }

    #[test]
    fn causes_must_fit_their_chunk() {
        let acknowledged = Acknowledged::default();
        for (body, taken) in [
            (&[][..], true),
            (&[0, 12, 0, 4], true),
            (&[0, 12, 0, 6, 1, 2, 0, 0], true),
            (&[0, 12, 0xff, 0xff], false),
            (&[0, 12, 0, 0], false),
            (&[0, 12], false),
        ] {
            for kind in [ABORT, ERROR] {
                assert_eq!(acknowledged.check_received(&packet(&[chunk(kind, 0, body)])).is_ok(), taken, "{body:?}");
            }
        }
    }

    #[test]
    fn channel_control_must_be_whole_and_of_its_length() {
        let acknowledged = Acknowledged::default();
        let open = [&[3, 0x80, 0, 0, 0, 0, 5, 220, 0, 7, 0, 9][..], b"patches", b"acuity.v1"].concat();
        for (payload, taken) in [
            (&open[..], true),
            (&[2], true),
            (&open[..20], false),
            (&[3, 0, 0], false),
            (&[0, 1, 2, 3], false),
            (&[1], false),
            (&[], false),
        ] {
            assert_eq!(acknowledged.check_received(&packet(&[data(1, DCEP, payload)])).is_ok(), taken, "{payload:?}");
        }
        assert!(
            acknowledged.check_received(&packet(&[data(1, 53, &[0, 1, 2])])).is_ok(),
            "a message's bytes are its own"
        );
        assert!(acknowledged.check_received(&packet(&[data(64, 53, &[0])])).is_err(), "one more stream than allowed");
    }

    #[test]
    fn a_chunk_longer_than_its_packet_is_refused() {
        assert!(Acknowledged::default().check_received(&packet(&[vec![DATA, 3, 0xff, 0xff, 0, 0, 0, 0]])).is_err());
        assert!(Acknowledged::default().check_received(&packet(&[vec![DATA, 3, 0, 2]])).is_err());
    }
}
