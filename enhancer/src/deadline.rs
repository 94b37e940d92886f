//! Whether there is time for the network: a frame is due two frame intervals after its last packet came, and four where
//! the machine was busy. With less, a network that keeps up with the stream, but not without a break, would rest most of
//! the time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long the network took for the last frames.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    samples: VecDeque<(Instant, Duration)>,
    rest: Option<Rest>,
}

/// The network was too slow, and is not asked again before.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    length: Duration,
    over: bool,
}

/// Frame intervals from the last packet of a frame to the end of the network, for most frames and for 95 of 100.
const DUE_INTERVALS: u32 = 2;
const LATEST_INTERVALS: u32 = 4;
/// The most frames that are remembered.
const WINDOW: usize = 100;
/// Older ones are forgotten.
const MEMORY: Duration = Duration::from_secs(5);
/// After a slow spell the network is tried again soon, for a hiccup costs few frames then; where it is slow again, twice
/// as late each time, for every try may be a frame that comes late.
const FIRST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(4);

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
        let [p95] = self.percentiles([95]);
        p95
    }

    /// The times within which so many of 100 frames are through the network.
    fn percentiles<const N: usize>(&self, percents: [usize; N]) -> [Duration; N] {
        let mut times: Vec<_> = self.samples.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let rank = |percent: usize| (times.len() * percent).div_ceil(100);
        percents.map(|percent| rank(percent).checked_sub(1).map_or(Duration::ZERO, |index| times[index]))
    }

    /// Whether the network, begun at `now`, is likely through in time with a frame that came at `arrived`.
    pub(crate) fn allows(&mut self, now: Instant, arrived: Instant, frame_interval: Duration) -> bool {
        while self.samples.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > MEMORY) {
            self.samples.pop_front();
        }
        let [median, p95] = self.percentiles([50, 95]);
        let in_time = |took, intervals| now + took <= arrived + intervals * frame_interval;
        if in_time(median, DUE_INTERVALS) && in_time(p95, LATEST_INTERVALS) {
            return true;
        }
        // A frame that waited long says nothing of the network.
        if now.saturating_duration_since(arrived) > frame_interval / 4 {
            return false;
        }
        self.is_rested(now)
    }

    /// Whether a rest is over now. One begins where there is none.
    fn is_rested(&mut self, now: Instant) -> bool {
        let length = match &mut self.rest {
            Some(rest) if now < rest.until => return false,
            Some(rest) if !rest.over => {
                rest.over = true;
                self.samples.clear();
                return true;
            }
            Some(rest) if now.saturating_duration_since(rest.until) < MEMORY => (2 * rest.length).min(LONGEST_REST),
            _ => FIRST_REST,
        };
        self.rest = Some(Rest { until: now + length, length, over: false });
        false
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
            (40, 5, 33, true),
            (40, 26, 33, true),
            (40, 27, 33, false),
            (70, 0, 33, false),
            (70, 0, 100, true),
            (1, 70, 33, false),
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

    /// Frames that the network may have in `seconds` at 30 a second, when it would take `took` for the n-th.
    fn allowed(seconds: usize, took: impl Fn(usize) -> Duration) -> usize {
        let (start, mut deadline, mut allowed) = (Instant::now(), Deadline::default(), 0);
        for frame in 0..30 * seconds {
            let now = start + ms(33) * frame as u32;
            if deadline.allows(now, now, ms(33)) {
                deadline.record(now, took(frame));
                allowed += 1;
            }
        }
        allowed
    }

    #[test]
    fn a_hiccup_costs_half_a_second_and_a_slow_network_is_seldom_tried() {
        assert_eq!(allowed(20, |_| ms(20)), 600);
        let hiccup = allowed(20, |frame| if (50..60).contains(&frame) { ms(200) } else { ms(20) });
        assert!((575..600).contains(&hiccup), "{hiccup} of 600 frames");
        let busy = allowed(20, |frame| if frame % 10 == 9 { ms(90) } else { ms(30) });
        assert_eq!(busy, 600, "one of ten is late, and none is worse for it");
        let slow = allowed(60, |_| ms(90));
        assert!((12..=20).contains(&slow), "{slow} tries in a minute");
    }
}
