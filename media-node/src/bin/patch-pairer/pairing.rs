//! Pairs patches with their frames.

use std::collections::VecDeque;

use media::{Decoder, MediaError};
use media_node::learning::wire::{
    AccessUnit, DropReason, Dropped, FromPairer, FromPairerKind, KeyframeWanted, MAX_PATCH_PIXELS, Paired,
    ReceivedPatch, ToPairer, ToPairerKind,
};
use proto::v1::{PixelCoding, PublisherPatch, Rect, TrainingPatch};
use sr_net::Plane;

use crate::frames::{Frame, Frames};

/// LR samples around the cut, where the picture has them.
const MARGIN: usize = 8;
/// Bicubic of the right LR frame is at least this much like the patch.
const LEAST_PSNR_DB: f64 = 15.0;
/// A neighbouring frame may fit this much better: coding noise does that.
const NEIGHBOUR_SLACK_DB: f64 = 0.5;
/// The most patches that wait for their frame.
const MAX_WAITING: usize = 128;
/// A patch is not waited for longer than this, in 90 kHz ticks.
const WAIT_TICKS: u64 = 180_000;

/// Decodes, keeps, cuts.
pub(crate) struct Pairer {
    decoder: Decoder,
    frames: Frames,
    /// Patches that came before their frame, or before the one after it.
    waiting: VecDeque<ReceivedPatch>,
    waits_for_keyframe: bool,
}

impl Pairer {
    pub(crate) fn new() -> Result<Self, MediaError> {
        Ok(Self {
            decoder: Decoder::h264(1)?,
            frames: Frames::default(),
            waiting: VecDeque::new(),
            waits_for_keyframe: true,
        })
    }

    pub(crate) fn handle(&mut self, message: ToPairer) -> Vec<FromPairer> {
        let answers = match message.kind {
            Some(ToPairerKind::AccessUnit(unit)) => self.handle_access_unit(&unit),
            Some(ToPairerKind::FramesLost(_)) => {
                self.lose();
                Vec::new()
            }
            Some(ToPairerKind::Patch(patch)) => self.handle_patch(patch),
            None => Vec::new(),
        };
        answers.into_iter().map(|kind| FromPairer { kind: Some(kind) }).collect()
    }

    fn handle_access_unit(&mut self, unit: &AccessUnit) -> Vec<FromPairerKind> {
        if self.waits_for_keyframe && !unit.keyframe {
            return Vec::new();
        }
        match self.decoder.decode(&unit.data, unit.stream_time) {
            Ok(frames) => {
                self.waits_for_keyframe = false;
                for frame in frames {
                    self.frames.push(frame.timestamp, frame.picture.y);
                }
                self.pair_waiting()
            }
            Err(_) => {
                self.lose();
                vec![FromPairerKind::KeyframeWanted(KeyframeWanted {})]
            }
        }
    }

    fn lose(&mut self) {
        self.decoder.lost();
        self.waits_for_keyframe = true;
    }

    /// A patch is paired once the frame after its own is there to be compared with.
    fn handle_patch(&mut self, patch: ReceivedPatch) -> Vec<FromPairerKind> {
        if self.waits_for_keyframe || self.frames.newest().is_some_and(|newest| patch.stream_time < newest) {
            return vec![self.pair(&patch)];
        }
        self.waiting.push_back(patch);
        if self.waiting.len() <= MAX_WAITING {
            return Vec::new();
        }
        self.waiting.pop_front();
        vec![dropped(DropReason::TooManyWaiting)]
    }

    fn pair_waiting(&mut self) -> Vec<FromPairerKind> {
        let Some(newest) = self.frames.newest() else { return Vec::new() };
        let due = |patch: &ReceivedPatch| patch.stream_time < newest || patch.stream_time > newest + WAIT_TICKS;
        let (due, waiting): (VecDeque<_>, VecDeque<_>) = self.waiting.drain(..).partition(due);
        self.waiting = waiting;
        due.iter().map(|patch| self.pair(patch)).collect()
    }

    fn pair(&mut self, patch: &ReceivedPatch) -> FromPairerKind {
        self.try_pair(patch).map_or_else(dropped, FromPairerKind::Pair)
    }

