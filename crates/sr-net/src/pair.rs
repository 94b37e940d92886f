//! A training patch as planes, and what is made of it.

use proto::v1::{PixelCoding, TrainingPatch};

use crate::{Plane, Weights, bicubic, enhance, measure::WINDOW, mse, ssim};

/// HR luma of a patch, and LR luma of the same place with margins around it, so that bicubic and the network see what
/// they see in the whole picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    scale: usize,
    lr: Plane,
    margin_left: usize,
    margin_top: usize,
    hr: Plane,
    bicubic_mse: f64,
}

/// Why a message is no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    #[error("scale")]
    Scale,
    #[error("coding")]
    Coding,
    #[error("size")]
    Size,
}

/// Bounds that keep a message from becoming much more in memory, and sums from overflowing. In samples.
const MAX_SIDE: u32 = 1024;
const MAX_MARGIN: u32 = 64;

impl Pair {
    /// # Errors
    /// When the message is not two raw planes whose sizes fit each other.
    pub fn new(patch: &TrainingPatch) -> Result<Self, PairError> {
        let scale = Some(patch.scale as usize).filter(|scale| (2..=4).contains(scale)).ok_or(PairError::Scale)?;
        if patch.lr_coding() != PixelCoding::Raw || patch.hr_coding() != PixelCoding::Raw {
            return Err(PairError::Coding);
        }
        let rect = patch.rect.ok_or(PairError::Size)?;
        let margins = [patch.margin_left, patch.margin_top, patch.margin_right, patch.margin_bottom];
        // Half the LR grid must meet it too: the network may unshuffle.
        let fits = |side: u32| (1..=MAX_SIDE).contains(&side) && (side as usize).is_multiple_of(2 * scale);
        if !fits(rect.width) || !fits(rect.height) || margins.iter().any(|margin| *margin > MAX_MARGIN) {
            return Err(PairError::Size);
        }
        let (width, height) = (rect.width as usize, rect.height as usize);
        let [left, top, right, bottom] = margins.map(|margin| margin as usize);
        let plane = |width, height, samples: &[u8]| Plane::new(width, height, samples.to_vec()).ok_or(PairError::Size);
        let lr = plane(width / scale + left + right, height / scale + top + bottom, &patch.lr_luma)?;
        let hr = plane(width, height, &patch.hr_luma)?;
        let mut pair = Self { scale, lr, margin_left: left, margin_top: top, hr, bicubic_mse: 0.0 };
        pair.bicubic_mse = mse(&pair.bicubic(), &pair.hr);
        Ok(pair)
    }

    #[must_use]
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// With its margins.
    #[must_use]
    pub fn lr(&self) -> &Plane {
        &self.lr
    }

    /// LR samples left of the patch and above it.
    #[must_use]
    pub fn margins(&self) -> [usize; 2] {
        [self.margin_left, self.margin_top]
    }

    #[must_use]
    pub fn hr(&self) -> &Plane {
        &self.hr
    }

    #[must_use]
    pub fn bicubic_mse(&self) -> f64 {
        self.bicubic_mse
    }

    /// Of HR's size.
    #[must_use]
    pub fn bicubic(&self) -> Plane {
        self.without_margins(&bicubic(&self.lr, self.scale))
    }

    /// What `weights` make of it, of HR's size.
    ///
    /// # Panics
    /// When the weights are not those of their network, or of another scale.
    #[must_use]
    pub fn enhanced(&self, weights: &Weights) -> Plane {
        self.without_margins(&enhance(weights, &self.lr))
    }

    /// Mean squared error of what `weights` make of it.
    ///
    /// # Panics
    /// As [`Self::enhanced`].
    #[must_use]
    pub fn mse(&self, weights: &Weights) -> f64 {
        mse(&self.enhanced(weights), &self.hr)
    }

    /// SSIM of `picture` against HR; `None`: they are too small for its window. Panics when the sizes differ.
    #[must_use]
    pub fn ssim(&self, picture: &Plane) -> Option<f64> {
        let large = self.hr.width().min(self.hr.height()) >= WINDOW;
        large.then(|| ssim(picture, &self.hr))
    }

    fn without_margins(&self, upscaled: &Plane) -> Plane {
        let (left, top) = (self.margin_left * self.scale, self.margin_top * self.scale);
        upscaled.crop(left, top, self.hr.width(), self.hr.height()).expect("margins and patch make up the cut")
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::Rect;

    use super::*;
    use crate::Network;

    fn patch(scale: u32, margins: [u32; 4]) -> TrainingPatch {
        let [left, top, right, bottom] = margins;
        let samples = |count: u32| (0..count).map(|index| (index * 37 % 251) as u8).collect::<Vec<_>>().into();
        TrainingPatch {
            rect: Some(Rect { x: 0, y: 0, width: 12 * scale, height: 8 * scale }),
            scale,
            lr_coding: PixelCoding::Raw.into(),
            lr_luma: samples((12 + left + right) * (8 + top + bottom)),
            margin_left: left,
            margin_top: top,
            margin_right: right,
            margin_bottom: bottom,
            hr_coding: PixelCoding::Raw.into(),
            hr_luma: samples(96 * scale * scale),
            ..TrainingPatch::default()
        }
    }

    #[test]
    fn what_is_made_of_it_is_the_place_of_hr_at_every_scale() {
        for scale in 2..=4 {
            let pair = Pair::new(&patch(scale, [8, 3, 0, 8])).unwrap();
            let whole = bicubic(pair.lr(), scale as usize);
            assert_eq!(pair.bicubic().row(0), &whole.row(3 * scale as usize)[8 * scale as usize..]);
            let zero = Weights::zero(Network::new(scale, 1, 2, 2).unwrap());
            assert_eq!(pair.enhanced(&zero), pair.bicubic());
            assert_eq!(pair.mse(&zero), pair.bicubic_mse());
        }
    }

    #[test]
    fn ssim_is_known_of_pairs_that_hold_its_window() {
        let large = Pair::new(&patch(2, [8; 4])).unwrap();
        assert_eq!(large.ssim(large.hr()), Some(ssim(large.hr(), large.hr())));
        let small = TrainingPatch {
            rect: Some(Rect { x: 0, y: 0, width: 8, height: 8 }),
            lr_luma: vec![0; 16].into(),
            hr_luma: vec![0; 64].into(),
            ..patch(2, [0; 4])
        };
        let small = Pair::new(&small).unwrap();
        assert_eq!(small.ssim(small.hr()), None);
    }

    #[test]
    fn messages_that_do_not_fit_are_refused_by_reason() {
        let refused = |change: &dyn Fn(&mut TrainingPatch)| {
            let mut patch = patch(2, [8; 4]);
            change(&mut patch);
            Pair::new(&patch).unwrap_err()
        };
        assert_eq!(refused(&|patch| patch.scale = 5), PairError::Scale);
        assert_eq!(refused(&|patch| patch.hr_coding = PixelCoding::Webp.into()), PairError::Coding);
        assert_eq!(refused(&|patch| patch.rect = None), PairError::Size);
        assert_eq!(refused(&|patch| patch.margin_left = 7), PairError::Size);
        assert_eq!(refused(&|patch| patch.margin_left = u32::MAX), PairError::Size);
        assert_eq!(refused(&|patch| patch.hr_luma = patch.hr_luma.slice(1..)), PairError::Size);
        let long = |patch: &mut TrainingPatch| patch.rect = Some(Rect { width: u32::MAX - 3, ..patch.rect.unwrap() });
        assert_eq!(refused(&long), PairError::Size);
    }
}
