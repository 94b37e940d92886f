//! A file or device as a sequence of pictures and sound, in presentation order, each with its time.

mod queue;
mod track;

use std::time::Duration;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::media::Type;

use self::{
    queue::Interleave,
    track::{AudioTrack, VideoTrack},
};
use crate::{MediaError, Picture, error::Doing, ffi};

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
    /// `index` counts the pictures of the file from 0 in presentation order, the same in each repetition, those left
    /// out for `frames_per_second` too. After a `start` it is reckoned from the frame rate.
    Video {
        at: Duration,
        index: u64,
        picture: Picture,
    },
    Audio(AudioSamples),
    /// A device has nothing yet; said each few milliseconds, so that the caller may stop waiting.
    NotYet,
}

/// Interleaved 48 kHz stereo f32.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioSamples {
    pub at: Duration,
    pub samples: Vec<f32>,
}

/// Times begin at zero, at `start` of the file; rotation and pixel aspect of the file are left as they are.
pub struct Source {
    input: String,
    options: SourceOptions,
    size: (usize, usize),
    frame_rate: (u32, u32),
    pass: Pass,
    /// Added to the times of this pass: the length of those before it.
    offset: Duration,
    ready: Interleave,
}

/// One reading of the input from its start to its end.
struct Pass {
    demuxer: ffmpeg::format::context::Input,
    video: VideoTrack,
    audio: Option<AudioTrack>,
    ended: bool,
}

/// What an attempt to read a packet gave.
#[derive(Debug, PartialEq)]
enum Attempt {
    Packet,
    NotYet,
    End,
}

/// Damaged packets in a row after which the input is given up.
const MAX_DAMAGED: u32 = 1_000;
/// Before a device that has nothing yet is asked again.
const DEVICE_NAP: Duration = Duration::from_millis(5);

impl Source {
    /// # Errors
    /// When FFmpeg cannot open `input`, or it has no video.
    pub fn open(input: &str, options: SourceOptions) -> Result<Self, MediaError> {
        // Here and not in `init`: devices bring more than a hundred libraries with them, and only sources need them.
        ffmpeg::device::register_all();
        let pass = Pass::open(input, &options)?;
        let (size, frame_rate) = (pass.video.size(), decimated(pass.video.frame_rate(), options.frames_per_second));
        let ready = Interleave::new(pass.audio.is_some());
        Ok(Self { input: input.to_owned(), options, size, frame_rate, pass, offset: Duration::ZERO, ready })
    }

    /// Size of the pictures, before any crop.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Frames a second that come out, as a fraction, as far as the file tells.
    #[must_use]
    pub fn frame_rate(&self) -> (u32, u32) {
        self.frame_rate
    }

    #[must_use]
    pub fn has_audio(&self) -> bool {
        self.pass.audio.is_some()
    }

