//! A file or device as a sequence of pictures and sound, in presentation order, each with its time.

use std::time::Duration;

use crate::{MediaError, Picture};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceOptions {
    /// FFmpeg's name of the input format for devices (`v4l2`, `x11grab`, `lavfi`); guessed for files.
    pub format: Option<String>,
    /// Frames a second out of this many of the source; `None`: as they are.
    pub frames_per_second: Option<f64>,
    /// Where to begin in the file.
    pub start: Duration,
    /// At the end, begin again; times go on.
    pub repeat: bool,
}

#[derive(Clone, Debug)]
pub enum SourceItem {
    /// `index` counts the pictures of the clip in coding of the file (0-based, the same in each repetition).
    Video { at: Duration, index: u64, picture: Picture },
    Audio(AudioSamples),
}

/// Interleaved 48 kHz stereo f32.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioSamples {
    pub at: Duration,
    pub samples: Vec<f32>,
}

#[derive(Debug)]
pub struct Source {}

impl Source {
    /// # Errors
    /// When FFmpeg cannot open `input`, or it has no video.
    pub fn open(_input: &str, _options: SourceOptions) -> Result<Self, MediaError> {
        todo!()
    }

    /// Size of the pictures, before any crop.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        todo!()
    }

    /// Frames a second as a fraction, as far as the file tells.
    #[must_use]
    pub fn frame_rate(&self) -> (u32, u32) {
        todo!()
    }

    #[must_use]
    pub fn has_audio(&self) -> bool {
        todo!()
    }

    /// The next picture or sound; `None` at the end. Does not wait for its time.
    ///
    /// # Errors
    /// When reading or decoding fails for good; single damaged frames are skipped.
    pub fn next_item(&mut self) -> Result<Option<SourceItem>, MediaError> {
        todo!()
    }
}
