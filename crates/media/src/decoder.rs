//! H264 decoding, one access unit in, at most a few pictures out, without delay.

use crate::{MediaError, VideoFrame};

#[derive(Debug)]
pub struct Decoder {}

impl Decoder {
    /// `threads` of FFmpeg's slice decoder; frames are never delayed.
    ///
    /// # Errors
    /// When FFmpeg has no H264 decoder.
    pub fn h264(_threads: usize) -> Result<Self, MediaError> {
        todo!()
    }

    /// Decodes one access unit (Annex B). A change of size is followed.
    ///
    /// # Errors
    /// When the access unit cannot be decoded; the decoder may be used on from the next key frame.
    pub fn decode(&mut self, _access_unit: &[u8], _timestamp: u64) -> Result<Vec<VideoFrame>, MediaError> {
        todo!()
    }
}
