//! The decoders of a source: packets in, pictures and samples with their times out.

use std::time::Duration;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::{
    ChannelLayout, Rational,
    codec::threading,
    format::{Sample, sample},
    software::resampling,
};

use super::AudioSamples;
use crate::{MediaError, Picture, convert::Converter, error::Doing};

/// A picture of the file; times count from where the source begins.
pub(super) struct TimedPicture {
    pub(super) at: Duration,
    pub(super) index: u64,
    pub(super) picture: Picture,
}

pub(super) struct VideoTrack {
    stream: usize,
    time_base: Rational,
    frame_rate: (u32, u32),
    decoder: ffmpeg::decoder::Video,
    converter: Converter,
    /// Of the first picture of the file, as far as the file tells.
    first: Duration,
    start: Duration,
    /// Of the next picture; reckoned from its time when the file was not read from its beginning.
    index: Option<u64>,
    /// End of the last picture, for those without a time.
    expected: Duration,
    decimation: Option<Decimation>,
}

impl VideoTrack {
    /// `live` sources are decoded without the delay of frame threads.
    pub(super) fn open(
        stream: &ffmpeg::Stream<'_>,
        live: bool,
        frames_per_second: Option<f64>,
    ) -> Result<Self, MediaError> {
        let mut context =
            ffmpeg::codec::Context::from_parameters(stream.parameters()).doing("reading the video's parameters")?;
        let kind = if live { threading::Type::Slice } else { threading::Type::Frame };
        context.set_threading(threading::Config { kind, count: 2, ..threading::Config::default() });
        let decoder = context.decoder().video().doing("opening the video decoder")?;
        Ok(Self {
            stream: stream.index(),
            time_base: stream.time_base(),
            first: time_of(stream.start_time(), stream.time_base()),
            frame_rate: frame_rate(stream),
            decoder,
            converter: Converter::default(),
            start: Duration::ZERO,
            index: Some(0),
            expected: Duration::ZERO,
            decimation: frames_per_second.map(Decimation::new),
        })
    }

    /// The source begins at `start` of the file; `sought`: reading begins somewhere before that.
    pub(super) fn begin(&mut self, start: Duration, sought: bool) {
        (self.start, self.expected) = (start, self.first);
        self.index = (!sought).then_some(0);
    }

    pub(super) fn stream(&self) -> usize {
        self.stream
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.decoder.width() as usize, self.decoder.height() as usize)
    }

    pub(super) fn frame_rate(&self) -> (u32, u32) {
        self.frame_rate
    }

    /// Where the last picture ends, given out or not.
    pub(super) fn end(&self) -> Duration {
        self.expected.saturating_sub(self.start)
    }

    /// `None`: nothing more comes. Damaged packets are skipped.
    pub(super) fn send(&mut self, packet: Option<&ffmpeg::Packet>) {
        feed(&mut self.decoder, packet);
    }

    /// `None`: it needs more packets.
    pub(super) fn receive(&mut self) -> Result<Option<TimedPicture>, MediaError> {
        let mut frame = ffmpeg::frame::Video::empty();
        while next_frame(&mut self.decoder, &mut frame) {
            let at = frame.timestamp().map_or(self.expected, |pts| time_of(pts, self.time_base));
            let period = Duration::from_secs_f64(f64::from(self.frame_rate.1) / f64::from(self.frame_rate.0));
            self.expected = at + period;
            let frames_in = at.saturating_sub(self.first).as_secs_f64() / period.as_secs_f64();
            let index = self.index.unwrap_or(frames_in.round() as u64);
            self.index = Some(index + 1);
            // half a frame early is in time: times in files are rounded
            let Some(at) = (at + period / 2).checked_sub(self.start).map(|at| at.saturating_sub(period / 2)) else {
                continue;
            };
            if self.decimation.as_mut().is_none_or(|decimation| decimation.keeps(at)) {
                let picture = self.converter.convert(&frame)?;
                return Ok(Some(TimedPicture { at, index, picture }));
            }
        }
        Ok(None)
    }
}

/// Keeps the first picture of each period.
struct Decimation {
    frames_per_second: f64,
    next_period: u64,
}

impl Decimation {
    fn new(frames_per_second: f64) -> Self {
        Self { frames_per_second, next_period: 0 }
    }

    fn keeps(&mut self, at: Duration) -> bool {
        // times in files are rounded, down too
        let period = (at.as_secs_f64() * self.frames_per_second + 0.05) as u64;
        let keeps = period >= self.next_period;
        if keeps {
            self.next_period = period + 1;
        }
        keeps
    }
}

pub(super) struct AudioTrack {
    stream: usize,
    time_base: Rational,
    decoder: ffmpeg::decoder::Audio,
    resampler: Option<resampling::Context>,
    start: Duration,
    expected: Duration,
}

const RATE: u32 = 48_000;
const FORMAT: Sample = Sample::F32(sample::Type::Packed);

