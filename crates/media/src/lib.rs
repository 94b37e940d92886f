//! FFmpeg behind a small safe face: reading files and devices, decoding, encoding, scaling, still pictures.
//!
//! Pictures go in and out as plain samples ([`Picture`]); nothing of FFmpeg's own types leaves this crate.

mod convert;
mod decoder;
mod encoder;
mod error;
mod ffi;
mod frame;
mod opus;
mod picture;
mod source;
pub mod still;

pub use decoder::Decoder;
pub use encoder::{AccessUnit, Encoder, EncoderSettings};
pub use error::MediaError;
pub use opus::OpusEncoder;
pub use picture::{Picture, VideoFrame};
pub use source::{AudioSamples, Source, SourceItem, SourceOptions};

/// Call once at the start of a program: quietens FFmpeg's and x264's own log.
pub fn init() {
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Fatal);
}
