//! H264 decoding, one access unit in, at most a few pictures out, without delay.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::{
    codec::{Flags, threading},
    format::Pixel,
};

use crate::{
    MediaError, VideoFrame,
    convert::Converter,
    error::{Doing, wants_more},
};

/// After damage nothing comes out until the next key frame: a picture that FFmpeg had to guess is never given out.
pub struct Decoder {
    decoder: ffmpeg::decoder::Video,
    converter: Converter,
    needs_keyframe: bool,
}

/// The largest picture that is decoded: 4096 x 2304.
const MAX_PIXELS: &str = "9437184";

impl Decoder {
    /// `threads` of FFmpeg's slice decoder; frames are never delayed.
    ///
    /// # Errors
    /// When FFmpeg has no H264 decoder.
    pub fn h264(threads: usize) -> Result<Self, MediaError> {
        let codec = ffmpeg::decoder::find(ffmpeg::codec::Id::H264)
            .ok_or_else(|| MediaError::Unsupported("this FFmpeg has no H264 decoder".to_owned()))?;
        let mut context = ffmpeg::codec::Context::new_with_codec(codec);
        context.set_flags(Flags::LOW_DELAY);
        context.set_threading(threading::Config {
            kind: threading::Type::Slice,
            count: threads.max(1),
            ..threading::Config::default()
        });
        let options = [("max_pixels", MAX_PIXELS), ("err_detect", "explode")];
        let decoder = context
            .decoder()
            .open_as_with(codec, options.into_iter().collect())
            .and_then(ffmpeg::decoder::Opened::video)
            .doing("opening the H264 decoder")?;
        Ok(Self { decoder, converter: Converter::default(), needs_keyframe: true })
    }

    /// Decodes one access unit (Annex B). A change of size is followed.
    ///
    /// # Errors
    /// When the access unit cannot be decoded, or hangs on one that could not; the decoder may be used on from the
    /// next key frame.
    pub fn decode(&mut self, access_unit: &[u8], timestamp: u64) -> Result<Vec<VideoFrame>, MediaError> {
        if self.needs_keyframe && !has_idr(access_unit) {
            return Err(MediaError::Damaged("no key frame since the last damage".to_owned()));
        }
        let decoded = self.try_decode(access_unit, timestamp);
        self.needs_keyframe = false;
        if decoded.is_err() {
            self.lost();
        }
        decoded
    }

    /// Says that whole access units were lost, which FFmpeg does not notice by itself: the next one that is decoded is
    /// a key frame.
    pub fn lost(&mut self) {
        self.decoder.flush();
        self.needs_keyframe = true;
    }

    fn try_decode(&mut self, access_unit: &[u8], timestamp: u64) -> Result<Vec<VideoFrame>, MediaError> {
        let mut packet = ffmpeg::Packet::copy(access_unit);
        packet.set_pts(i64::try_from(timestamp).ok());
        self.decoder.send_packet(&packet).map_err(damaged)?;

        let mut frames = Vec::new();
        let mut frame = ffmpeg::frame::Video::empty();
        loop {
            match self.decoder.receive_frame(&mut frame) {
                Ok(()) => frames.push(self.take(&frame, timestamp)?),
                Err(error) if wants_more(&error) => return Ok(frames),
                Err(error) => return Err(damaged(error)),
            }
        }
    }

    fn take(&mut self, frame: &ffmpeg::frame::Video, timestamp: u64) -> Result<VideoFrame, MediaError> {
        if frame.is_corrupt() || frame.has_decode_errors() {
            return Err(MediaError::Damaged("the access unit is damaged".to_owned()));
        }
        // Streams that say full range keep their samples as they are: the network and the encoder see the same ones.
        let picture = match frame.format() {
            Pixel::YUV420P | Pixel::YUVJ420P => crate::frame::read_picture(frame),
            _ => self.converter.convert(frame)?,
        };
        let timestamp = frame.pts().and_then(|pts| u64::try_from(pts).ok()).unwrap_or(timestamp);
        Ok(VideoFrame { timestamp, picture })
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("needs_keyframe", &self.needs_keyframe).finish_non_exhaustive()
    }
}

fn damaged(error: ffmpeg::Error) -> MediaError {
    MediaError::Damaged(format!("decoding an access unit: {error}"))
}

/// Whether an Annex B access unit holds an IDR slice (NAL unit type 5, H.264 table 7-1).
fn has_idr(access_unit: &[u8]) -> bool {
    access_unit.windows(4).any(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 0x1f == 5)
}
