//! A queue of two between two threads: the newest win, the giver never waits. One would do for those who always keep up;
//! with two, a frame that takes longer than an interval costs no other.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

/// One end that gives.
#[derive(Debug)]
pub(crate) struct Giver<T>(Arc<Shared<T>>);

/// One end that takes.
#[derive(Debug)]
pub(crate) struct Taker<T>(Arc<Shared<T>>);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    Item(T),
    /// Nothing came in time.
    Nothing,
    /// The giver is gone.
    Closed,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

const CAPACITY: usize = 2;

#[must_use]
pub(crate) fn queue<T>() -> (Giver<T>, Taker<T>) {
    let state = Mutex::new(State { waiting: VecDeque::with_capacity(CAPACITY), closed: false });
    let shared = Arc::new(Shared { state, changed: Condvar::new() });
    (Giver(shared.clone()), Taker(shared))
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("nobody panics with the queue locked")
    }
}

impl<T> Giver<T> {
    /// What it takes the place of, the oldest: that one is dropped.
    pub(crate) fn give(&self, item: T) -> Option<T> {
        let waiting = &mut self.0.lock().waiting;
        let oldest = if waiting.len() == CAPACITY { waiting.pop_front() } else { None };
        waiting.push_back(item);
        self.0.changed.notify_one();
        oldest
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl<T> Taker<T> {
    /// Waits for the next item, at most so long.
    pub(crate) fn take(&self, timeout: Duration) -> Taken<T> {
        let idle = |state: &mut State<T>| state.waiting.is_empty() && !state.closed;
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), timeout, idle);
        let (mut state, _) = waited.expect("nobody panics with the queue locked");
        match state.waiting.pop_front() {
            Some(item) => Taken::Item(item),
            None if state.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_newest_win_and_the_oldest_one_is_handed_back() {
        let (giver, taker) = queue();
        assert_eq!(taker.take(Duration::ZERO), Taken::Nothing);
        assert_eq!((giver.give(1), giver.give(2), giver.give(3)), (None, None, Some(1)));
        assert_eq!(taker.take(LONG), Taken::Item(2));
        assert_eq!(giver.give(4), None);
        drop(giver);
        assert_eq!([(); 3].map(|()| taker.take(LONG)), [Taken::Item(3), Taken::Item(4), Taken::Closed]);
    }

    #[test]
    fn a_taker_wakes_for_an_item_and_for_the_end() {
        let (giver, taker) = queue();
        let thread = std::thread::spawn(move || {
            assert_eq!(taker.take(LONG), Taken::Item(7));
            assert_eq!(taker.take(LONG), Taken::Closed);
        });
        giver.give(7);
        while !giver.0.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        drop(giver);
        thread.join().unwrap();
    }
}
