//! Whether there is time for the network: a frame is due one frame interval after its last packet came.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long the network took for the last frames.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    samples: VecDeque<(Instant, Duration)>,
}

/// The most frames that are remembered.
const WINDOW: usize = 100;
/// Older ones are forgotten, so that after a slow spell the network is tried again.
const MEMORY: Duration = Duration::from_secs(5);

impl Deadline {
    /// The network took `took` for a frame that was ready at `now`.
    pub(crate) fn record(&mut self, now: Instant, took: Duration) {
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back((now, took));
    }

    /// The time within which 95 of 100 frames are through the network; zero while none is known.
    #[must_use]
    pub(crate) fn p95(&self) -> Duration {
        let mut times: Vec<_> = self.samples.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let rank = (times.len() * 95).div_ceil(100);
        rank.checked_sub(1).map_or(Duration::ZERO, |index| times[index])
    }

    /// Whether the network, begun at `now`, is likely through in time with a frame that came at `arrived`.
    pub(crate) fn allows(&mut self, now: Instant, arrived: Instant, frame_interval: Duration) -> bool {
        while self.samples.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > MEMORY) {
            self.samples.pop_front();
        }
        now + self.p95() <= arrived + frame_interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_network_is_begun_only_when_it_is_likely_through_in_time() {
        let start = Instant::now();
        // (the network takes, the frame waited, the interval, allowed)
        for (took, waited, interval, expected) in [
            (20, 5, 33, true),
            (20, 13, 33, true),
            (20, 14, 33, false),
            (40, 0, 33, false),
            (40, 0, 100, true),
            (1, 40, 33, false),
        ] {
            let mut deadline = Deadline::default();
            for _ in 0..20 {
                deadline.record(start, ms(took));
            }
            let allowed = deadline.allows(start + ms(waited), start, ms(interval));
            assert_eq!(allowed, expected, "{took} ms after {waited} ms of {interval} ms");
        }
    }

    #[test]
    fn one_slow_frame_in_twenty_does_not_count() {
        let now = Instant::now();
        let mut deadline = Deadline::default();
        assert_eq!(deadline.p95(), Duration::ZERO);
        for frame in 0..100 {
            deadline.record(now, if frame % 25 == 0 { ms(90) } else { ms(20) });
        }
        assert_eq!(deadline.p95(), ms(20));
        for _ in 0..8 {
            deadline.record(now, ms(90));
        }
        assert_eq!(deadline.p95(), ms(90));
    }

    #[test]
    fn after_a_slow_spell_the_network_is_tried_again() {
        let start = Instant::now();
        let mut deadline = Deadline::default();
        deadline.record(start, ms(500));
        assert!(!deadline.allows(start + ms(4900), start + ms(4900), ms(33)));
        assert!(deadline.allows(start + ms(5100), start + ms(5100), ms(33)));
    }
}