impl AudioTrack {
    pub(super) fn open(stream: &ffmpeg::Stream<'_>) -> Result<Self, MediaError> {
        let context =
            ffmpeg::codec::Context::from_parameters(stream.parameters()).doing("reading the sound's parameters")?;
        let decoder = context.decoder().audio().doing("opening the sound decoder")?;
        let (stream, time_base) = (stream.index(), stream.time_base());
        Ok(Self { stream, time_base, decoder, resampler: None, start: Duration::ZERO, expected: Duration::ZERO })
    }

    pub(super) fn begin(&mut self, start: Duration) {
        (self.start, self.expected) = (start, start);
    }

    pub(super) fn stream(&self) -> usize {
        self.stream
    }

    /// Where the last samples end.
    pub(super) fn end(&self) -> Duration {
        self.expected.saturating_sub(self.start)
    }

    pub(super) fn send(&mut self, packet: Option<&ffmpeg::Packet>) {
        feed(&mut self.decoder, packet);
    }

    pub(super) fn receive(&mut self) -> Result<Option<AudioSamples>, MediaError> {
        let mut frame = ffmpeg::frame::Audio::empty();
        while next_frame(&mut self.decoder, &mut frame) {
            let at = frame.timestamp().map_or(self.expected, |pts| time_of(pts, self.time_base));
            let samples = self.resample(&mut frame)?;
            let length = Duration::from_secs_f64(samples.len() as f64 / f64::from(2 * RATE));
            self.expected = at + length;
            if at + length / 2 >= self.start && !samples.is_empty() {
                return Ok(Some(AudioSamples { at: at.saturating_sub(self.start), samples }));
            }
        }
        Ok(None)
    }

    /// To 48 kHz stereo, whatever the file changes to.
    fn resample(&mut self, frame: &mut ffmpeg::frame::Audio) -> Result<Vec<f32>, MediaError> {
        if frame.channel_layout().is_empty() {
            frame.set_channel_layout(ChannelLayout::default(i32::from(frame.channels())));
        }
        let given = resampling::context::Definition {
            format: frame.format(),
            channel_layout: frame.channel_layout(),
            rate: frame.rate(),
        };
        if self.resampler.as_ref().is_none_or(|resampler| *resampler.input() != given) {
            let resampler = frame.resampler(FORMAT, ChannelLayout::STEREO, RATE).doing("converting sound")?;
            self.resampler = Some(resampler);
        }
        let resampler = self.resampler.as_mut().expect("made above");
        let waiting = resampler.delay().map_or(0, |delay| delay.output.max(0) as usize);
        let expected = frame.samples() as u64 * u64::from(RATE) / u64::from(given.rate.max(1));
        // room for all of it, so that nothing piles up inside
        let mut converted = ffmpeg::frame::Audio::new(FORMAT, expected as usize + waiting + 64, ChannelLayout::STEREO);
        resampler.run(frame, &mut converted).doing("converting sound")?;
        let bytes = &converted.data(0)[..converted.samples() * 2 * size_of::<f32>()];
        Ok(bytes.chunks_exact(4).map(|bytes| f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect())
    }
}

fn feed(decoder: &mut ffmpeg::decoder::Opened, packet: Option<&ffmpeg::Packet>) {
    let sent = match packet {
        Some(packet) => decoder.send_packet(packet),
        None => decoder.send_eof(),
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "a packet was skipped");
    }
}

/// Whether there was a frame; damaged ones are skipped.
fn next_frame(decoder: &mut ffmpeg::decoder::Opened, frame: &mut ffmpeg::Frame) -> bool {
    loop {
        match decoder.receive_frame(frame) {
            Ok(()) => return true,
            Err(ffmpeg::Error::InvalidData) => tracing::debug!("a damaged frame was skipped"),
            Err(_) => return false,
        }
    }
}

fn time_of(pts: i64, time_base: Rational) -> Duration {
    Duration::from_secs_f64((pts as f64 * f64::from(time_base)).max(0.0))
}

/// As far as the file tells, else 30.
fn frame_rate(stream: &ffmpeg::Stream<'_>) -> (u32, u32) {
    [stream.avg_frame_rate(), stream.rate()]
        .into_iter()
        .filter_map(|rate| Some((u32::try_from(rate.numerator()).ok()?, u32::try_from(rate.denominator()).ok()?)))
        .find(|&(frames, seconds)| frames > 0 && seconds > 0 && frames / seconds <= 1_000)
        .unwrap_or((30, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimation_keeps_the_first_picture_of_each_period() {
        let kept = |source: f64, wanted: f64| {
            let mut decimation = Decimation::new(wanted);
            (0..12u32).filter(|&frame| decimation.keeps(Duration::from_secs_f64(f64::from(frame) / source))).collect()
        };
        let expected: [(f64, f64, Vec<u32>); 4] = [
            (30.0, 15.0, vec![0, 2, 4, 6, 8, 10]),
            (30.0, 10.0, vec![0, 3, 6, 9]),
            (24.0, 30.0, (0..12).collect()),
            (30.0, 20.0, vec![0, 2, 3, 5, 6, 8, 9, 11]),
        ];
        for (source, wanted, frames) in expected {
            let kept: Vec<u32> = kept(source, wanted);
            assert_eq!(kept, frames, "{source} to {wanted}");
        }
    }
}
