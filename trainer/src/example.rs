//! A training patch, checked, with what bicubic lacks.

use proto::v1::{PixelCoding, TrainingPatch};
use sr_net::{Plane, Weights};

/// One LR/HR pair. The LR cut is larger than the HR patch by its margins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Example {
    pub(crate) id: PatchId,
    pub(crate) scale: usize,
    /// Of the whole LR frame.
    pub(crate) phash: u64,
    pub(crate) lr: Plane,
    /// LR pixels left of and above the patch.
    pub(crate) margin_left: usize,
    pub(crate) margin_top: usize,
    pub(crate) hr: Plane,
    /// (HR − bicubic) / 255, neither clamped nor rounded.
    pub(crate) residual: Vec<f32>,
    pub(crate) bicubic_mse: f64,
}

/// Which patch: the same one may come twice. Ordered by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PatchId {
    pub(crate) stream_time: u64,
    pub(crate) x: u32,
    pub(crate) y: u32,
}

/// Why a patch teaches nothing; the text is the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    #[error("scale")]
    Scale,
    #[error("coding")]
    Coding,
    #[error("size")]
    Size,
}

/// Bounds that keep a patch of 128 KiB from becoming much more in memory, and sums from overflowing.
const MAX_SIDE: u32 = 1024;
const MAX_MARGIN: u32 = 64;

impl Example {
    pub(crate) fn new(patch: &TrainingPatch, scale: usize) -> Result<Self, PatchError> {
        if patch.scale as usize != scale {
            return Err(PatchError::Scale);
        }
        if patch.lr_coding() != PixelCoding::Raw || patch.hr_coding() != PixelCoding::Raw {
            return Err(PatchError::Coding);
        }
        let rect = patch.rect.ok_or(PatchError::Size)?;
        let margins = [patch.margin_left, patch.margin_top, patch.margin_right, patch.margin_bottom];
        // Half the LR grid must meet it too: the network may unshuffle.
        let fits = |side: u32| (1..=MAX_SIDE).contains(&side) && (side as usize).is_multiple_of(2 * scale);
        if !fits(rect.width) || !fits(rect.height) || margins.iter().any(|margin| *margin > MAX_MARGIN) {
            return Err(PatchError::Size);
        }
        let (width, height) = (rect.width as usize, rect.height as usize);
        let [left, top, right, bottom] = margins.map(|margin| margin as usize);
        let plane = |width, height, samples: &[u8]| Plane::new(width, height, samples.to_vec()).ok_or(PatchError::Size);
        let lr = plane(width / scale + left + right, height / scale + top + bottom, &patch.lr_luma)?;
        let hr = plane(width, height, &patch.hr_luma)?;
        let id = PatchId { stream_time: patch.stream_time, x: rect.x, y: rect.y };
        let phash = patch.phash;
        let mut example = Self {
            id,
            scale,
            phash,
            lr,
            margin_left: left,
            margin_top: top,
            hr,
            residual: Vec::new(),
            bicubic_mse: 0.0,
        };
        example.residual = example.residual_of_bicubic();
        example.bicubic_mse = sr_net::mse(&example.bicubic(), &example.hr);
        Ok(example)
    }

    /// Mean squared error of what `weights` make of it.
    pub(crate) fn mse(&self, weights: &Weights) -> f64 {
        sr_net::mse(&self.enhanced(weights), &self.hr)
    }

    pub(crate) fn enhanced(&self, weights: &Weights) -> Plane {
        self.without_margin(&sr_net::enhance(weights, &self.lr))
    }

    pub(crate) fn bicubic(&self) -> Plane {
        self.without_margin(&sr_net::bicubic(&self.lr, self.scale))
    }

    fn without_margin(&self, upscaled: &Plane) -> Plane {
        let (left, top) = (self.margin_left * self.scale, self.margin_top * self.scale);
        upscaled.crop(left, top, self.hr.width(), self.hr.height()).expect("margins and patch make up the cut")
    }

