//! What is shown while a run goes on.

use std::{
    io::{IsTerminal, Write, stderr},
    time::Duration,
};

/// A line a second on standard error, in place of the one before where that is a terminal.
#[derive(Debug, Default)]
pub(super) struct Progress {
    shown: Option<u64>,
}

impl Progress {
    pub(super) fn is_due(&mut self, passed: Duration) -> bool {
        self.shown.replace(passed.as_secs()) != Some(passed.as_secs())
    }

    pub(super) fn show(&self, line: &str) {
        // Nobody may be reading any more; that is no reason to end.
        let _ = match stderr().is_terminal() {
            true => write!(stderr(), "\r\x1b[K{line}"),
            false => writeln!(stderr(), "{line}"),
        };
    }

    pub(super) fn end(&self) {
        if self.shown.is_some() && stderr().is_terminal() {
            let _ = writeln!(stderr());
        }
    }
}
