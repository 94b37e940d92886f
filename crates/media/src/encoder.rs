//! H264 encoding, with x264 or another: zero latency, constrained baseline, one slice per thread, parameter sets before
//! each key frame.

use bytes::Bytes;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::{Rational, codec::threading, format::Pixel, picture};

use crate::{
    MediaError, Picture,
    error::{Doing, wants_more},
    ffi, frame,
};

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

pub struct Encoder {
    encoder: ffmpeg::encoder::video::Encoder,
    frame: ffmpeg::frame::Video,
    packet: ffmpeg::Packet,
}

/// FFmpeg's name of the encoder that needs no special machine.
const X264: &str = "libx264";
/// Timestamps are in ticks of this clock.
const CLOCK_RATE: i32 = 90_000;

impl Encoder {
    /// # Errors
    /// When FFmpeg has not this encoder, or it refuses the settings.
    pub fn open(settings: &EncoderSettings) -> Result<Self, MediaError> {
        check(settings)?;
        let codec = ffmpeg::encoder::find_by_name(&settings.encoder)
            .ok_or_else(|| MediaError::Unsupported(format!("this FFmpeg has no encoder {}", settings.encoder)))?;
        let mut context = ffmpeg::codec::Context::new_with_codec(codec);
        context.set_threading(threading::Config {
            kind: threading::Type::Slice,
            count: settings.threads.max(1),
            ..threading::Config::default()
        });
        let mut encoder = context.encoder().video().doing("opening the encoder")?;
        let (width, height) = (settings.width as u32, settings.height as u32);
        encoder.set_width(width);
        encoder.set_height(height);
        encoder.set_format(Pixel::YUV420P);
        encoder.set_time_base(Rational(1, CLOCK_RATE));
        encoder.set_frame_rate(Some(Rational(settings.frame_rate.0 as i32, settings.frame_rate.1 as i32)));
        encoder.set_max_b_frames(0);
        encoder.set_gop(settings.keyframe_interval.unwrap_or(i32::MAX as u32));
        let bits_per_second = bits_per_second(settings.bitrate_kbps);
        encoder.set_bit_rate(bits_per_second);
        encoder.set_max_bit_rate(bits_per_second);

        let options = options(settings, bits_per_second);
        let options = options.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let encoder = encoder
            .open_as_with(codec, options)
            .doing(&format!("opening {} for {width}x{height} pixels", settings.encoder))?;
        let frame = ffmpeg::frame::Video::new(Pixel::YUV420P, width, height);
        Ok(Self { encoder, frame, packet: ffmpeg::Packet::empty() })
    }

    /// The encoder of `settings`, or x264 where it cannot be opened: a GPU may have none, or no session of it left.
    ///
    /// # Errors
    /// As [`Self::open`], of x264.
    pub fn open_or_x264(settings: &EncoderSettings) -> Result<Self, MediaError> {
        match Self::open(settings) {
            Err(error) if settings.encoder != X264 => {
                tracing::warn!(%error, "{X264} encodes instead");
                Self::open(&EncoderSettings { encoder: X264.to_owned(), ..settings.clone() })
            }
            opened => opened,
        }
    }

    /// Encodes one picture of the size it was opened with; VBV of one second keeps the rate.
    ///
    /// # Errors
    /// When the picture has another size, or the encoder refuses it.
    pub fn encode(
        &mut self,
        picture: &Picture,
        timestamp: u64,
        force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, MediaError> {
        let (width, height) = (self.frame.width() as usize, self.frame.height() as usize);
        if (picture.width(), picture.height()) != (width, height) {
            let given = format!("{}x{}", picture.width(), picture.height());
            return Err(MediaError::Unsupported(format!("a picture of {given} for an encoder of {width}x{height}")));
        }
        ffi::make_writable(&mut self.frame).doing("taking a frame to encode")?;
        frame::write_picture(&mut self.frame, picture);
        self.frame.set_pts(i64::try_from(timestamp).ok());
        self.frame.set_kind(if force_keyframe { picture::Type::I } else { picture::Type::None });
        self.encoder.send_frame(&self.frame).doing("encoding a picture")?;
        match self.encoder.receive_packet(&mut self.packet) {
            Ok(()) => Ok(Some(AccessUnit {
                timestamp: self.packet.pts().and_then(|pts| u64::try_from(pts).ok()).unwrap_or(timestamp),
                keyframe: self.packet.is_key(),
                data: Bytes::copy_from_slice(self.packet.data().unwrap_or_default()),
            })),
            Err(error) if wants_more(&error) => Ok(None),
            Err(error) => Err(error).doing("encoding a picture"),
        }
    }

    /// From the next picture on, without a key frame.
    pub fn set_bitrate_kbps(&mut self, bitrate_kbps: u32) {
        let bits_per_second = bits_per_second(bitrate_kbps);
        let bits = i32::try_from(bits_per_second).unwrap_or(i32::MAX);
        ffi::set_rate(&mut self.encoder, bits.into(), bits);
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder({}x{})", self.frame.width(), self.frame.height())
    }
}

fn check(settings: &EncoderSettings) -> Result<(), MediaError> {
    let EncoderSettings { width, height, frame_rate, .. } = *settings;
    let refuse = |text: String| Err(MediaError::Unsupported(text));
    if width < 16 || height < 16 || width > 8192 || height > 8192 || width % 2 != 0 || height % 2 != 0 {
        return refuse(format!("pictures of {width}x{height} cannot be coded: use even sides of 16 to 8192"));
    }
    if frame_rate.0 == 0 || frame_rate.1 == 0 || frame_rate.0.max(frame_rate.1) > i32::MAX as u32 {
        return refuse(format!("{}/{} is no frame rate", frame_rate.0, frame_rate.1));
    }
    if settings.preset.contains('\0') || settings.encoder.contains('\0') {
        return refuse("names of encoders and presets have no zero bytes".to_owned());
    }
    Ok(())
}

/// At least what x264 can hold a rate at.
fn bits_per_second(kbps: u32) -> usize {
    (kbps.max(10) as usize) * 1000
}

fn options(settings: &EncoderSettings, buffer_bits: usize) -> Vec<(&'static str, String)> {
    let mut options = vec![("bufsize", buffer_bits.to_string()), ("profile", "baseline".to_owned())];
    match settings.encoder.as_str() {
        X264 => options.extend([
            ("preset", settings.preset.clone()),
            ("tune", "zerolatency".to_owned()),
            ("forced-idr", "1".to_owned()),
            ("x264-params", "scenecut=0:repeat-headers=1:open-gop=0".to_owned()),
        ]),
        "h264_nvenc" => options.extend([
            ("tune", "ull".to_owned()),
            ("zerolatency", "1".to_owned()),
            // By itself it gives a frame only when others are behind it.
            ("delay", "0".to_owned()),
            ("forced-idr", "1".to_owned()),
            ("rc", "cbr".to_owned()),
        ]),
        _ => {}
    }
    options
}
