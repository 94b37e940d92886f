//! The replay buffer. A patch judges before it trains: it waits here until newer ones can judge in its place.

use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
    time::Duration,
};

use rand::{Rng, RngExt};

/// A patch is trained on when so many newer ones have come …
const NEWER_BEFORE_TRAINING: usize = 8;
/// … or when it has waited so long.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// What the buffer must know of an item.
pub(crate) trait Dated {
    type Id: Hash + Eq + Clone;
    fn id(&self) -> Self::Id;
    /// In units of 1/90000 s.
    fn stream_time(&self) -> u64;
}

/// Bounded; `now` is the time since any fixed moment.
pub(crate) struct Replay<T: Dated> {
    capacity: usize,
    half_life_seconds: f64,
    /// By stream time, oldest first.
    waiting: VecDeque<(Duration, T)>,
    /// In the order of admission.
    admitted: VecDeque<T>,
    known: HashSet<T::Id>,
    trained_through: u64,
}

impl<T: Dated> Replay<T> {
    /// An item `half_life_seconds` older than the newest is drawn half as often; 0: all alike.
    pub(crate) fn new(capacity: usize, half_life_seconds: f64) -> Self {
        let (waiting, admitted, known) = (VecDeque::new(), VecDeque::new(), HashSet::new());
        Self { capacity: capacity.max(1), half_life_seconds, waiting, admitted, known, trained_through: 0 }
    }

    /// Takes an item in; false when it is already here.
    pub(crate) fn receive(&mut self, now: Duration, item: T) -> bool {
        if !self.known.insert(item.id()) {
            return false;
        }
        let place = self.waiting.partition_point(|(_, other)| other.stream_time() <= item.stream_time());
        self.waiting.insert(place, (now, item));
        true
    }

    /// Admits to training what has judged long enough; returns how many.
    pub(crate) fn admit(&mut self, now: Duration) -> usize {
        let mut count = 0;
        while let Some((received, _)) = self.waiting.front() {
            if self.waiting.len() <= NEWER_BEFORE_TRAINING && now.saturating_sub(*received) < LONGEST_WAIT {
                break;
            }
            self.admitted.extend(self.waiting.pop_front().map(|(_, item)| item));
            self.trained_through = self.trained_through.max(self.admitted.back().map_or(0, Dated::stream_time));
            count += 1;
        }
        while self.admitted.len() > self.capacity {
            if let Some(oldest) = self.admitted.pop_front() {
                self.known.remove(&oldest.id());
            }
        }
        count
    }

    /// Never trained on, and newer than all that was; newest first.
    pub(crate) fn fresh(&self) -> impl Iterator<Item = &T> {
        let newer = |item: &&T| self.admitted.is_empty() || item.stream_time() > self.trained_through;
        self.waiting.iter().rev().map(|(_, item)| item).filter(newer)
    }

    /// How many can be drawn.
    pub(crate) fn len(&self) -> usize {
        self.admitted.len()
    }

    /// Stream time of the newest item that was ever admitted.
    pub(crate) fn trained_through(&self) -> u64 {
        self.trained_through
    }

    /// `count` items at random, new ones more often; empty when there are none.
    pub(crate) fn draw(&self, count: usize, random: &mut impl Rng) -> Vec<&T> {
        let newest = self.admitted.iter().map(Dated::stream_time).max().unwrap_or(0);
        let mut total = 0.0;
        let cumulated: Vec<f64> = self
            .admitted
            .iter()
            .map(|item| {
                total += self.weight((newest - item.stream_time()) as f64 / 90_000.0);
                total
            })
            .collect();
        if cumulated.is_empty() {
            return Vec::new();
        }
        let mut pick = || {
            let point = random.random::<f64>() * total;
            let index = cumulated.partition_point(|sum| *sum <= point);
            &self.admitted[index.min(cumulated.len() - 1)]
        };
        (0..count).map(|_| pick()).collect()
    }

