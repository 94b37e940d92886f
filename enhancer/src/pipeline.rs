//! One decoded frame in, one enhanced access unit out, with its timestamp.

use std::time::{Duration, Instant};

use media::{AccessUnit, Encoder, EncoderSettings, MediaError, Picture};
use sr_model::Inference;
use sr_net::Plane;

use crate::{
    cut::CutDetector,
    deadline::Deadline,
    live::{Change, Live},
};

/// A decoded frame.
#[derive(Debug)]
pub struct LrFrame {
    /// When its last packet came.
    pub arrived: Instant,
    /// RTP time, unwrapped.
    pub timestamp: u64,
    /// From one frame of the source to the next.
    pub interval: Duration,
    pub picture: Picture,
}

/// How a frame is coded.
#[derive(Clone, Debug, PartialEq)]
pub struct Coding {
    pub scale: usize,
    pub bitrate_kbps: u32,
    pub preset: String,
}

/// An enhanced frame.
#[derive(Debug)]
pub struct HrFrame {
    /// With the timestamp of the LR frame.
    pub unit: AccessUnit,
    /// What the network took; `None`: it is bicubic.
    pub network_time: Option<Duration>,
}

#[derive(Debug)]
pub struct Pipeline {
    coding: Coding,
    live: Live<Inference>,
    deadline: Deadline,
    cuts: CutDetector,
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

impl Pipeline {
    #[must_use]
    pub fn new(coding: Coding) -> Self {
        Self {
            coding,
            live: Live::default(),
            deadline: Deadline::default(),
            cuts: CutDetector::default(),
            encoder: None,
        }
    }

    pub fn handle_change(&mut self, now: Instant, change: Change<Inference>) {
        self.live.handle_change(now, change);
    }

    #[must_use]
    pub fn live(&self) -> &Live<Inference> {
        &self.live
    }

    /// The time within which 95 of 100 frames are through the network.
    #[must_use]
    pub fn p95(&self) -> Duration {
        self.deadline.p95()
    }

    /// Enhances and codes `frame`; a change of its size makes a new encoder, which begins with a key frame.
    ///
    /// # Errors
    /// When pictures of this size cannot be coded, or the encoder fails; the next frame may be tried.
    pub fn enhance(&mut self, frame: &LrFrame, force_keyframe: bool) -> Result<Option<HrFrame>, MediaError> {
        if self.cuts.is_cut(&frame.picture.y) {
            self.live.handle_cut(Instant::now());
        }
        let (luma, network_time) = self.enhance_luma(frame);
        let scale = self.coding.scale;
        let chroma = |plane: &Plane| sr_net::bicubic(plane, scale);
        let picture = even(Picture { y: luma, u: chroma(&frame.picture.u), v: chroma(&frame.picture.v) });
        let coded = self.encode(&picture, frame, force_keyframe);
        if coded.is_err() {
            self.encoder = None;
        }
        Ok(coded?.map(|unit| HrFrame { unit, network_time }))
    }

    /// Luma through the network where there are weights and time, else bicubic.
    fn enhance_luma(&mut self, frame: &LrFrame) -> (Plane, Option<Duration>) {
        let luma = &frame.picture.y;
        let begun = Instant::now();
        let in_time = self.deadline.allows(begun, frame.arrived, frame.interval);
        if let Some(model) = self.live.model(begun).filter(|_| in_time) {
            match model.run(luma) {
                Ok(enhanced) => {
                    let took = begun.elapsed();
                    self.deadline.record(Instant::now(), took);
                    return (enhanced, Some(took));
                }
                Err(error) => tracing::warn!(%error, "this frame is bicubic"),
            }
        }
        (sr_net::bicubic(luma, self.coding.scale), None)
    }

    fn encode(
        &mut self,
        picture: &Picture,
        frame: &LrFrame,
        force_keyframe: bool,
    ) -> Result<Option<AccessUnit>, MediaError> {
        let size = (picture.width(), picture.height());
        if self.encoder.as_ref().is_none_or(|open| open.size != size) {
            self.encoder = Some(OpenEncoder::open(&self.coding, size)?);
        }
        let open = self.encoder.as_mut().expect("opened above");
        open.follow(frame.interval, self.coding.bitrate_kbps);
        let time = frame.timestamp.max(open.next_time);
        open.next_time = time + 1;
        let unit = open.encoder.encode(picture, time, force_keyframe)?;
        Ok(unit.map(|unit| AccessUnit { timestamp: frame.timestamp, ..unit }))
    }
}

impl OpenEncoder {
    fn open(coding: &Coding, size: (usize, usize)) -> Result<Self, MediaError> {
        let settings = EncoderSettings {
            encoder: "libx264".to_owned(),
            width: size.0,
            height: size.1,
            frame_rate: (NOMINAL_FRAME_RATE, 1),
            bitrate_kbps: coding.bitrate_kbps,
            preset: coding.preset.clone(),
            threads: 1,
            keyframe_interval: None,
        };
        let encoder = Encoder::open(&settings)?;
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
