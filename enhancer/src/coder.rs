//! Enlarged luma in, access units out.

use std::time::Duration;

use media::{AccessUnit, Encoder, EncoderSettings, MediaError, Picture};
use sr_net::{Plane, bicubic};

use crate::pipeline::Enlarged;

/// How a picture is coded.
#[derive(Clone, Debug, PartialEq)]
pub struct Coding {
    pub scale: usize,
    /// FFmpeg's name of it; where it cannot be opened, x264.
    pub encoder: String,
    pub bitrate_kbps: u32,
    /// Of x264
    pub preset: String,
}

#[derive(Debug)]
pub struct Coder {
    coding: Coding,
    encoder: Option<OpenEncoder>,
}

#[derive(Debug)]
struct OpenEncoder {
    encoder: Encoder,
    size: (usize, usize),
    /// The frame interval that its bit rate is reckoned for.
    interval: Duration,
    /// Encoders want growing times, whatever the stream's do.
    next_time: u64,
}

/// What encoders are opened for.
const NOMINAL_FRAME_RATE: u32 = 30;

impl Coder {
    #[must_use]
    pub fn new(coding: Coding) -> Self {
        Self { coding, encoder: None }
    }

    /// Codes a frame, with its timestamp; a change of its size makes a new encoder, which begins with a key frame.
    ///
    /// # Errors
    /// When pictures of this size cannot be coded, or the encoder fails; the next one may be tried.
    pub fn code(&mut self, enlarged: Enlarged, force_keyframe: bool) -> Result<Option<AccessUnit>, MediaError> {
        let Enlarged { lr, luma, .. } = enlarged;
        let chroma = |plane: &Plane| bicubic(plane, self.coding.scale);
        let picture = even(Picture { y: luma, u: chroma(&lr.picture.u), v: chroma(&lr.picture.v) });
        let coded = self.code_picture(&picture, lr.timestamp, lr.interval, force_keyframe);
        if coded.is_err() {
            self.encoder = None;
        }
        coded
    }

    fn code_picture(
        &mut self,
        picture: &Picture,
        timestamp: u64,
        interval: Duration,
        force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, MediaError> {
        let size = (picture.width(), picture.height());
        if self.encoder.as_ref().is_none_or(|open| open.size != size) {
            self.encoder = Some(OpenEncoder::open(&self.coding, size)?);
        }
        let open = self.encoder.as_mut().expect("opened above");
        open.follow(interval, self.coding.bitrate_kbps);
        open.code(picture, timestamp, force_keyframe)
    }
}

impl OpenEncoder {
    fn open(coding: &Coding, size: (usize, usize)) -> Result<Self, MediaError> {
        let settings = EncoderSettings {
            encoder: coding.encoder.clone(),
            width: size.0,
            height: size.1,
            frame_rate: (NOMINAL_FRAME_RATE, 1),
            bitrate_kbps: coding.bitrate_kbps,
            preset: coding.preset.clone(),
            threads: 1,
            keyframe_interval: None,
        };
        let encoder = Encoder::open_or_x264(&settings)?;
        tracing::info!(width = size.0, height = size.1, "encoding");
        let interval = Duration::from_secs(1) / NOMINAL_FRAME_RATE;
        Ok(Self { encoder, size, interval, next_time: 0 })
    }

    /// x264 spends per frame what the rate it was opened with leaves for one: a stream of another rate is told to it
    /// as another bit rate, which costs no key frame.
    fn follow(&mut self, interval: Duration, bitrate_kbps: u32) {
        let ratio = interval.as_secs_f64() / self.interval.as_secs_f64();
        if !(0.8..1.25).contains(&ratio) {
            self.interval = interval;
            let told = f64::from(bitrate_kbps) * interval.as_secs_f64() * f64::from(NOMINAL_FRAME_RATE);
            self.encoder.set_bitrate_kbps(told.round() as u32);
        }
    }

    fn code(
        &mut self,
        picture: &Picture,
        timestamp: u64,
        force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, MediaError> {
        let time = timestamp.max(self.next_time);
        self.next_time = time + 1;
        let unit = self.encoder.encode(picture, time, force_keyframe)?;
        Ok(unit.map(|unit| AccessUnit { timestamp, ..unit }))
    }
}

/// Encoders take even sides only: an odd row or column at the end is cut off.
fn even(picture: Picture) -> Picture {
    let (width, height) = (picture.width() & !1, picture.height() & !1);
    let cut = |plane: Plane, width, height| {
        if (plane.width(), plane.height()) == (width, height) { plane } else { cut_to(&plane, width, height) }
    };
    Picture {
        y: cut(picture.y, width, height),
        u: cut(picture.u, width / 2, height / 2),
        v: cut(picture.v, width / 2, height / 2),
    }
}

fn cut_to(plane: &Plane, width: usize, height: usize) -> Plane {
    plane.crop(0, 0, width, height).expect("chroma of an up-scaled picture covers its luma")
}
