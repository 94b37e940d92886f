//! How far apart frames are, by their timestamps.

use std::{collections::VecDeque, time::Duration};

/// The median distance of the last frames.
#[derive(Debug, Default)]
pub(crate) struct FrameRate {
    last: Option<u64>,
    distances: VecDeque<u64>,
}

const CLOCK_RATE: u64 = 90_000;
const WINDOW: usize = 9;
/// Of a source that says nothing yet.
const DEFAULT_DISTANCE: u64 = CLOCK_RATE / 30;

impl FrameRate {
    /// A frame with this timestamp (90 kHz) came.
    pub(crate) fn record(&mut self, timestamp: u64) {
        let distance = self.last.replace(timestamp).and_then(|last| timestamp.checked_sub(last));
        // a pause of a second says nothing of the rate
        if let Some(distance @ 1..CLOCK_RATE) = distance {
            if self.distances.len() == WINDOW {
                self.distances.pop_front();
            }
            self.distances.push_back(distance);
        }
    }

    #[must_use]
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_micros(self.distance() * 1_000_000 / CLOCK_RATE)
    }

    fn distance(&self) -> u64 {
        let mut sorted: Vec<_> = self.distances.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(DEFAULT_DISTANCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_most_frames() {
        for (timestamps, expected_us) in [
            (vec![], 33_333),
            (vec![7], 33_333),
            (vec![0, 3600, 7200, 10_800], 40_000),
            (vec![0, 3000, 6000, 90_000, 93_000, 96_000], 33_333),
            (vec![1 << 33, 0, 9000, 18_000], 100_000),
            (vec![0, 0, 3000, 900_000, 903_000], 33_333),
        ] {
            let mut rate = FrameRate::default();
            timestamps.iter().for_each(|&timestamp| rate.record(timestamp));
            assert_eq!(rate.interval(), Duration::from_micros(expected_us), "{timestamps:?}");
        }
    }
}