    fn weight(&self, age_seconds: f64) -> f64 {
        // Old ones stay in play: a scene may come back.
        const LEAST: f64 = 1.0 / 64.0;
        if self.half_life_seconds > 0.0 { (-age_seconds / self.half_life_seconds).exp2().max(LEAST) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    /// An item is its second.
    impl Dated for u64 {
        type Id = Self;

        fn id(&self) -> Self {
            *self
        }

        fn stream_time(&self) -> u64 {
            90_000 * self
        }
    }

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn received(capacity: usize, items: impl IntoIterator<Item = u64>) -> Replay<u64> {
        let mut replay = Replay::new(capacity, 30.0);
        for item in items {
            replay.receive(at(0), item);
        }
        replay
    }

    fn fresh(replay: &Replay<u64>) -> Vec<u64> {
        replay.fresh().copied().collect()
    }

    #[test]
    fn a_patch_trains_when_eight_newer_ones_have_come() {
        let mut replay = received(100, 1..=8);
        assert_eq!((replay.admit(at(3999)), replay.len()), (0, 0));
        assert_eq!(fresh(&replay), [8, 7, 6, 5, 4, 3, 2, 1]);
        replay.receive(at(3999), 9);
        assert_eq!((replay.admit(at(3999)), replay.len(), replay.trained_through()), (1, 1, 90_000));
        assert_eq!(fresh(&replay), [9, 8, 7, 6, 5, 4, 3, 2]);
    }

    #[test]
    fn a_patch_trains_when_it_is_four_seconds_old() {
        let mut replay = received(100, [1, 2]);
        replay.receive(at(1000), 3);
        assert_eq!(replay.admit(at(3999)), 0);
        assert_eq!((replay.admit(at(4000)), fresh(&replay)), (2, vec![3]));
        assert_eq!((replay.admit(at(5000)), fresh(&replay)), (1, vec![]));
    }

    #[test]
    fn a_late_patch_judges_nothing_but_trains() {
        let mut replay = received(100, 10..=20);
        assert_eq!(replay.admit(at(0)), 3);
        replay.receive(at(0), 5);
        assert!(!fresh(&replay).contains(&5));
        assert_eq!((replay.admit(at(0)), replay.len(), replay.trained_through()), (1, 4, 12 * 90_000));
    }

    #[test]
    fn the_same_patch_is_taken_once() {
        let mut replay = received(2, 1..=12);
        assert!(!replay.receive(at(0), 12));
        replay.admit(at(0));
        assert!(!replay.receive(at(0), 4), "still held");
        assert!(replay.receive(at(0), 1), "forgotten with its eviction");
    }

    #[test]
    fn the_oldest_make_room() {
        let mut replay = received(3, 1..=20);
        assert_eq!((replay.admit(at(0)), replay.len()), (12, 3));
        let drawn: HashSet<u64> = replay.draw(200, &mut StdRng::seed_from_u64(1)).into_iter().copied().collect();
        assert_eq!(drawn, HashSet::from([10, 11, 12]));
    }

    #[test]
    fn nothing_is_drawn_from_an_empty_buffer() {
        assert!(received(3, 1..=8).draw(16, &mut StdRng::seed_from_u64(1)).is_empty());
    }

    /// How much more often the newest of two items is drawn.
    fn preference(half_life_seconds: f64, apart_seconds: u64) -> f64 {
        let mut replay = Replay::new(9, half_life_seconds);
        replay.receive(at(0), 1000 - apart_seconds);
        replay.receive(at(0), 1000);
        replay.admit(at(4000));
        let drawn = replay.draw(40_000, &mut StdRng::seed_from_u64(7));
        let newest = drawn.iter().filter(|item| ***item == 1000).count();
        newest as f64 / (drawn.len() - newest) as f64
    }

    #[test]
    fn new_patches_are_drawn_more_often() {
        for (half_life, apart, expected) in
            [(30.0, 0, 1.0), (30.0, 30, 2.0), (30.0, 60, 4.0), (10.0, 30, 8.0), (1.0, 900, 64.0), (0.0, 900, 1.0)]
        {
            let measured = if apart == 0 { 1.0 } else { preference(half_life, apart) };
            assert!((measured / expected - 1.0).abs() < 0.2, "{measured} instead of {expected} after {apart} s");
        }
    }
}