    fn residual_of_bicubic(&self) -> Vec<f32> {
        let lr: Vec<f32> = self.lr.samples().iter().map(|&sample| f32::from(sample)).collect();
        let bicubic = sr_net::upsample(&lr, self.lr.width(), self.lr.height(), self.scale);
        let (left, top) = (self.margin_left * self.scale, self.margin_top * self.scale);
        let rows = bicubic.chunks_exact(self.lr.width() * self.scale).skip(top);
        let inside = rows.zip(self.hr.samples().chunks_exact(self.hr.width()));
        let lack = |(hr, bicubic): (&u8, &f32)| (f32::from(*hr) - bicubic) / 255.0;
        inside.flat_map(|(bicubic, hr)| hr.iter().zip(&bicubic[left..]).map(lack)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proto::v1::Rect;

    use super::*;

    /// A patch of `side` HR pixels at (`x`, 0) whose HR picture is sharper than its LR one.
    pub(crate) fn patch(stream_time: u64, x: u32, side: u32, margins: [u32; 4]) -> TrainingPatch {
        let [left, top, right, bottom] = margins;
        let (lr_width, lr_height) = (side / 2 + left + right, side / 2 + top + bottom);
        let phase = stream_time as f32 / 9000.0;
        let at =
            move |x: f32, y: f32| 128.0 + 80.0 * (0.9 * x + 0.5 * y + phase).sin().signum() + 20.0 * (0.2 * y).cos();
        let hr = move |x: u32, y: u32| at(x as f32 / 2.0, y as f32 / 2.0) as u8;
        let lr = move |x: u32, y: u32| {
            let (x, y) = (x as f32 - left as f32, y as f32 - top as f32);
            let cell = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)].map(|(dx, dy)| at(x + dx, y + dy));
            (cell.iter().sum::<f32>() / 4.0) as u8
        };
        let raster = |width, height, sample: &dyn Fn(u32, u32) -> u8| -> Vec<u8> {
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| sample(x, y)).collect()
        };
        TrainingPatch {
            stream_time,
            rect: Some(Rect { x, y: 0, width: side, height: side }),
            scale: 2,
            lr_coding: PixelCoding::Raw.into(),
            lr_luma: raster(lr_width, lr_height, &lr).into(),
            margin_left: left,
            margin_top: top,
            margin_right: right,
            margin_bottom: bottom,
            hr_coding: PixelCoding::Raw.into(),
            hr_luma: raster(side, side, &hr).into(),
            ..TrainingPatch::default()
        }
    }

    #[test]
    fn the_residual_is_what_bicubic_lacks_inside_the_margins() {
        for margins in [[8, 8, 8, 8], [0, 4, 8, 0], [0; 4]] {
            let example = Example::new(&patch(0, 0, 32, margins), 2).unwrap();
            let bicubic = example.bicubic();
            for ((residual, bicubic), hr) in example.residual.iter().zip(bicubic.samples()).zip(example.hr.samples()) {
                assert!((residual * 255.0 + f32::from(*bicubic) - f32::from(*hr)).abs() <= 24.0, "{margins:?}");
            }
            let zero = sr_net::Weights::zero(sr_net::Network::DEFAULT_X2);
            assert_eq!(example.mse(&zero), example.bicubic_mse);
        }
    }

    #[test]
    fn patches_that_do_not_fit_are_refused_by_reason() {
        let refused = |change: &dyn Fn(&mut TrainingPatch)| {
            let mut patch = patch(0, 0, 32, [8; 4]);
            change(&mut patch);
            Example::new(&patch, 2).unwrap_err()
        };
        assert_eq!(refused(&|patch| patch.scale = 3), PatchError::Scale);
        assert_eq!(refused(&|patch| patch.hr_coding = PixelCoding::Webp.into()), PatchError::Coding);
        assert_eq!(refused(&|patch| patch.rect = None), PatchError::Size);
        assert_eq!(refused(&|patch| patch.margin_left = 7), PatchError::Size);
        assert_eq!(refused(&|patch| patch.margin_left = u32::MAX), PatchError::Size);
        assert_eq!(refused(&|patch| patch.hr_luma = patch.hr_luma.slice(1..)), PatchError::Size);
        assert_eq!(
            refused(&|patch| patch.rect = Some(Rect { width: u32::MAX - 3, ..patch.rect.unwrap() })),
            PatchError::Size
        );
    }
}
