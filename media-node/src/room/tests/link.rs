//! A network path on a virtual clock: seeded loss with repairs, reordering, duplicates.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// How bad a path is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Shares of packets.
    pub(super) lost: f64,
    /// Of the lost ones: come later, as if asked for again.
    pub(super) repaired: f64,
    pub(super) doubled: f64,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
}

impl Weather {
    pub(super) const CALM: Self = Self {
        lost: 0.0,
        repaired: 0.0,
        doubled: 0.0,
        delay: Duration::from_millis(5),
        jitter: Duration::ZERO,
    };

    pub(super) const ROUGH: Self = Self {
        lost: 0.05,
        repaired: 0.7,
        doubled: 0.02,
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(6),
    };
}

/// Carries values of any kind; those sent at one time through calm weather keep their order.
#[derive(Debug)]
pub(super) struct Link<T> {
    weather: Weather,
    random: StdRng,
    sent: usize,
    under_way: BinaryHeap<Reverse<(Duration, usize)>>,
    /// By the number of their sending; `None` once there.
    values: Vec<Option<T>>,
}

impl<T: Clone> Link<T> {
    pub(super) fn new(weather: Weather, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { weather, random, sent: 0, under_way: BinaryHeap::new(), values: Vec::new() }
    }

    pub(super) fn send(&mut self, now: Duration, value: T) {
        let Weather { lost, repaired, doubled, delay, jitter } = self.weather;
        let repair = Duration::from_millis(60);
        if self.random.random_bool(lost) {
            if self.random.random_bool(repaired) {
                self.carry(now + delay + repair + self.chance(jitter), value);
            }
            return;
        }
        if self.random.random_bool(doubled) {
            let at = now + delay + self.chance(repair);
            self.carry(at, value.clone());
        }
        let at = now + delay + self.chance(jitter);
        self.carry(at, value);
    }

    /// When the next value arrives.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.under_way.peek().map(|Reverse((at, _))| *at)
    }

    /// The next value that arrived by `now`.
    pub(super) fn receive(&mut self, now: Duration) -> Option<T> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse((_, number)) = self.under_way.pop()?;
        self.values[number].take()
    }

    fn carry(&mut self, at: Duration, value: T) {
        self.under_way.push(Reverse((at, self.sent)));
        self.values.push(Some(value));
        self.sent += 1;
    }

    fn chance(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.random.random())
    }
}
