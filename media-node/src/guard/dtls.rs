//! DTLS records as they come from the wire: how many, how large and in what pieces a handshake may arrive.
//!
//! The stack joins handshake fragments by recursion, one level a fragment, and keeps what it cannot decrypt yet.

use std::time::{Duration, Instant};

use super::Refusal;

const RECORD_HEADER_BYTES: usize = 13;
const HANDSHAKE_HEADER_BYTES: usize = 12;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

const MAX_RECORDS: u32 = 96;
const MAX_BYTES: usize = 64 << 10;
/// A shorter fragment must end its message.
const MIN_FRAGMENT_BYTES: u32 = 64;
const MAX_MESSAGE_SEQUENCE: u16 = 16;
/// The last flight may be repeated for so long.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Handshake {
    records: u32,
    bytes: usize,
    completed_at: Option<Instant>,
}

impl Handshake {
    pub(super) fn complete(&mut self, now: Instant) {
        self.completed_at.get_or_insert(now);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.completed_at.is_some()
    }

    /// Takes or refuses all records of a datagram together.
    pub(super) fn check(&mut self, now: Instant, mut datagram: &[u8]) -> Result<(), Refusal> {
        while !datagram.is_empty() {
            let (header, rest) = datagram.split_at_checked(RECORD_HEADER_BYTES).ok_or(Refusal::Malformed)?;
            let kind = header[0];
            let epoch = u16::from_be_bytes([header[3], header[4]]);
            let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
            let (body, rest) = rest.split_at_checked(length).ok_or(Refusal::Malformed)?;
            self.count(now, kind, length)?;
            if kind == HANDSHAKE && epoch == 0 {
                check_fragments(body)?;
            }
            datagram = rest;
        }
        Ok(())
    }

    /// Until the handshake is complete every record counts, for those that cannot be decrypted yet are kept.
    fn count(&mut self, now: Instant, kind: u8, length: usize) -> Result<(), Refusal> {
        if let Some(completed_at) = self.completed_at {
            if !matches!(kind, HANDSHAKE | CHANGE_CIPHER_SPEC) {
                return Ok(());
            }
            if now.saturating_duration_since(completed_at) > GRACE {
                return Err(Refusal::Handshake);
            }
        }
        self.records += 1;
        self.bytes += length;
        if self.records > MAX_RECORDS || self.bytes > MAX_BYTES { Err(Refusal::Handshake) } else { Ok(()) }
    }
}

/// The handshake messages, or pieces of them, in one plaintext record (RFC 6347 section 4.2.2).
fn check_fragments(mut body: &[u8]) -> Result<(), Refusal> {
    while !body.is_empty() {
        let (header, rest) = body.split_at_checked(HANDSHAKE_HEADER_BYTES).ok_or(Refusal::Malformed)?;
        let u24 = |at: usize| u32::from_be_bytes([0, header[at], header[at + 1], header[at + 2]]);
        let (length, offset, fragment) = (u24(1), u24(6), u24(9));
        let sequence = u16::from_be_bytes([header[4], header[5]]);
        let end = offset + fragment;
        let is_small = fragment < MIN_FRAGMENT_BYTES && end != length;
        if is_small || end > length || length as usize > MAX_BYTES || sequence > MAX_MESSAGE_SEQUENCE {
            return Err(Refusal::Handshake);
        }
        body = rest.get(fragment as usize..).ok_or(Refusal::Malformed)?;
    }
    Ok(())
}
