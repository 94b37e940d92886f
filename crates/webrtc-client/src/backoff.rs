//! When to connect again: at once, then after 0.2 … 2 s with jitter, for ever.

use std::time::Duration;

/// Delays of one run of failures; [`Backoff::reset`] after a success.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait before the next try; `random` is uniform in [0, 1).
    pub fn next_delay(&mut self, random: f64) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        if failures == 0 {
            return Duration::ZERO;
        }
        let longest = (0.2 * f64::from(2u32.saturating_pow(failures - 1).min(10))).min(2.0);
        Duration::from_secs_f64(0.2 + (longest - 0.2) * random)
    }

    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_try_is_at_once_and_later_ones_stay_between_a_fifth_and_two_seconds() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next_delay(0.9), Duration::ZERO);
        for failure in 0..50 {
            let delay = backoff.next_delay(f64::from(failure % 10) / 10.0).as_secs_f64();
            assert!((0.2..=2.0).contains(&delay), "{delay}");
        }
        backoff.reset();
        assert_eq!(backoff.next_delay(0.5), Duration::ZERO);
    }
}
