//! Finds what an encoder must be set to so that what comes out has a given size.

/// Encoders miss the rate they are set to, by some percent and not always the same: what was tried says where to try next.
#[derive(Clone, Debug)]
pub(crate) struct RateSearch {
    target_bytes: f64,
    seconds: f64,
    tried: Vec<Try>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Try {
    pub(crate) set_kbps: u32,
    pub(crate) bytes: f64,
}

/// Close enough; 1 % of rate is about 0.04 dB.
const TOLERANCE: f64 = 0.005;
const MOST_TRIES: usize = 7;
/// Below it encoders are not set.
const LEAST_KBPS: u32 = 10;

impl RateSearch {
    pub(crate) fn new(target_bytes: f64, seconds: f64) -> Self {
        Self { target_bytes, seconds, tried: Vec::new() }
    }

    pub(crate) fn record(&mut self, tried: Try) {
        self.tried.push(tried);
    }

    /// What to set next; `None`: no other rate promises to come closer.
    pub(crate) fn next(&self) -> Option<u32> {
        let Some(best) = self.best() else {
            return Some(kbps(self.target_bytes * 8.0 / 1000.0 / self.seconds));
        };
        if self.error(&best) <= TOLERANCE || self.tried.len() >= MOST_TRIES {
            return None;
        }
        let next = self.estimate(&best);
        // what was tried already has a neighbour that may be closer, on the side that is wanted
        let step = if best.bytes > self.target_bytes { -1 } else { 1 };
        [next, best.set_kbps.saturating_add_signed(step)]
            .into_iter()
            .find(|next| *next >= LEAST_KBPS && self.tried.iter().all(|tried| tried.set_kbps != *next))
    }

    /// The closest so far.
    pub(crate) fn best(&self) -> Option<Try> {
        self.tried.iter().copied().min_by(|a, b| self.error(a).total_cmp(&self.error(b)))
    }

    /// Between the nearest tries on both sides by a straight line; in proportion where there is one side only.
    fn estimate(&self, best: &Try) -> u32 {
        let nearest = |above: bool| {
            let side = self.tried.iter().filter(|tried| (tried.bytes > self.target_bytes) == above);
            side.min_by(|a, b| self.error(a).total_cmp(&self.error(b)))
        };
        let estimate = match (nearest(false), nearest(true)) {
            (Some(below), Some(above)) if below.set_kbps < above.set_kbps => {
                let share = (self.target_bytes - below.bytes) / (above.bytes - below.bytes);
                f64::from(below.set_kbps) + share * f64::from(above.set_kbps - below.set_kbps)
            }
            _ => f64::from(best.set_kbps) * self.target_bytes / best.bytes.max(1.0),
        };
        kbps(estimate)
    }

    fn error(&self, tried: &Try) -> f64 {
        (tried.bytes / self.target_bytes - 1.0).abs()
    }
}

fn kbps(rate: f64) -> u32 {
    (rate.round().clamp(0.0, 1e6) as u32).max(LEAST_KBPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an encoder that makes `bytes` of a rate is set to in the end, and how often it was tried.
    fn search(target_kbps: f64, bytes: impl Fn(u32) -> f64) -> (Try, usize) {
        let mut search = RateSearch::new(target_kbps * 125.0 * 10.0, 10.0);
        while let Some(set_kbps) = search.next() {
            search.record(Try { set_kbps, bytes: bytes(set_kbps) });
        }
        (search.best().unwrap(), search.tried.len())
    }

    #[test]
    fn a_faithful_encoder_is_set_at_once() {
        assert_eq!(search(600.0, |kbps| f64::from(kbps) * 1250.0), (Try { set_kbps: 600, bytes: 750_000.0 }, 1));
    }

    #[test]
    fn encoders_that_miss_their_rate_are_corrected() {
        for miss in [0.7, 0.93, 1.08, 1.5] {
            let (best, tries) = search(600.0, |kbps| f64::from(kbps) * 1250.0 * miss);
            assert!((best.bytes / 750_000.0 - 1.0).abs() <= 0.005, "{miss}: {best:?}");
            assert!(tries <= 3, "{miss}: {tries}");
        }
        let (best, _) =
            search(1200.0, |kbps| f64::from(kbps) * 1250.0 * (1.0 + f64::from(kbps % 7) / 100.0) + 40_000.0);
        assert!((best.bytes / 1_500_000.0 - 1.0).abs() <= 0.01, "{best:?}");
    }

    #[test]
    fn where_no_rate_fits_the_closest_is_taken() {
        let (best, tries) = search(60.0, |_| 80_000.0);
        assert_eq!(best.bytes, 80_000.0);
        assert!(tries <= MOST_TRIES);
        assert_eq!(search(3.0, |kbps| f64::from(kbps) * 1250.0).0.set_kbps, LEAST_KBPS);
        let (best, _) = search(30.4, |kbps| f64::from(kbps) * 1250.0);
        assert_eq!(best.set_kbps, 30);
    }
}
