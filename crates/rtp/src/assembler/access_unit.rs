//! One access unit, grown from payload to payload.

use bytes::Bytes;

use super::Assembler;
use crate::h264::{self, FU_A, FU_END, FU_START, IDR_SLICE, Malformed, STAP_A};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

#[derive(Debug, Default)]
pub(super) struct AccessUnit {
    annex_b: Vec<u8>,
    keyframe: bool,
    /// The NAL unit type of which fragments came and the last one did not yet.
    fragmented: Option<u8>,
}

impl AccessUnit {
    /// Whether it has an IDR slice.
    pub(super) fn keyframe(&self) -> bool {
        self.keyframe
    }

    /// Takes the next payload; an error means that the unit is beyond repair.
    pub(super) fn append(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let room = Assembler::MAX_FRAME_BYTES.saturating_sub(self.annex_b.len());
        // The worst case is a STAP-A of one-byte NAL units: three bytes become five.
        if payload.len() * 2 + START_CODE.len() > room {
            return Err(Malformed);
        }
        match (h264::nal_type(payload), self.fragmented) {
            (FU_A, _) => self.append_fragment(payload),
            (1..STAP_A, None) => {
                self.append_nal(payload[0], &payload[1..]);
                Ok(())
            }
            (STAP_A, None) => h264::aggregated(payload).try_for_each(|nal| {
                let nal = nal?;
                self.append_nal(nal[0], &nal[1..]);
                Ok(())
            }),
            _ => Err(Malformed),
        }
    }

    /// Annex B; `None` when the last NAL unit is not all there, or there is none.
    pub(super) fn finish(self) -> Option<Bytes> {
        (self.fragmented.is_none() && !self.annex_b.is_empty()).then(|| self.annex_b.into())
    }

    fn append_fragment(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let [indicator, header, body @ ..] = payload else { return Err(Malformed) };
        let kind = header & 0x1f;
        match (header & FU_START != 0, self.fragmented) {
            (true, None) if (1..STAP_A).contains(&kind) => self.append_nal(indicator & 0xe0 | kind, body),
            (false, Some(begun)) if begun == kind => self.annex_b.extend_from_slice(body),
            _ => return Err(Malformed),
        }
        self.fragmented = (header & FU_END == 0).then_some(kind);
        Ok(())
    }

    fn append_nal(&mut self, header: u8, body: &[u8]) {
        self.keyframe |= header & 0x1f == IDR_SLICE;
        self.annex_b.extend_from_slice(&START_CODE);
        self.annex_b.push(header);
        self.annex_b.extend_from_slice(body);
    }
}
