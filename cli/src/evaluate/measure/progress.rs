//! A line for people on how far the measuring is.

use std::{
    io::{IsTerminal, Write},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Writes to a terminal's standard error only; any thread may step on.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    what: &'static str,
    done: u64,
    /// As far as known
    expected: u64,
    written: Option<Instant>,
}

const PAUSE: Duration = Duration::from_millis(200);

impl Progress {
    pub(crate) fn new() -> Self {
        let state = State { what: "", done: 0, expected: 0, written: None };
        Self { terminal: std::io::stderr().is_terminal(), state: Mutex::new(state) }
    }

    /// Another part of the work begins.
    pub(crate) fn begin(&self, what: &'static str) {
        self.change(|state| *state = State { what, done: 0, expected: 0, written: None });
    }

    /// So many frames more are to be worked on.
    pub(crate) fn expect(&self, frames: usize) {
        self.change(|state| state.expected += frames as u64);
    }

    /// A frame is done.
    pub(crate) fn step(&self) {
        self.change(|state| state.done += 1);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().expect("nothing panics with the progress locked");
        change(&mut state);
        let due = state.written.is_none_or(|written| written.elapsed() >= PAUSE);
        if self.terminal && due && state.expected > 0 {
            state.written = Some(Instant::now());
            let State { what, done, expected, .. } = *state;
            // Whoever read it may be gone.
            let _ = write!(std::io::stderr(), "\r\x1b[K{what}: frame {done} of {expected}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
