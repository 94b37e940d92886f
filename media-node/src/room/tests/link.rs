//! A network path on a virtual clock: seeded loss with repairs, reordering, duplicates.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// How bad a path is; the first three are shares of packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) lost: f64,
    /// Of the lost ones: come later, as if asked for again.
    pub(super) repaired: f64,
    pub(super) doubled: f64,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
}

impl Weather {
    pub(super) const fn calm(delay: Duration) -> Self {
        Self { lost: 0.0, repaired: 0.0, doubled: 0.0, delay, jitter: Duration::ZERO }
    }

    pub(super) const ROUGH: Self = Self {
        lost: 0.05,
        repaired: 0.7,
        doubled: 0.02,
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(6),
    };
}

const REPAIR: Duration = Duration::from_millis(60);

/// In calm weather, values arrive in the order of their sending.
#[derive(Debug)]
pub(super) struct Link<T> {
    pub(super) weather: Weather,
    random: StdRng,
    sent: usize,
    /// By arrival, then by number.
    under_way: BTreeMap<(Duration, usize), T>,
}

impl<T: Clone> Link<T> {
    pub(super) fn new(weather: Weather, seed: u64) -> Self {
        Self { weather, random: StdRng::seed_from_u64(seed), sent: 0, under_way: BTreeMap::new() }
    }

    pub(super) fn send(&mut self, now: Duration, value: T) {
        let Weather { lost, repaired, doubled, delay, .. } = self.weather;
        if self.random.random_bool(doubled) {
            let later = REPAIR.mul_f64(self.random.random());
            self.carry(now + delay + later, value.clone());
        }
        if !self.random.random_bool(lost) {
            self.carry(now + delay, value);
        } else if self.random.random_bool(repaired) {
            self.carry(now + delay + REPAIR, value);
        }
    }

    /// The next value that arrived by `now`.
    pub(super) fn receive(&mut self, now: Duration) -> Option<T> {
        let next = self.under_way.first_entry()?;
        (next.key().0 <= now).then(|| next.remove())
    }

    fn carry(&mut self, at: Duration, value: T) {
        let at = at + self.weather.jitter.mul_f64(self.random.random());
        self.under_way.insert((at, self.sent), value);
        self.sent += 1;
    }
}
