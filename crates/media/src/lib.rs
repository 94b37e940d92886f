//! FFmpeg behind a small safe face: reading files and devices, decoding, encoding, scaling, still pictures.

mod decoder;
mod encoder;
mod opus;
mod picture;
mod source;
pub mod still;

pub use decoder::Decoder;
pub use encoder::{AccessUnit, Encoder, EncoderSettings};
pub use opus::OpusEncoder;
pub use picture::{Picture, VideoFrame};
pub use source::{AudioSamples, Source, SourceItem, SourceOptions};

/// What FFmpeg said, with what was being done.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("{doing}: {source}")]
    Ffmpeg { doing: String, source: ffmpeg_next::Error },
    #[error("{0}")]
    Unsupported(String),
}

/// Call once at the start of a program: registers devices, quietens FFmpeg's and x264's own log.
pub fn init() {
    todo!()
}
