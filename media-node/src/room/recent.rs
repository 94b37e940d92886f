//! What happened within the last seconds: bounded windows.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

/// How long an enhanced frame may lag behind its source frame.
const FRAME_TIMES_LAST: Duration = Duration::from_secs(2);
/// Far more than any camera sends within that time.
const MOST_FRAME_TIMES: usize = 1024;
const MOST_FRAMES_A_SECOND: usize = 1000;

/// Stream times of the source frames forwarded within the last 2 s.
#[derive(Debug, Default)]
pub(super) struct FrameTimes {
    in_order_of_arrival: VecDeque<(Duration, u64)>,
    times: BTreeSet<u64>,
}

impl FrameTimes {
    pub(super) fn insert(&mut self, now: Duration, stream_time: u64) {
        if self.times.insert(stream_time) {
            self.in_order_of_arrival.push_back((now, stream_time));
            self.forget(now);
        }
    }

    pub(super) fn contains(&mut self, now: Duration, stream_time: u64) -> bool {
        self.forget(now);
        self.times.contains(&stream_time)
    }

    fn forget(&mut self, now: Duration) {
        while let Some(&(at, stream_time)) = self.in_order_of_arrival.front()
            && (now.saturating_sub(at) > FRAME_TIMES_LAST || self.in_order_of_arrival.len() > MOST_FRAME_TIMES)
        {
            self.in_order_of_arrival.pop_front();
            self.times.remove(&stream_time);
        }
    }
}

/// Frames completed within the last second.
#[derive(Debug, Default)]
pub(super) struct FrameRate {
    completed_at: VecDeque<Duration>,
}

impl FrameRate {
    pub(super) fn count(&mut self, now: Duration) {
        while self.completed_at.len() >= MOST_FRAMES_A_SECOND
            || self.completed_at.front().is_some_and(|&at| !within_a_second(now, at))
        {
            self.completed_at.pop_front();
        }
        self.completed_at.push_back(now);
    }

    pub(super) fn frames_per_second(&self, now: Duration) -> f64 {
        self.completed_at.iter().filter(|&&at| within_a_second(now, at)).count() as f64
    }
}

fn within_a_second(now: Duration, at: Duration) -> bool {
    now.saturating_sub(at) < Duration::from_secs(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_times_are_known_for_two_seconds() {
        let mut times = FrameTimes::default();
        times.insert(Duration::from_secs(1), 7);
        assert!(times.contains(Duration::from_secs(3), 7));
        assert!(!times.contains(Duration::from_secs(3), 8));
        assert!(!times.contains(Duration::from_millis(3_001), 7));
    }

    #[test]
    fn a_flood_of_frame_times_keeps_the_newest() {
        let mut times = FrameTimes::default();
        for stream_time in 0..5_000 {
            times.insert(Duration::from_secs(1), stream_time);
        }
        assert_eq!((times.times.len(), times.in_order_of_arrival.len()), (MOST_FRAME_TIMES, MOST_FRAME_TIMES));
        assert!(times.contains(Duration::from_secs(1), 4_999));
    }

    #[test]
    fn a_frame_rate_is_of_the_last_second() {
        let mut rate = FrameRate::default();
        for frame in 0..45 {
            rate.count(Duration::from_millis(frame * 40));
        }
        assert_eq!(rate.frames_per_second(Duration::from_millis(44 * 40)), 25.0);
        assert_eq!(rate.frames_per_second(Duration::from_secs(10)), 0.0);
    }
}
