//! Counts scene changes by the frames that patches come from.

use std::time::Duration;

/// Bits of the perceptual hash that differ between pictures of different scenes.
const LEAST_DISTANCE: u32 = 22;
/// Difference of mean luma.
const LEAST_STEP: u32 = 28;
/// A flash is one change, not two a frame.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameMarks {
    pub(crate) stream_time: u64,
    pub(crate) phash: u64,
    /// Luma
    pub(crate) mean: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Scenes {
    newest: Option<FrameMarks>,
    last_change: Option<Duration>,
}

impl Scenes {
    /// Whether another scene began since the newest frame so far.
    pub(crate) fn is_change(&mut self, now: Duration, frame: FrameMarks) -> bool {
        let Some(newest) = self.newest.replace(frame) else { return false };
        if frame.stream_time <= newest.stream_time {
            self.newest = Some(newest);
            return false;
        }
        let different = sr_net::hamming(frame.phash, newest.phash) >= LEAST_DISTANCE
            || frame.mean.abs_diff(newest.mean) >= LEAST_STEP;
        let rested = self.last_change.is_none_or(|last| now.saturating_sub(last) >= LEAST_PAUSE);
        if different && rested {
            self.last_change = Some(now);
        }
        different && rested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_counts_once_and_motion_does_not() {
        let mut scenes = Scenes::default();
        let frames =
            [(1, 0, 100), (2, 0xff, 104), (3, u64::MAX, 104), (4, 0, 104), (2, 0, 0), (200, u64::MAX >> 20, 104)];
        let changes = frames.map(|(second, phash, mean)| {
            scenes.is_change(Duration::from_millis(second * 300), FrameMarks { stream_time: second, phash, mean })
        });
        assert_eq!(changes, [false, false, true, false, false, true]);
    }
}
