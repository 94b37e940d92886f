//! Which stream is due when. Pure: time is an argument.
//!
//! A stream is due once, at the earliest time asked for, and never worked on twice at the same time: what becomes due
//! meanwhile waits until [`Queue::done`].

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use proto::StreamName;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Those that nobody works on.
    due: BTreeSet<(Timestamp, StreamName)>,
    entries: HashMap<StreamName, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    due_at: Option<Timestamp>,
    running: bool,
}

impl Queue {
    /// Makes `stream` due at `at`, or earlier when it is already.
    pub(crate) fn schedule(&mut self, stream: &StreamName, at: Timestamp) {
        let entry = self.entries.entry(stream.clone()).or_default();
        if entry.due_at.is_some_and(|due_at| due_at <= at) {
            return;
        }
        let before = entry.due_at.replace(at);
        if !entry.running {
            if let Some(before) = before {
                self.due.remove(&(before, stream.clone()));
            }
            self.due.insert((at, stream.clone()));
        }
    }

    /// The stream that has been due longest; from now on it is worked on.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<StreamName> {
        if self.next_due()? > now {
            return None;
        }
        let (_, stream) = self.due.pop_first()?;
        let entry = self.entries.entry(stream.clone()).or_default();
        *entry = Entry { due_at: None, running: true };
        Some(stream)
    }

    /// Nobody works on `stream` any more.
    pub(crate) fn done(&mut self, stream: &StreamName) {
        let Some(entry) = self.entries.get_mut(stream) else { return };
        entry.running = false;
        match entry.due_at {
            Some(at) => drop(self.due.insert((at, stream.clone()))),
            None => drop(self.entries.remove(stream)),
        }
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// More than `count` are due and wait.
    pub(crate) fn is_longer_than(&self, count: usize, now: Timestamp) -> bool {
        self.due.iter().nth(count).is_some_and(|(at, _)| *at <= now)
    }

    /// How many are due and wait.
    pub(crate) fn depth(&self, now: Timestamp) -> usize {
        self.due.iter().take_while(|(at, _)| *at <= now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn stream(name: &str) -> StreamName {
        StreamName::new("default", name).unwrap()
    }

    #[test]
    fn a_stream_is_due_once_at_the_earliest_time_asked_for() {
        let mut queue = Queue::default();
        for second in [30, 10, 20] {
            queue.schedule(&stream("a"), at(second));
        }
        assert_eq!(queue.next(at(9)), None);
        assert_eq!(queue.next(at(10)), Some(stream("a")));
        queue.done(&stream("a"));
        assert_eq!((queue.next(at(99)), queue.next_due()), (None, None));
    }

    #[test]
    fn the_longest_due_is_first() {
        let mut queue = Queue::default();
        queue.schedule(&stream("a"), at(2));
        queue.schedule(&stream("b"), at(1));
        assert_eq!(queue.depth(at(2)), 2);
        assert_eq!((queue.is_longer_than(1, at(2)), queue.is_longer_than(1, at(1))), (true, false));
        assert_eq!([queue.next(at(5)), queue.next(at(5))], [Some(stream("b")), Some(stream("a"))]);
    }

    #[test]
    fn what_becomes_due_during_the_work_waits_for_its_end() {
        let mut queue = Queue::default();
        queue.schedule(&stream("a"), at(1));
        assert_eq!(queue.next(at(1)), Some(stream("a")));
        queue.schedule(&stream("a"), at(1));
        assert_eq!(queue.next(at(9)), None);
        queue.done(&stream("a"));
        assert_eq!(queue.next(at(9)), Some(stream("a")));
    }
}
