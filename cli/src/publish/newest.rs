//! Hands frames to a slower thread: it always gets the newest one, and the giver never waits.

use std::sync::{Condvar, Mutex};

#[derive(Debug)]
pub(crate) struct Newest<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Slot<T> {
    Empty,
    Full(T),
    Closed,
}

const HELD: &str = "nothing panics with the slot locked";

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { slot: Mutex::new(Slot::Empty), changed: Condvar::new() }
    }
}

impl<T> Newest<T> {
    /// Replaces what was not taken yet.
    pub(crate) fn put(&self, item: T) {
        let mut slot = self.slot.lock().expect(HELD);
        if !matches!(*slot, Slot::Closed) {
            *slot = Slot::Full(item);
            self.changed.notify_one();
        }
    }

    /// Waits for the next one; `None` when there will be none.
    pub(crate) fn take(&self) -> Option<T> {
        let mut slot = self.slot.lock().expect(HELD);
        loop {
            match std::mem::replace(&mut *slot, Slot::Empty) {
                Slot::Full(item) => return Some(item),
                Slot::Empty => slot = self.changed.wait(slot).expect(HELD),
                Slot::Closed => {
                    *slot = Slot::Closed;
                    return None;
                }
            }
        }
    }

    /// What was not taken yet is forgotten.
    pub(crate) fn close(&self) {
        *self.slot.lock().expect(HELD) = Slot::Closed;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_is_taken() {
        let newest = Newest::default();
        newest.put(1);
        newest.put(2);
        assert_eq!(newest.take(), Some(2));
        newest.put(3);
        newest.close();
        newest.put(4);
        assert_eq!(newest.take(), None);
        assert_eq!(newest.take(), None);
    }

    #[test]
    fn closing_wakes_whoever_waits() {
        let newest = Newest::<u8>::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| newest.take());
            newest.close();
            assert_eq!(waiting.join().unwrap(), None);
        });
    }
}
