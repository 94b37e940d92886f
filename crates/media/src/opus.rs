//! Opus encoding: 48 kHz stereo, 20 ms a packet.

use bytes::Bytes;

use crate::{AudioSamples, MediaError};

#[derive(Debug)]
pub struct OpusEncoder {}

impl OpusEncoder {
    /// # Errors
    /// When FFmpeg has no libopus.
    pub fn open(_bitrate_kbps: u32) -> Result<Self, MediaError> {
        todo!()
    }

    /// Takes samples of any length; returns (48 kHz timestamp, packet) for each 20 ms that became complete.
    ///
    /// # Errors
    /// When the encoder refuses the samples.
    pub fn encode(&mut self, _samples: &AudioSamples) -> Result<Vec<(u64, Bytes)>, MediaError> {
        todo!()
    }
}
