//! A token bucket that may go into debt.

use std::time::Duration;

/// Lets an amount a second through. Something is let through while tokens are left, whatever it costs; its whole cost
/// is then paid off. So nothing is too large to pass, and over time the rate is exact.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled_at: Duration,
}

impl Bucket {
    /// `rate` a second, at most `burst` saved up. Full at `now` (time since any fixed point).
    pub(crate) fn new(now: Duration, rate: f64, burst: f64) -> Self {
        Self { rate, burst, tokens: burst, filled_at: now }
    }

    /// From `now` on.
    pub(crate) fn set_rate(&mut self, now: Duration, rate: f64, burst: f64) {
        self.fill(now);
        (self.rate, self.burst) = (rate, burst);
        self.tokens = self.tokens.min(burst);
    }

    /// Whether something may pass.
    pub(crate) fn is_open(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.rate > 0.0 && self.tokens > 0.0
    }

    pub(crate) fn spend(&mut self, cost: f64) {
        self.tokens -= cost;
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled_at).as_secs_f64();
        self.filled_at = self.filled_at.max(now);
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What passes in `seconds` when something of `cost` wants to pass every 10 ms.
    fn passed(rate: f64, burst: f64, cost: f64, seconds: u64) -> f64 {
        let mut bucket = Bucket::new(Duration::ZERO, rate, burst);
        let mut sum = 0.0;
        for step in 0..seconds * 100 {
            if bucket.is_open(Duration::from_millis(step * 10)) {
                bucket.spend(cost);
                sum += cost;
            }
        }
        sum
    }

    #[test]
    fn over_time_the_rate_is_exact_for_any_cost() {
        for (rate, burst, cost) in [(80_000.0, 40_000.0, 4_000.0), (6_000.0, 3_000.0, 9_000.0), (20.0, 4.0, 1.0)] {
            let sum = passed(rate, burst, cost, 100);
            assert!((sum - rate * 100.0).abs() <= burst + cost, "{sum} at {rate}");
        }
    }

    #[test]
    fn nothing_passes_at_rate_zero() {
        assert_eq!(passed(0.0, 1000.0, 1.0, 10), 0.0);
    }

    #[test]
    fn savings_end_at_the_burst_and_shrink_with_it() {
        let mut bucket = Bucket::new(Duration::ZERO, 10.0, 5.0);
        assert!(bucket.is_open(Duration::from_secs(1000)));
        bucket.spend(5.0);
        assert!(!bucket.is_open(Duration::from_secs(1000)));
        bucket.set_rate(Duration::from_secs(2000), 10.0, 1.0);
        bucket.spend(1.0);
        assert!(!bucket.is_open(Duration::from_secs(2000)));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let mut bucket = Bucket::new(Duration::from_secs(10), 10.0, 5.0);
        bucket.spend(5.0);
        assert!(!bucket.is_open(Duration::from_secs(3)));
        assert!(!bucket.is_open(Duration::from_secs(10)));
    }
}
