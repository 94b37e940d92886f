//! What can go wrong, by what the caller does next.

use ffmpeg_next as ffmpeg;

#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// FFmpeg could not do it.
    #[error("{doing}: {source}")]
    Ffmpeg { doing: String, source: ffmpeg::Error },
    /// Change the settings or the input.
    #[error("{0}")]
    Unsupported(String),
    /// Skip these bytes; a video decoder goes on from the next key frame.
    #[error("{0}")]
    Damaged(String),
}

/// Says what was being done when FFmpeg failed.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &str) -> Result<T, MediaError>;
}

impl<T> Doing<T> for Result<T, ffmpeg::Error> {
    fn doing(self, doing: &str) -> Result<T, MediaError> {
        self.map_err(|source| MediaError::Ffmpeg { doing: doing.to_owned(), source })
    }
}

/// FFmpeg has nothing more to give for now: feed it.
pub(crate) fn wants_more(error: &ffmpeg::Error) -> bool {
    matches!(error, ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN })
}