    fn try_pair(&mut self, received: &ReceivedPatch) -> Result<Paired, DropReason> {
        let patch = received.patch.as_ref().ok_or(DropReason::BadRect)?;
        let scale = Some(received.scale).filter(|scale| (2..=4).contains(scale)).ok_or(DropReason::BadScale)?;
        let Some(position) = self.frames.position(received.stream_time) else {
            return Err(if self.waits_for_keyframe { DropReason::NoKeyframe } else { DropReason::FrameGone });
        };
        let (frame, neighbours) = self.frames.get(position);
        let rect = patch.rect.as_ref().ok_or(DropReason::BadRect)?;
        let cut = Cut::new(rect, scale as usize, &frame.luma)?;
        let bicubic = cut.bicubic(frame).ok_or(DropReason::BadRect)?;
        if patch.residual && patch.base_digest.is_some_and(|base| base != sr_net::digest(&bicubic)) {
            return Err(DropReason::OtherBase);
        }
        let hr = decode_hr(patch, &bicubic)?;
        let psnr_db = sr_net::psnr_db(&hr, &bicubic);
        if psnr_db < LEAST_PSNR_DB {
            return Err(DropReason::Unlike);
        }
        let neighbours = [neighbours.before, neighbours.after].into_iter().flatten();
        let fits_better = |bicubic: Plane| sr_net::psnr_db(&hr, &bicubic) > psnr_db + NEIGHBOUR_SLACK_DB;
        if neighbours.filter_map(|neighbour| cut.bicubic(neighbour)).any(fits_better) {
            return Err(DropReason::Misaligned);
        }
        let lr = cut.lr(frame).ok_or(DropReason::BadRect)?;
        Ok(Paired {
            patch: Some(TrainingPatch {
                stream: None,
                stream_time: received.stream_time,
                captured_at_unix_us: received.captured_at_unix_us,
                rect: Some(*rect),
                scale,
                lr_coding: PixelCoding::Raw.into(),
                lr_luma: lr.into_samples().into(),
                margin_left: cut.left as u32,
                margin_top: cut.top as u32,
                margin_right: cut.right as u32,
                margin_bottom: cut.bottom as u32,
                hr_coding: PixelCoding::Raw.into(),
                hr_luma: hr.into_samples().into(),
                selection: patch.selection,
                phash: frame.phash,
                bicubic_psnr_millidecibels: (psnr_db * 1000.0).round() as u32,
                publisher_session: received.session.clone(),
            }),
            sequence: patch.sequence,
            scene: frame.scene,
            frame_width: frame.luma.width() as u32,
            frame_height: frame.luma.height() as u32,
        })
    }
}

fn dropped(reason: DropReason) -> FromPairerKind {
    FromPairerKind::Dropped(Dropped { reason: reason.into() })
}

/// HR luma as the publisher means it; `bicubic` is what a residual was taken against.
fn decode_hr(patch: &PublisherPatch, bicubic: &Plane) -> Result<Plane, DropReason> {
    let mut hr = media::still::decode(&patch.luma, patch.coding(), bicubic.width(), bicubic.height())
        .map_err(|_| DropReason::BadCoding)?;
    if patch.residual {
        for (sample, base) in hr.samples_mut().iter_mut().zip(bicubic.samples()) {
            *sample = (i16::from(*sample) + i16::from(*base) - 128).clamp(0, 255) as u8;
        }
    }
    Ok(hr)
}

/// A patch's place in the LR frame, in LR samples.
struct Cut {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
    scale: usize,
    frame_size: (usize, usize),
}

impl Cut {
    fn new(rect: &Rect, scale: usize, frame: &Plane) -> Result<Self, DropReason> {
        let sides = [rect.x, rect.y, rect.width, rect.height].map(|side| side as usize);
        let on_grid = sides.iter().all(|side| side % (2 * scale) == 0) && rect.width > 0 && rect.height > 0;
        let [x, y, width, height] = sides.map(|side| side / scale);
        if !on_grid || x + width > frame.width() || y + height > frame.height() {
            return Err(DropReason::BadRect);
        }
        if u64::from(rect.width) * u64::from(rect.height) > MAX_PATCH_PIXELS {
            return Err(DropReason::Oversized);
        }
        Ok(Self {
            x,
            y,
            width,
            height,
            left: x.min(MARGIN),
            top: y.min(MARGIN),
            right: (frame.width() - x - width).min(MARGIN),
            bottom: (frame.height() - y - height).min(MARGIN),
            scale,
            frame_size: (frame.width(), frame.height()),
        })
    }

    /// With its margin; `None` when the frame is of another size.
    fn lr(&self, frame: &Frame) -> Option<Plane> {
        let same_size = self.frame_size == (frame.luma.width(), frame.luma.height());
        let (width, height) = (self.left + self.width + self.right, self.top + self.height + self.bottom);
        frame.luma.crop(self.x - self.left, self.y - self.top, width, height).filter(|_| same_size)
    }

    /// Equal to that of the whole frame: the kernel reaches no further than the margin, and where there is none the
    /// picture ends.
    fn bicubic(&self, frame: &Frame) -> Option<Plane> {
        let (scale, lr) = (self.scale, self.lr(frame)?);
        sr_net::bicubic(&lr, scale).crop(self.left * scale, self.top * scale, self.width * scale, self.height * scale)
    }
}

#[cfg(test)]
mod tests;
