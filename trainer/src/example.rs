//! A training patch, checked, with what bicubic lacks.

use proto::v1::TrainingPatch;
use sr_net::{Pair, PairError};

/// One LR/HR pair.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Example {
    pub(crate) id: PatchId,
    /// Of the whole LR frame.
    pub(crate) phash: u64,
    pub(crate) pair: Pair,
    /// (HR − bicubic) / 255, neither clamped nor rounded.
    pub(crate) residual: Vec<f32>,
}

/// Which patch: the same one may come twice. Ordered by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PatchId {
    pub(crate) stream_time: u64,
    pub(crate) x: u32,
    pub(crate) y: u32,
}

impl Example {
    /// # Errors
    /// Why it teaches nothing; the text is the label of a metric.
    pub(crate) fn new(patch: &TrainingPatch, scale: usize) -> Result<Self, PairError> {
        if patch.scale as usize != scale {
            return Err(PairError::Scale);
        }
        let (pair, rect) = (Pair::new(patch)?, patch.rect.ok_or(PairError::Size)?);
        let id = PatchId { stream_time: patch.stream_time, x: rect.x, y: rect.y };
        Ok(Self { id, phash: patch.phash, residual: residual_of_bicubic(&pair), pair })
    }
}

fn residual_of_bicubic(pair: &Pair) -> Vec<f32> {
    let ([left, top], lr) = (pair.margins().map(|margin| margin * pair.scale()), pair.lr());
    let samples: Vec<f32> = lr.samples().iter().map(|&sample| f32::from(sample)).collect();
    let bicubic = sr_net::upsample(&samples, lr.width(), lr.height(), pair.scale());
    let rows = bicubic.chunks_exact(lr.width() * pair.scale()).skip(top);
    let inside = rows.zip(pair.hr().samples().chunks_exact(pair.hr().width()));
    let lack = |(hr, bicubic): (&u8, &f32)| (f32::from(*hr) - bicubic) / 255.0;
    inside.flat_map(|(bicubic, hr)| hr.iter().zip(&bicubic[left..]).map(lack)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use proto::v1::{PixelCoding, Rect};

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
            let (bicubic, hr) = (example.pair.bicubic(), example.pair.hr());
            for ((residual, bicubic), hr) in example.residual.iter().zip(bicubic.samples()).zip(hr.samples()) {
                assert!((residual * 255.0 + f32::from(*bicubic) - f32::from(*hr)).abs() <= 24.0, "{margins:?}");
            }
        }
    }

    #[test]
    fn patches_of_another_scale_teach_nothing() {
        let patch = patch(0, 0, 32, [8; 4]);
        assert!(Example::new(&patch, 2).is_ok());
        assert_eq!(Example::new(&patch, 3), Err(PairError::Scale));
        assert_eq!(Example::new(&TrainingPatch { rect: None, ..patch }, 2), Err(PairError::Size));
    }
}
