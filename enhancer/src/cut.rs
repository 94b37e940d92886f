//! Hard cuts: the moment at which weights that know one scene meet another.

use sr_net::Plane;

/// Compares each picture with the one before it.
#[derive(Debug, Default)]
pub(crate) struct CutDetector {
    last: Option<Thumbnail>,
    /// Running mean of the differences, in luma steps.
    usual: f32,
}

const COLUMNS: usize = 16;
const ROWS: usize = 9;
/// Mean luma of each cell of a grid.
type Thumbnail = [f32; COLUMNS * ROWS];

/// A cut differs by at least this many luma steps on the average,
const LEAST: f32 = 14.0;
/// and by this many times what pictures differed lately: motion is no cut.
const TIMES_USUAL: f32 = 5.0;

impl CutDetector {
    /// Whether `luma` begins another scene than the picture before.
    pub(crate) fn is_cut(&mut self, luma: &Plane) -> bool {
        let thumbnail = thumbnail(luma);
        let Some(last) = self.last.replace(thumbnail) else { return false };
        let difference =
            thumbnail.iter().zip(&last).map(|(now, before)| (now - before).abs()).sum::<f32>() / thumbnail.len() as f32;
        let cut = difference >= LEAST.max(TIMES_USUAL * self.usual);
        if !cut {
            self.usual += (difference - self.usual) / 8.0;
        }
        cut
    }
}

/// Every fourth sample of every fourth row: enough for means.
fn thumbnail(luma: &Plane) -> Thumbnail {
    const STEP: usize = 4;
    let mut sums = [(0u32, 0u32); COLUMNS * ROWS];
    for y in (0..luma.height()).step_by(STEP) {
        let cells = &mut sums[y * ROWS / luma.height() * COLUMNS..][..COLUMNS];
        for (x, &sample) in luma.row(y).iter().enumerate().step_by(STEP) {
            let (sum, count) = &mut cells[x * COLUMNS / luma.width()];
            *sum += u32::from(sample);
            *count += 1;
        }
    }
    sums.map(|(sum, count)| sum as f32 / count.max(1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(seed: usize, shift: usize, noise: usize) -> Plane {
        let (width, height) = (320, 180);
        let samples = (0..width * height).map(|i| {
            let (x, y) = (i % width + shift, i / width);
            let blocks = (x / 40 * 57 + y / 45 * 31 + seed * 101) % 160;
            (40 + blocks + if noise > 0 { (i * 2_654_435_761) % noise } else { 0 }) as u8
        });
        Plane::new(width, height, samples.collect()).unwrap()
    }

    fn cuts(pictures: impl IntoIterator<Item = Plane>) -> Vec<usize> {
        let mut detector = CutDetector::default();
        pictures.into_iter().enumerate().filter_map(|(i, picture)| detector.is_cut(&picture).then_some(i)).collect()
    }

    #[test]
    fn a_new_scene_is_a_cut_and_nothing_else_is() {
        let none: [usize; 0] = [];
        assert_eq!(cuts((0..20).map(|_| scene(0, 0, 0))), none, "still");
        assert_eq!(cuts((0..20).map(|i| scene(0, 0, 1 + i % 40))), none, "noise");
        assert_eq!(cuts((0..40).map(|i| scene(0, 4 * i, 10))), none, "a pan");
        assert_eq!(cuts((0..40).map(|i| Plane::filled(320, 180, 2 * i))), none, "a fade");
        assert_eq!(cuts((0..20).map(|i| scene(i / 10, i, 10))), [10], "a cut");
        assert_eq!(cuts((0..30).map(|i| scene(i / 10, 0, 10))), [10, 20], "two cuts");
    }

    #[test]
    fn any_size_is_taken_and_may_change() {
        assert_eq!(
            cuts([Plane::filled(1, 1, 0), Plane::filled(16, 2, 0), Plane::filled(640, 361, 0)]),
            [] as [usize; 0]
        );
    }
}
