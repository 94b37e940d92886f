//! RTP payloads of H264 (RFC 6184), packetization mode 1.

use bytes::{BufMut, Bytes, BytesMut};

pub(crate) const SLICE: u8 = 1;
pub(crate) const IDR_SLICE: u8 = 5;
pub(crate) const SPS: u8 = 7;
pub(crate) const PPS: u8 = 8;
pub(crate) const ACCESS_UNIT_DELIMITER: u8 = 9;
pub(crate) const FILLER: u8 = 12;
pub(crate) const STAP_A: u8 = 24;
pub(crate) const FU_A: u8 = 28;
/// Bit of the FU header: the fragment begins, or ends, its NAL unit.
pub(crate) const FU_START: u8 = 0x80;
pub(crate) const FU_END: u8 = 0x40;

/// Other limits are taken as the nearer of these: a fragment needs its two header bytes and something behind them, and
/// no datagram is larger than 64 KiB.
const LEAST_PAYLOAD_BYTES: usize = 16;
const MOST_PAYLOAD_BYTES: usize = u16::MAX as usize;

/// Cuts one access unit (Annex B) into payloads of at most `max_payload_bytes`: parameter sets in one STAP-A, large
/// NAL units in FU-A fragments of equal size (the last one may be shorter), so that a relay can send them in one call.
/// Access unit delimiters and filler are left out.
#[must_use]
pub fn packetize(access_unit: &[u8], max_payload_bytes: usize) -> Vec<Bytes> {
    let max = max_payload_bytes.clamp(LEAST_PAYLOAD_BYTES, MOST_PAYLOAD_BYTES);
    let mut payloads = Vec::with_capacity(access_unit.len() / max + 2);
    let mut parameter_sets: Vec<&[u8]> = Vec::new();
    for nal in nal_units(access_unit) {
        match nal_type(nal) {
            ACCESS_UNIT_DELIMITER | FILLER => {}
            SPS | PPS => {
                if stap_a_len(&parameter_sets) + 2 + nal.len() > max {
                    push_parameter_sets(&mut payloads, &mut parameter_sets, max);
                }
                parameter_sets.push(nal);
            }
            _ => {
                push_parameter_sets(&mut payloads, &mut parameter_sets, max);
                push_nal(&mut payloads, nal, max);
            }
        }
    }
    push_parameter_sets(&mut payloads, &mut parameter_sets, max);
    payloads
}

/// Whether a payload holds (the beginning of) an IDR slice or a sequence parameter set.
#[must_use]
pub fn is_keyframe(payload: &[u8]) -> bool {
    nals_begun(payload).any(|nal| matches!(nal.kind, IDR_SLICE | SPS))
}

/// Whether a payload holds (the beginning of) a sequence parameter set: with it a decoder can begin, whatever was
/// before.
#[must_use]
pub fn holds_sps(payload: &[u8]) -> bool {
    nals_begun(payload).any(|nal| nal.kind == SPS)
}

/// Whether an access unit begins with this payload, as far as the payload alone can tell. A key frame counts only by
/// its parameter sets: an IDR slice may have lost those before it.
pub(crate) fn begins_access_unit(payload: &[u8]) -> bool {
    nals_begun(payload).next().is_some_and(|nal| match nal.kind {
        SPS | ACCESS_UNIT_DELIMITER => true,
        // first_mb_in_slice is ue(v) and comes first: 0 is the single bit 1.
        SLICE => nal.body.first().is_some_and(|byte| byte & 0x80 != 0),
        _ => false,
    })
}

/// NAL units of an Annex B access unit, without start codes.
pub fn nal_units(access_unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(access_unit).map(|at| &access_unit[at..]);
    std::iter::from_fn(move || {
        loop {
            let body = rest?;
            let next = after_start_code(body);
            let end = next.map_or(body.len(), |at| at - 3);
            rest = next.map(|at| &body[at..]);
            // A NAL unit never ends in a zero byte: these belong to the next start code or are padding.
            let nal = &body[..end];
            let length = nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if length > 0 {
                return Some(&nal[..length]);
            }
        }
    })
}

/// The NAL units inside a STAP-A payload (its own header byte included), or `Err` from where its lengths are wrong.
pub(crate) fn aggregated(stap_a: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    let mut rest = stap_a.get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let nal = rest.split_first_chunk::<2>().and_then(|(length, after)| {
            let (nal, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            rest = after;
            (!nal.is_empty()).then_some(nal)
        });
        Some(nal.ok_or_else(|| {
            rest = &[];
            Malformed
        }))
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

struct NalBegun<'a> {
    kind: u8,
    /// what is there of the NAL unit behind its header byte
    body: &'a [u8],
}

/// The NAL units of which a payload holds the beginning.
fn nals_begun(payload: &[u8]) -> impl Iterator<Item = NalBegun<'_>> {
    let kind = nal_type(payload);
    let single = match (kind, payload) {
        (FU_A, [_, header, body @ ..]) if header & FU_START != 0 => Some(NalBegun { kind: header & 0x1f, body }),
        (1..STAP_A, [_, body @ ..]) => Some(NalBegun { kind, body }),
        _ => None,
    };
    let aggregate = if kind == STAP_A { payload } else { &[] };
    single
        .into_iter()
        .chain(aggregated(aggregate).map_while(Result::ok).map(|nal| NalBegun { kind: nal_type(nal), body: &nal[1..] }))
}

/// The index behind the first `00 00 01`.
fn after_start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    while at < bytes.len() {
        match bytes[at] {
            0 => at += 1,
            1 if bytes[at - 1] == 0 && bytes[at - 2] == 0 => return Some(at + 1),
            // Neither this byte nor the two before it can be zeros of a start code that ends before `at + 3`.
            _ => at += 3,
        }
    }
    None
}

fn stap_a_len(nals: &[&[u8]]) -> usize {
    1 + nals.iter().map(|nal| 2 + nal.len()).sum::<usize>()
}

fn push_parameter_sets(payloads: &mut Vec<Bytes>, nals: &mut Vec<&[u8]>, max: usize) {
    if let [nal] = nals[..] {
        push_nal(payloads, nal, max);
    } else if !nals.is_empty() {
        let mut payload = BytesMut::with_capacity(stap_a_len(nals));
        let importance = nals.iter().map(|nal| nal[0] & 0x60).max().unwrap_or_default();
        payload.put_u8(importance | STAP_A);
        for nal in nals.iter() {
            payload.put_u16(u16::try_from(nal.len()).expect("a STAP-A is not larger than max, which fits"));
            payload.put_slice(nal);
        }
        payloads.push(payload.freeze());
    }
    nals.clear();
}

fn push_nal(payloads: &mut Vec<Bytes>, nal: &[u8], max: usize) {
    if nal.len() <= max {
        payloads.push(Bytes::copy_from_slice(nal));
        return;
    }
    let (header, body) = (nal[0], &nal[1..]);
    let fragments = body.len().div_ceil(max - 2);
    let mut chunks = body.chunks(body.len().div_ceil(fragments)).peekable();
    let mut position = FU_START;
    while let Some(chunk) = chunks.next() {
        let mut payload = BytesMut::with_capacity(2 + chunk.len());
        payload.put_u8(header & 0xe0 | FU_A);
        payload.put_u8(header & 0x1f | position | if chunks.peek().is_none() { FU_END } else { 0 });
        payload.put_slice(chunk);
        payloads.push(payload.freeze());
        position = 0;
    }
}

#[cfg(test)]
mod tests;
