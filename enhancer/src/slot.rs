//! A queue of one between two threads: the newest wins, the giver never waits.

use std::{
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
    waiting: Option<T>,
    closed: bool,
}

#[must_use]
pub(crate) fn slot<T>() -> (Giver<T>, Taker<T>) {
    let state = Mutex::new(State { waiting: None, closed: false });
    let shared = Arc::new(Shared { state, changed: Condvar::new() });
    (Giver(shared.clone()), Taker(shared))
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("nobody panics with the slot locked")
    }
}

impl<T> Giver<T> {
    /// What it takes the place of: that one is dropped.
    pub(crate) fn give(&self, item: T) -> Option<T> {
        let before = self.0.lock().waiting.replace(item);
        self.0.changed.notify_one();
        before
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
        let idle = |state: &mut State<T>| state.waiting.is_none() && !state.closed;
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), timeout, idle);
        let (mut state, _) = waited.expect("nobody panics with the slot locked");
        match state.waiting.take() {
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
    fn the_newest_wins_and_the_older_one_is_handed_back() {
        let (giver, taker) = slot();
        assert_eq!(taker.take(Duration::ZERO), Taken::Nothing);
        assert_eq!(giver.give(1), None);
        assert_eq!(giver.give(2), Some(1));
        assert_eq!(taker.take(LONG), Taken::Item(2));
        assert_eq!(giver.give(3), None);
        drop(giver);
        assert_eq!((taker.take(LONG), taker.take(LONG)), (Taken::Item(3), Taken::Closed));
    }

    #[test]
    fn a_taker_wakes_for_an_item_and_for_the_end() {
        let (giver, taker) = slot();
        let thread = std::thread::spawn(move || {
            assert_eq!(taker.take(LONG), Taken::Item(7));
            assert_eq!(taker.take(LONG), Taken::Closed);
        });
        giver.give(7);
        while giver.0.lock().waiting.is_some() {
            std::thread::yield_now();
        }
        drop(giver);
        thread.join().unwrap();
    }
}
