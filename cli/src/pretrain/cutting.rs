//! Cuts pairs out of a frame: the large picture as it went in, the small one as it came out of the decoder.

use anyhow::Context;
use proto::v1::{PixelCoding, Rect, Selection, TrainingPatch};
use rand::{Rng, RngExt, rngs::StdRng};
use sr_net::{Pair, Plane};

#[derive(Clone, Debug)]
pub(super) struct CutOptions {
    pub(super) scale: usize,
    /// Side of a patch in HR pixels
    pub(super) size: usize,
    pub(super) per_second: f64,
}

/// Around an LR cut, where the picture has it: what every pair has.
const MARGIN: usize = 8;
/// A distorted patch is the worst of so many.
const CANDIDATES: usize = 4;

/// Decides when to cut; every other pair is a random one, as a stream's gain is measured on those.
pub(super) struct Cutter {
    options: CutOptions,
    random: StdRng,
    /// Pairs that are due.
    credit: f64,
    cut: u64,
}

/// A frame as both sides have it: HR after its crop, LR decoded.
pub(super) struct Frame<'a> {
    pub(super) stream_time: u64,
    pub(super) hr: &'a Plane,
    pub(super) lr: &'a Plane,
}

impl Cutter {
    pub(super) fn new(options: CutOptions, random: StdRng) -> Self {
        Self { options, random, credit: 0.0, cut: 0 }
    }

    /// The pairs of a frame that is shown for `seconds`.
    pub(super) fn cut(&mut self, frame: &Frame<'_>, seconds: f64) -> anyhow::Result<Vec<TrainingPatch>> {
        self.credit += seconds * self.options.per_second;
        let mut patches = Vec::new();
        // Parts of a pair that make up a whole one may add up to a little less.
        while self.credit > 1.0 - 1e-6 {
            self.credit -= 1.0;
            self.cut += 1;
            let (selection, candidates) =
                if self.cut.is_multiple_of(2) { (Selection::Random, 1) } else { (Selection::Distorted, CANDIDATES) };
            patches.push(self.cut_worst(frame, selection, candidates)?);
        }
        Ok(patches)
    }

    fn cut_worst(
        &mut self,
        frame: &Frame<'_>,
        selection: Selection,
        candidates: usize,
    ) -> anyhow::Result<TrainingPatch> {
        let mut cut = || -> anyhow::Result<(f64, TrainingPatch)> {
            let patch = frame.cut_at_random(&self.options, selection, &mut self.random).context("cutting a pair")?;
            let mse = Pair::new(&patch)?.bicubic_mse();
            let bicubic_psnr_millidecibels = (1000.0 * sr_net::psnr_of_mse_db(mse)) as u32;
            Ok((mse, TrainingPatch { bicubic_psnr_millidecibels, ..patch }))
        };
        let mut worst = cut()?;
        for _ in 1..candidates {
            let other = cut()?;
            if other.0 > worst.0 {
                worst = other;
            }
        }
        Ok(worst.1)
    }
}

impl Frame<'_> {
    /// A patch at a place of the grid of 2 · scale pixels, or the whole frame when that is smaller.
    fn cut_at_random(
        &self,
        options: &CutOptions,
        selection: Selection,
        random: &mut impl Rng,
    ) -> Option<TrainingPatch> {
        let (scale, grid) = (options.scale, 2 * options.scale);
        let (width, height) = (options.size.min(self.hr.width()), options.size.min(self.hr.height()));
        let mut place = |whole: usize, part: usize| random.random_range(0..=(whole - part) / grid) * grid;
        let (x, y) = (place(self.hr.width(), width), place(self.hr.height(), height));
        let span = |at: usize, length: usize, whole: usize| {
            let (start, end) = (at / scale, (at + length) / scale);
            (start.min(MARGIN), (whole - end).min(MARGIN), start.saturating_sub(MARGIN))
        };
        let (left, right, lr_x) = span(x, width, self.lr.width());
        let (top, bottom, lr_y) = span(y, height, self.lr.height());
        let lr = self.lr.crop(lr_x, lr_y, width / scale + left + right, height / scale + top + bottom)?;
        let hr = self.hr.crop(x, y, width, height)?;
        let [x, y, width, height, left, top, right, bottom, scale] =
            [x, y, width, height, left, top, right, bottom, scale]
                .map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Some(TrainingPatch {
            stream_time: self.stream_time,
            rect: Some(Rect { x, y, width, height }),
            scale,
            lr_coding: PixelCoding::Raw.into(),
            lr_luma: lr.into_samples().into(),
            margin_left: left,
            margin_top: top,
            margin_right: right,
            margin_bottom: bottom,
            hr_coding: PixelCoding::Raw.into(),
            hr_luma: hr.into_samples().into(),
            selection: selection.into(),
            ..TrainingPatch::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn noise(width: usize, height: usize) -> Plane {
        let samples = (0..width * height).map(|index| ((index * 2_654_435_761) >> 7) as u8).collect();
        Plane::new(width, height, samples).unwrap()
    }

    #[test]
    fn a_pair_is_the_same_place_of_both_pictures() {
        for scale in 2..=4 {
            let (hr, lr) = (noise(60 * scale, 40 * scale), noise(60, 40));
            let whole = sr_net::bicubic(&lr, scale);
            let frame = Frame { stream_time: 7, hr: &hr, lr: &lr };
            let options = CutOptions { scale, size: 12 * scale, per_second: 20.0 };
            let mut cutter = Cutter::new(options, StdRng::seed_from_u64(3));
            for patch in cutter.cut(&frame, 2.0).unwrap() {
                let (rect, pair) = (patch.rect.unwrap(), Pair::new(&patch).unwrap());
                let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(|pixels| pixels as usize);
                assert_eq!(pair.hr(), &hr.crop(x, y, width, height).unwrap());
                assert_eq!(pair.bicubic(), whole.crop(x, y, width, height).unwrap(), "{rect:?}");
                assert!(x % (2 * scale) == 0 && y % (2 * scale) == 0);
            }
        }
    }

    #[test]
    fn as_many_are_cut_as_were_asked_for_and_half_are_random() {
        let (hr, lr) = (noise(80, 48), noise(40, 24));
        let frame = Frame { stream_time: 0, hr: &hr, lr: &lr };
        let mut cutter = Cutter::new(CutOptions { scale: 2, size: 96, per_second: 8.0 }, StdRng::seed_from_u64(3));
        let patches: Vec<_> = (0..30).flat_map(|_| cutter.cut(&frame, 0.1).unwrap()).collect();
        let random = patches.iter().filter(|patch| patch.selection() == Selection::Random).count();
        assert_eq!((patches.len(), random), (24, 12));
    }
}
