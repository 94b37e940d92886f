//! RTP payloads of H264 (RFC 6184), packetization mode 1.

use bytes::Bytes;

/// Cuts one access unit (Annex B) into payloads of at most `max_payload_bytes`: parameter sets in one STAP-A, large
/// NAL units in FU-A fragments of equal size (the last one may be shorter), so that a relay can send them in one call.
/// Access unit delimiters and filler are left out.
#[must_use]
pub fn packetize(_access_unit: &[u8], _max_payload_bytes: usize) -> Vec<Bytes> {
    todo!()
}

/// Whether a payload holds (the beginning of) an IDR slice or a sequence parameter set.
#[must_use]
pub fn is_keyframe(_payload: &[u8]) -> bool {
    todo!()
}

/// NAL units of an Annex B access unit, without start codes.
pub fn nal_units(_access_unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::empty()
}
