//! Which weights the next frame gets, as the registry says. A hard cut changes nothing here: the live guard has fresh pairs
//! of the new scene within a second, and the general weights to fall back on.

use std::fmt;

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

impl<M> fmt::Display for Change<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Use { version, .. } => write!(f, "version {version} in use"),
            Self::Refuse { version, reason } => write!(f, "version {version} refused: {reason}"),
            Self::Withdraw { version } => write!(f, "version {version} withdrawn"),
            Self::Restore { version } => write!(f, "version {version} in use again"),
        }
    }
}

/// The weights at hand and whether they are in use.
#[derive(Debug)]
pub struct Live<M> {
    held: Option<Held<M>>,
    withdrawn: bool,
    refused: String,
}

#[derive(Debug)]
struct Held<M> {
    version: u64,
    model: M,
}

impl<M> Default for Live<M> {
    fn default() -> Self {
        Self { held: None, withdrawn: false, refused: String::new() }
    }
}

impl<M> Live<M> {
    pub fn handle_change(&mut self, change: Change<M>) {
        match change {
            Change::Use { version, model } => {
                self.held = Some(Held { version, model });
                self.withdrawn = false;
                self.refused.clear();
            }
            Change::Refuse { version, reason } => self.refused = format!("version {version}: {reason}"),
            // also of a version that was refused here: the ones before it are no better
            Change::Withdraw { .. } => self.withdrawn = true,
            Change::Restore { version } => {
                if self.held.as_ref().is_some_and(|held| held.version == version) {
                    self.withdrawn = false;
                }
            }
        }
    }

    /// The model for the next frame; `None`: bicubic.
    pub fn model(&mut self) -> Option<&mut M> {
        self.held.as_mut().filter(|_| !self.withdrawn).map(|held| &mut held.model)
    }

    /// The version that is in use; 0: none.
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

    /// What happens, and the model in use right after.
    enum Event {
        Use(u64),
        Refuse(u64),
        Withdraw(u64),
        Restore(u64),
    }
    use Event::{Refuse, Restore, Use, Withdraw};

    fn check(name: &str, events: impl IntoIterator<Item = (Event, Option<u64>)>) {
        let mut live = Live::default();
        for (event, expected) in events {
            live.handle_change(match event {
                Use(version) => Change::Use { version, model: version },
                Refuse(version) => Change::Refuse { version, reason: "bad".to_owned() },
                Withdraw(version) => Change::Withdraw { version },
                Restore(version) => Change::Restore { version },
            });
            assert_eq!(live.model().copied(), expected, "{name}");
        }
    }

    #[test]
    fn the_newest_fit_weights_are_in_use_until_they_are_withdrawn() {
        check("nothing yet", [(Withdraw(1), None), (Restore(1), None)]);
        check("newer ones follow", [(Use(1), Some(1)), (Use(2), Some(2)), (Refuse(3), Some(2))]);
        check("withdrawn", [(Use(1), Some(1)), (Withdraw(1), None), (Restore(1), Some(1))]);
        check("withdrawn, then newer", [(Use(1), Some(1)), (Withdraw(1), None), (Use(2), Some(2))]);
        check("another is restored", [(Use(1), Some(1)), (Withdraw(1), None), (Restore(7), None)]);
        check("a refused one is withdrawn", [(Use(1), Some(1)), (Refuse(2), Some(1)), (Withdraw(2), None)]);
    }

    #[test]
    fn the_report_names_the_version_in_use_and_why_another_is_not() {
        let mut live = Live::default();
        assert_eq!((live.version(), live.refused()), (0, ""));
        live.handle_change(Change::Use { version: 4, model: () });
        live.handle_change(Change::Refuse { version: 5, reason: "no memory".to_owned() });
        assert_eq!((live.version(), live.refused()), (4, "version 5: no memory"));
        live.handle_change(Change::Withdraw { version: 4 });
        assert_eq!(live.version(), 0);
        live.handle_change(Change::Use { version: 6, model: () });
        assert_eq!((live.version(), live.refused()), (6, ""));
    }
}
