//! Counts scenes by their cuts. From one decoded frame to the next, for a camera that turns for a second shows another
//! picture too, and is no cut; only where frames were lost meanwhile it may count as one.

use media_node::learning::wire::SCENE_DISTANCE;
use sr_net::Plane;

/// Difference of mean luma.
const LEAST_STEP: u8 = 28;
/// A flash is one change, not two a frame; in 90 kHz ticks.
const LEAST_PAUSE_TICKS: u64 = 90_000;

/// What tells a frame's scene from another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) phash: u64,
    mean: u8,
}

impl Marks {
    pub(crate) fn of(luma: &Plane) -> Self {
        let samples = luma.samples();
        let sum: u64 = samples.iter().map(|&sample| u64::from(sample)).sum();
        Self { phash: sr_net::phash(luma), mean: (sum / samples.len().max(1) as u64) as u8 }
    }

    fn is_of_another_scene(self, other: Self) -> bool {
        sr_net::hamming(self.phash, other.phash) >= SCENE_DISTANCE || self.mean.abs_diff(other.mean) >= LEAST_STEP
    }
}

#[derive(Debug, Default)]
pub(crate) struct Scenes {
    newest: Option<Marks>,
    cut_at: Option<u64>,
    count: u64,
}

impl Scenes {
    /// The scene of the next frame, counted from 0.
    pub(crate) fn next(&mut self, stream_time: u64, marks: Marks) -> u64 {
        let differs = self.newest.replace(marks).is_some_and(|newest| newest.is_of_another_scene(marks));
        let rested = self.cut_at.is_none_or(|cut_at| stream_time.saturating_sub(cut_at) >= LEAST_PAUSE_TICKS);
        if differs && rested {
            self.cut_at = Some(stream_time);
            self.count += 1;
        }
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenes(frames: &[(u64, u64, u8)]) -> Vec<u64> {
        let mut scenes = Scenes::default();
        let next = |&(tenths, phash, mean): &(u64, u64, u8)| scenes.next(tenths * 9000, Marks { phash, mean });
        frames.iter().map(next).collect()
    }

    #[test]
    fn a_cut_counts_once_and_motion_does_not() {
        let (half, other) = (0xffff, u64::MAX);
        assert_eq!(scenes(&[(0, 0, 100), (1, half, 104), (2, half << 8, 110), (3, 0, 104)]), [0; 4], "motion");
        assert_eq!(scenes(&[(0, 0, 100), (1, other, 100), (2, other, 100)]), [0, 1, 1], "another picture");
        assert_eq!(scenes(&[(0, 0, 100), (1, 0, 130), (2, 0, 130)]), [0, 1, 1], "another brightness");
        assert_eq!(scenes(&[(0, 0, 100), (1, 0, 255), (2, 0, 100), (20, 0, 100)]), [0, 1, 1, 1], "a flash");
        assert_eq!(scenes(&[(0, 0, 100), (1, other, 100), (11, 0, 100)]), [0, 1, 2], "a second later");
    }
}