    /// The next picture or sound; `None` at the end. Does not wait for its time.
    ///
    /// # Errors
    /// When reading or decoding fails for good; single damaged frames are skipped.
    pub fn next_item(&mut self) -> Result<Option<SourceItem>, MediaError> {
        loop {
            if let Some(item) = self.ready.pop() {
                return Ok(Some(item));
            }
            if !self.pass.ended {
                if self.pass.read(self.offset, &mut self.ready)? == Attempt::NotYet {
                    std::thread::sleep(DEVICE_NAP);
                    return Ok(Some(SourceItem::NotYet));
                }
            } else if self.options.repeat && !self.pass.length().is_zero() {
                self.offset += self.pass.length();
                self.pass = Pass::open(&self.input, &self.options)?;
                self.ready = Interleave::new(self.pass.audio.is_some());
            } else {
                return Ok(None);
            }
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("input", &self.input).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Pass {
    fn open(input: &str, options: &SourceOptions) -> Result<Self, MediaError> {
        let mut demuxer = open_input(input, options.format.as_deref())?;
        let live = options.format.is_some();
        let best = |kind| demuxer.streams().best(kind);
        let stream = best(Type::Video).ok_or_else(|| MediaError::Unsupported(format!("{input} holds no video")))?;
        let mut video = VideoTrack::open(&stream, live, options.frames_per_second)?;
        let mut audio = best(Type::Audio).map(|stream| AudioTrack::open(&stream)).transpose()?;

        let begin = Duration::from_micros(u64::try_from(ffi::start_time_us(&demuxer).unwrap_or(0)).unwrap_or(0));
        let start = begin + options.start;
        let sought = !options.start.is_zero() && {
            let target = i64::try_from(start.as_micros()).unwrap_or(i64::MAX);
            demuxer.seek(target, ..target).is_ok()
        };
        video.begin(start, sought);
        if let Some(audio) = &mut audio {
            audio.begin(start);
        }
        Ok(Self { demuxer, video, audio, ended: false })
    }

    /// From where the source begins to the end of what was read.
    fn length(&self) -> Duration {
        self.audio.as_ref().map_or(Duration::ZERO, AudioTrack::end).max(self.video.end())
    }

    /// Reads one packet, and queues what comes of it.
    fn read(&mut self, offset: Duration, ready: &mut Interleave) -> Result<Attempt, MediaError> {
        let mut packet = ffmpeg::Packet::empty();
        let attempt = next_attempt(|| packet.read(&mut self.demuxer))?;
        match &attempt {
            Attempt::NotYet => return Ok(attempt),
            Attempt::Packet if packet.stream() == self.video.stream() => self.video.send(Some(&packet)),
            Attempt::Packet => match &mut self.audio {
                Some(audio) if packet.stream() == audio.stream() => audio.send(Some(&packet)),
                _ => return Ok(attempt),
            },
            Attempt::End => {
                self.ended = true;
                self.video.send(None);
                self.audio.iter_mut().for_each(|audio| audio.send(None));
            }
        }
        while let Some(frame) = self.video.receive()? {
            ready.push_video(SourceItem::Video { at: frame.at + offset, index: frame.index, picture: frame.picture });
        }
        if let Some(audio) = &mut self.audio {
            while let Some(AudioSamples { at, samples }) = audio.receive()? {
                ready.push_audio(AudioSamples { at: at + offset, samples });
            }
        }
        if self.ended {
            ready.end();
        }
        Ok(attempt)
    }
}

/// Skips damaged packets, as many in a row as may be.
fn next_attempt(mut read: impl FnMut() -> Result<(), ffmpeg::Error>) -> Result<Attempt, MediaError> {
    for _ in 0..MAX_DAMAGED {
        match read() {
            Ok(()) => return Ok(Attempt::Packet),
            Err(ffmpeg::Error::Eof) => return Ok(Attempt::End),
            Err(ffmpeg::Error::InvalidData) => {}
            Err(ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => return Ok(Attempt::NotYet),
            Err(error) => return Err(error).doing("reading the input"),
        }
    }
    Err(ffmpeg::Error::InvalidData).doing("reading the input")
}

fn open_input(input: &str, format: Option<&str>) -> Result<ffmpeg::format::context::Input, MediaError> {
    if input.contains('\0') {
        return Err(MediaError::Unsupported("the name of an input has no zero bytes".to_owned()));
    }
    let doing = format!("opening {input}");
    let Some(name) = format else {
        return ffmpeg::format::input(input).doing(&doing);
    };
    let format = ffi::find_input_format(name)
        .ok_or_else(|| MediaError::Unsupported(format!("this FFmpeg has no input format {name}")))?;
    match ffmpeg::format::open(input, &ffmpeg::Format::Input(format)).doing(&doing)? {
        ffmpeg::format::Context::Input(input) => Ok(input),
        ffmpeg::format::Context::Output(_) => Err(MediaError::Unsupported(format!("{name} is no input format"))),
    }
}

fn decimated(rate: (u32, u32), wanted: Option<f64>) -> (u32, u32) {
    match wanted {
        Some(wanted) if wanted < f64::from(rate.0) / f64::from(rate.1) => {
            (((wanted * 1000.0).round() as u32).max(1), 1000)
        }
        _ => rate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING_YET: ffmpeg::Error = ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN };

    #[test]
    fn a_device_that_has_nothing_yet_is_neither_damaged_nor_at_its_end() {
        assert_eq!(next_attempt(|| Err(NOTHING_YET)).unwrap(), Attempt::NotYet);
    }

    #[test]
    fn damage_is_skipped_and_an_input_of_nothing_else_is_given_up() {
        let mut results = vec![Err(ffmpeg::Error::Eof), Ok(()), Err(ffmpeg::Error::InvalidData)];
        let mut read = || results.pop().unwrap();
        assert_eq!(next_attempt(&mut read).unwrap(), Attempt::Packet);
        assert_eq!(next_attempt(&mut read).unwrap(), Attempt::End);
        assert!(next_attempt(|| Err(ffmpeg::Error::InvalidData)).is_err());
    }
}
