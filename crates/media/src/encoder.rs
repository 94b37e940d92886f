//! H264 encoding with x264: zero latency, constrained baseline, one slice per thread, parameter sets before each key frame.

use bytes::Bytes;

use crate::{MediaError, Picture};

#[derive(Clone, Debug, PartialEq)]
pub struct EncoderSettings {
    /// FFmpeg's name of the encoder, `libx264` unless the build has another.
    pub encoder: String,
    pub width: usize,
    pub height: usize,
    /// Frames a second as a fraction, for rate control.
    pub frame_rate: (u32, u32),
    pub bitrate_kbps: u32,
    pub preset: String,
    pub threads: usize,
    /// Frames between key frames that nobody asked for; `None`: only when asked.
    pub keyframe_interval: Option<u32>,
}

/// One coded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    pub timestamp: u64,
    pub keyframe: bool,
    /// Annex B
    pub data: Bytes,
}

#[derive(Debug)]
pub struct Encoder {}

impl Encoder {
    /// # Errors
    /// When FFmpeg has not this encoder, or it refuses the settings.
    pub fn open(_settings: &EncoderSettings) -> Result<Self, MediaError> {
        todo!()
    }

    /// Encodes one picture of the size it was opened with; VBV of one second keeps the rate.
    ///
    /// # Errors
    /// When the encoder refuses the picture.
    pub fn encode(&mut self, _picture: &Picture, _timestamp: u64, _force_keyframe: bool) -> Result<Option<AccessUnit>, MediaError> {
        todo!()
    }

    /// From the next picture on, without a key frame.
    pub fn set_bitrate_kbps(&mut self, _bitrate_kbps: u32) {
        todo!()
    }
}
