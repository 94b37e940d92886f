//! The container: FFmpeg's muxers for MP4 and Matroska.
#![expect(unsafe_code, reason = "codec parameters can only be filled in through FFmpeg's structs")]

use std::path::Path;

use anyhow::Context;
use ffmpeg_next::{self as ffmpeg, Rational, codec, encoder, ffi, format::context::Output};

use super::Sample;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Track {
    Video,
    Audio,
}

impl Track {
    fn time_base(self) -> Rational {
        match self {
            Self::Video => Rational(1, 90_000),
            Self::Audio => Rational(1, 48_000),
        }
    }
}

pub(crate) struct Muxer {
    output: Output,
    /// The index of the video is 0.
    audio_index: Option<usize>,
}

/// `OpusHead` (RFC 7845, section 5.1): version 1, 2 channels, 312 samples of pre-skip, 48 kHz, no gain, mapping 0.
const OPUS_HEAD: [u8; 19] = *b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00";

impl Muxer {
    /// `keyframe` (Annex B) holds the parameter sets.
    pub(crate) fn create(path: &Path, size: (usize, usize), keyframe: &[u8], sound: bool) -> anyhow::Result<Self> {
        let doing = || format!("recording to {}", path.display());
        let mut output = ffmpeg::format::output(path).with_context(doing)?;
        add_track(&mut output, &video_parameters(size, keyframe)?, Track::Video).with_context(doing)?;
        let audio_index = match sound {
            true => Some(add_track(&mut output, &audio_parameters()?, Track::Audio).with_context(doing)?),
            false => None,
        };
        output.write_header().with_context(doing)?;
        Ok(Self { output, audio_index })
    }

    /// Samples of a track that is not recorded are left out.
    pub(crate) fn write(&mut self, sample: &Sample) -> anyhow::Result<()> {
        let index = match sample.track {
            Track::Video => 0,
            Track::Audio => match self.audio_index {
                Some(index) => index,
                None => return Ok(()),
            },
        };
        let Some(time_base) = self.output.stream(index).map(|stream| stream.time_base()) else { return Ok(()) };
        let mut packet = ffmpeg::Packet::copy(&sample.data);
        packet.set_stream(index);
        packet.set_pts(Some(sample.pts));
        packet.set_dts(Some(sample.pts));
        if sample.keyframe {
            packet.set_flags(codec::packet::Flags::KEY);
        }
        packet.rescale_ts(sample.track.time_base(), time_base);
        packet.write_interleaved(&mut self.output).context("recording")
    }

    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.output.write_trailer().context("completing the recording")
    }
}

fn add_track(output: &mut Output, parameters: &codec::Parameters, track: Track) -> Result<usize, ffmpeg::Error> {
    let mut stream = output.add_stream(encoder::find(codec::Id::None))?;
    stream.set_parameters(parameters.clone());
    stream.set_time_base(track.time_base());
    Ok(stream.index())
}

fn video_parameters((width, height): (usize, usize), keyframe: &[u8]) -> anyhow::Result<codec::Parameters> {
    const SPS: u8 = 7;
    const PPS: u8 = 8;
    let parameter_sets = rtp::h264::nal_units(keyframe).filter(|nal| matches!(nal[0] & 0x1f, SPS | PPS));
    let extradata: Vec<u8> = parameter_sets.flat_map(|nal| [&[0, 0, 0, 1], nal].concat()).collect();
    let mut parameters = codec::Parameters::new();
    // SAFETY: the pointer is to a live AVCodecParameters that nobody else has.
    let inner = unsafe { &mut *parameters.as_mut_ptr() };
    inner.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
    inner.codec_id = ffi::AVCodecID::AV_CODEC_ID_H264;
    (inner.width, inner.height) = (i32::try_from(width)?, i32::try_from(height)?);
    set_extradata(inner, &extradata)?;
    Ok(parameters)
}

fn audio_parameters() -> anyhow::Result<codec::Parameters> {
    let mut parameters = codec::Parameters::new();
    // SAFETY: the pointer is to a live AVCodecParameters that nobody else has.
    let inner = unsafe { &mut *parameters.as_mut_ptr() };
    inner.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO;
    inner.codec_id = ffi::AVCodecID::AV_CODEC_ID_OPUS;
    inner.sample_rate = 48_000;
    inner.frame_size = 960;
    // SAFETY: the layout is part of `inner`, which lives as long as this borrow.
    unsafe { ffi::av_channel_layout_default(&raw mut inner.ch_layout, 2) };
    set_extradata(inner, &OPUS_HEAD)?;
    Ok(parameters)
}

/// FFmpeg frees the memory with the parameters; so it must be FFmpeg's, and padded.
fn set_extradata(parameters: &mut ffi::AVCodecParameters, extradata: &[u8]) -> anyhow::Result<()> {
    let padded = extradata.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
    // SAFETY: `padded` zeroed bytes are allocated, of which `extradata.len()` are written; null is refused.
    let copy = unsafe {
        let copy = ffi::av_mallocz(padded).cast::<u8>();
        anyhow::ensure!(!copy.is_null(), "no memory for the recording's parameters");
        copy.copy_from_nonoverlapping(extradata.as_ptr(), extradata.len());
        copy
    };
    parameters.extradata = copy;
    parameters.extradata_size = i32::try_from(extradata.len())?;
    Ok(())
}
