//! Which weights the next frame gets: what the registry said, and what a hard cut does to that.

use std::time::{Duration, Instant};

/// What changes what is live.
#[derive(Debug)]
pub enum Change<M> {
    /// In use from now on.
    Use { version: u64, model: M },
    /// The newest weights are not fit for use here; the old ones stay.
    Refuse { version: u64, reason: String },
    /// Exact bicubic from now on.
    Withdraw { version: u64 },
    /// The version that was withdrawn is in use again.
    Restore { version: u64 },
}

/// The weights at hand and whether they are in use.
#[derive(Debug)]
pub struct Live<M> {
    held: Option<Held<M>>,
    withdrawn: bool,
    refused: String,
    /// A hard cut met young weights: bicubic until the guard speaks, or would have.
    doubted_until: Option<Instant>,
}

#[derive(Debug)]
struct Held<M> {
    version: u64,
    model: M,
    /// Since when there are weights without a break: versions that follow each other learn on.
    since: Instant,
}

/// Weights that have learned for less have seen few scenes.
const YOUNG: Duration = Duration::from_secs(10);
/// The live guard has measured a new scene by then; if it kept silent, the weights are good for it.
const GUARD_NEEDS: Duration = Duration::from_secs(5);

impl<M> Default for Live<M> {
    fn default() -> Self {
        Self { held: None, withdrawn: false, refused: String::new(), doubted_until: None }
    }
}

impl<M> Live<M> {
    pub fn handle_change(&mut self, now: Instant, change: Change<M>) {
        match change {
            Change::Use { version, model } => {
                let since = match &self.held {
                    Some(held) if !self.withdrawn => held.since,
                    _ => now,
                };
                self.held = Some(Held { version, model, since });
                self.withdrawn = false;
                self.refused.clear();
                self.doubted_until = None;
            }
            Change::Refuse { version, reason } => self.refused = format!("version {version}: {reason}"),
            // also of a version that was refused here: the ones before it are no better
            Change::Withdraw { .. } => self.withdrawn = true,
            Change::Restore { version } => {
                if self.held.as_ref().is_some_and(|held| held.version == version) {
                    self.withdrawn = false;
                    self.doubted_until = None;
                }
            }
        }
    }

    pub fn handle_cut(&mut self, now: Instant) {
        if self.held.as_ref().is_some_and(|held| now.saturating_duration_since(held.since) < YOUNG) {
            self.doubted_until = Some(now + GUARD_NEEDS);
        }
    }

    /// The model for a frame at `now`; `None`: bicubic.
    pub fn model(&mut self, now: Instant) -> Option<&mut M> {
        if self.withdrawn || self.doubted_until.is_some_and(|until| now < until) {
            return None;
        }
        self.held.as_mut().map(|held| &mut held.model)
    }

    /// The version that is in use, doubted or not; 0: none.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.held.as_ref().filter(|_| !self.withdrawn).map_or(0, |held| held.version)
    }

    /// Why the newest checkpoint is not in use; empty: it is.
    #[must_use]
    pub fn refused(&self) -> &str {
        &self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At seconds: what happens, and the model in use right after.
    enum Event {
        Use(u64),
        Refuse(u64),
        Withdraw(u64),
        Restore(u64),
        Cut,
        Nothing,
    }
    use Event::{Cut, Nothing, Refuse, Restore, Use, Withdraw};

    fn check(name: &str, events: impl IntoIterator<Item = (u64, Event, Option<u64>)>) {
        let start = Instant::now();
        let mut live = Live::default();
        for (seconds, event, expected) in events {
            let now = start + Duration::from_secs(seconds);
            match event {
                Use(version) => live.handle_change(now, Change::Use { version, model: version }),
                Refuse(version) => live.handle_change(now, Change::Refuse { version, reason: "bad".to_owned() }),
                Withdraw(version) => live.handle_change(now, Change::Withdraw { version }),
                Restore(version) => live.handle_change(now, Change::Restore { version }),
                Cut => live.handle_cut(now),
                Nothing => {}
            }
            assert_eq!(live.model(now).copied(), expected, "{name}, at {seconds} s");
        }
    }

    #[test]
    fn the_newest_fit_weights_are_in_use_until_they_are_withdrawn() {
        check("nothing yet", [(0, Nothing, None), (0, Withdraw(1), None), (0, Restore(1), None)]);
        check("newer ones follow", [(0, Use(1), Some(1)), (1, Use(2), Some(2)), (2, Refuse(3), Some(2))]);
        check("withdrawn", [(0, Use(1), Some(1)), (1, Withdraw(1), None), (2, Restore(1), Some(1))]);
        check("withdrawn, then newer", [(0, Use(1), Some(1)), (1, Withdraw(1), None), (2, Use(2), Some(2))]);
        check("another is restored", [(0, Use(1), Some(1)), (1, Withdraw(1), None), (2, Restore(7), None)]);
        check("a refused one is withdrawn", [(0, Use(1), Some(1)), (1, Refuse(2), Some(1)), (2, Withdraw(2), None)]);
    }

    #[test]
    fn young_weights_wait_at_a_cut_until_the_guard_speaks_or_would_have() {
        check("silence is consent", [(0, Use(1), Some(1)), (3, Cut, None), (7, Nothing, None), (8, Nothing, Some(1))]);
        check("newer ones are judged", [(0, Use(1), Some(1)), (3, Cut, None), (4, Use(2), Some(2))]);
        check(
            "the guard withdraws",
            [(0, Use(1), Some(1)), (3, Cut, None), (4, Withdraw(1), None), (9, Nothing, None)],
        );
        check("old weights stay", [(0, Use(1), Some(1)), (9, Use(2), Some(2)), (11, Cut, Some(2))]);
        check("young again", [(0, Use(1), Some(1)), (20, Withdraw(1), None), (21, Use(2), Some(2)), (22, Cut, None)]);
        check("no weights, no doubt", [(0, Cut, None), (1, Use(1), Some(1))]);
    }

    #[test]
    fn the_report_names_the_version_in_use_and_why_another_is_not() {
        let now = Instant::now();
        let mut live = Live::default();
        assert_eq!((live.version(), live.refused()), (0, ""));
        live.handle_change(now, Change::Use { version: 4, model: () });
        live.handle_change(now, Change::Refuse { version: 5, reason: "no memory".to_owned() });
        assert_eq!((live.version(), live.refused()), (4, "version 5: no memory"));
        live.handle_change(now, Change::Withdraw { version: 4 });
        assert_eq!(live.version(), 0);
        live.handle_change(now, Change::Use { version: 6, model: () });
        assert_eq!((live.version(), live.refused()), (6, ""));
    }
}
