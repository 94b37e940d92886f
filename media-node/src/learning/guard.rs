//! The live guard: takes the live checkpoint back when fresh pairs say that it is worse than bicubic, and gives it
//! again when it is better.

use std::{collections::VecDeque, time::Duration};

/// Pairs a verdict is made of, none older than [`MAX_AGE`].
const PAIRS: usize = 8;
/// A checkpoint gone bad is withdrawn within this.
const MAX_AGE: Duration = Duration::from_secs(5);
/// One odd patch is no verdict.
const LEAST_PAIRS: usize = 2;
const RESTORE_ABOVE_DB: f64 = 0.05;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GuardChange {
    Withdrawn { gain_db: f64 },
    Restored,
}

/// Watches one version.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveGuard {
    measured: VecDeque<Measured>,
    withdrawn: bool,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    at: Duration,
    bicubic_mse: f64,
    live_mse: f64,
}

impl LiveGuard {
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.withdrawn
    }

    /// Another scene: what was measured before says nothing of it.
    pub(crate) fn forget(&mut self) {
        self.measured.clear();
    }

    /// Until fresh pairs say that it is better.
    pub(crate) fn withdraw(&mut self) {
        (self.withdrawn, self.measured) = (true, VecDeque::new());
    }

    pub(crate) fn handle_measured(&mut self, now: Duration, bicubic_mse: f64, live_mse: f64) -> Option<GuardChange> {
        self.measured.push_back(Measured { at: now, bicubic_mse, live_mse });
        while self.measured.len() > PAIRS
            || self.measured.front().is_some_and(|oldest| now.saturating_sub(oldest.at) > MAX_AGE)
        {
            self.measured.pop_front();
        }
        if self.measured.len() < LEAST_PAIRS {
            return None;
        }
        let gain_db = self.gain_db();
        if !self.withdrawn && gain_db < 0.0 {
            self.withdrawn = true;
            return Some(GuardChange::Withdrawn { gain_db });
        }
        if self.withdrawn && gain_db > RESTORE_ABOVE_DB {
            self.withdrawn = false;
            return Some(GuardChange::Restored);
        }
        None
    }

    fn gain_db(&self) -> f64 {
        let mean = |of: fn(&Measured) -> f64| self.measured.iter().map(of).sum::<f64>() / self.measured.len() as f64;
        sr_net::psnr_of_mse_db(mean(|one| one.live_mse)) - sr_net::psnr_of_mse_db(mean(|one| one.bicubic_mse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: (f64, f64) = (100.0, 60.0);
    const BAD: (f64, f64) = (100.0, 110.0);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// When, in seconds, a change comes if a patch of this kind arrives `rate` times a second from `start` on.
    fn first_change(
        guard: &mut LiveGuard,
        start: f64,
        rate: f64,
        (bicubic, live): (f64, f64),
    ) -> Option<(f64, GuardChange)> {
        (0..200)
            .map(|index| start + f64::from(index) / rate)
            .find_map(|at| guard.handle_measured(seconds(at), bicubic, live).map(|change| (at, change)))
    }

    #[test]
    fn a_version_that_helps_stays() {
        assert_eq!(first_change(&mut LiveGuard::default(), 0.0, 20.0, GOOD), None);
    }

    #[test]
    fn a_version_gone_bad_is_withdrawn_within_five_seconds_at_any_rate() {
        for rate in [1.0, 3.0, 20.0] {
            let mut guard = LiveGuard::default();
            first_change(&mut guard, 0.0, rate, GOOD);
            let start = 200.0 / rate;
            let (at, change) = first_change(&mut guard, start, rate, BAD).unwrap();
            assert!(matches!(change, GuardChange::Withdrawn { gain_db } if gain_db < 0.0), "{change:?}");
            assert!(at - start <= 5.0, "{} s at {rate} patches a second", at - start);
        }
    }

    #[test]
    fn it_comes_back_once_it_is_clearly_better() {
        let mut guard = LiveGuard::default();
        first_change(&mut guard, 0.0, 20.0, BAD).unwrap();
        assert_eq!(first_change(&mut guard, 20.0, 20.0, (100.0, 99.5)), None, "+0.02 dB is too little");
        let (_, change) = first_change(&mut guard, 40.0, 20.0, GOOD).unwrap();
        assert_eq!(change, GuardChange::Restored);
        assert!(!guard.is_withdrawn());
    }

    #[test]
    fn one_odd_patch_is_no_verdict() {
        let mut guard = LiveGuard::default();
        assert_eq!(guard.handle_measured(seconds(0.0), 100.0, 500.0), None);
        assert_eq!(guard.handle_measured(seconds(9.0), 100.0, 500.0), None, "the first is too old to count");
    }
}
