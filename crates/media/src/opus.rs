//! Opus encoding: 48 kHz stereo, 20 ms a packet.

use bytes::Bytes;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::{
    ChannelLayout, Rational,
    format::{Sample, sample},
};

use crate::{
    AudioSamples, MediaError,
    error::{Doing, wants_more},
};

/// Times are counted in samples, so that jitter of the source's clock does not reach the packets; only a jump of more
/// than 40 ms begins a new count.
pub struct OpusEncoder {
    encoder: ffmpeg::encoder::audio::Encoder,
    /// Interleaved samples that are not a whole packet yet.
    waiting: Vec<f32>,
    /// 48 kHz time of the first of them.
    time: Option<u64>,
}

const RATE: i32 = 48_000;
const FRAME: usize = 960;
const CHANNELS: usize = 2;
const FORMAT: Sample = Sample::F32(sample::Type::Packed);

impl OpusEncoder {
    /// # Errors
    /// When FFmpeg has no libopus.
    pub fn open(bitrate_kbps: u32) -> Result<Self, MediaError> {
        let codec = ffmpeg::encoder::find_by_name("libopus")
            .ok_or_else(|| MediaError::Unsupported("this FFmpeg has no encoder libopus".to_owned()))?;
        let mut encoder =
            ffmpeg::codec::Context::new_with_codec(codec).encoder().audio().doing("opening the Opus encoder")?;
        encoder.set_rate(RATE);
        encoder.set_format(FORMAT);
        encoder.set_channel_layout(ChannelLayout::STEREO);
        encoder.set_time_base(Rational(1, RATE));
        encoder.set_bit_rate(bitrate_kbps as usize * 1000);
        let options = [("application", "audio"), ("frame_duration", "20"), ("ac", "2")];
        let encoder = encoder.open_as_with(codec, options.into_iter().collect()).doing("opening the Opus encoder")?;
        Ok(Self { encoder, waiting: Vec::new(), time: None })
    }

    /// Takes samples of any length; returns (48 kHz timestamp, packet) for each 20 ms that became complete.
    ///
    /// # Errors
    /// When the encoder refuses the samples.
    pub fn encode(&mut self, samples: &AudioSamples) -> Result<Vec<(u64, Bytes)>, MediaError> {
        let given = (samples.at.as_secs_f64() * f64::from(RATE)).round() as u64;
        let waiting = (self.waiting.len() / CHANNELS) as u64;
        let continues = self.time.is_some_and(|time| (time + waiting).abs_diff(given) <= 2 * FRAME as u64);
        if !continues {
            self.waiting.clear();
            self.time = Some(given);
        }
        self.waiting.extend_from_slice(&samples.samples);

        let mut packets = Vec::new();
        let whole = self.waiting.len() / (FRAME * CHANNELS) * FRAME * CHANNELS;
        let complete: Vec<f32> = self.waiting.drain(..whole).collect();
        for frame in complete.chunks_exact(FRAME * CHANNELS) {
            let time = self.time.unwrap_or(given);
            self.time = Some(time + FRAME as u64);
            packets.extend(self.encode_frame(frame, time)?.map(|packet| (time, packet)));
        }
        Ok(packets)
    }

    fn encode_frame(&mut self, samples: &[f32], time: u64) -> Result<Option<Bytes>, MediaError> {
        let mut frame = ffmpeg::frame::Audio::new(FORMAT, FRAME, ChannelLayout::STEREO);
        frame.set_rate(RATE as u32);
        frame.set_pts(i64::try_from(time).ok());
        for (bytes, sample) in frame.data_mut(0).chunks_exact_mut(4).zip(samples) {
            bytes.copy_from_slice(&sample.to_ne_bytes());
        }
        self.encoder.send_frame(&frame).doing("encoding sound")?;
        let mut packet = ffmpeg::Packet::empty();
        match self.encoder.receive_packet(&mut packet) {
            Ok(()) => Ok(Some(Bytes::copy_from_slice(packet.data().unwrap_or_default()))),
            Err(error) if wants_more(&error) => Ok(None),
            Err(error) => Err(error).doing("encoding sound"),
        }
    }
}

impl std::fmt::Debug for OpusEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusEncoder").field("time", &self.time).finish_non_exhaustive()
    }
}
