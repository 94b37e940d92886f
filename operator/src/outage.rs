//! Whether the API server answers. While it does not, one question now and then takes the place of every stream's retries.
//! Pure: time is an argument.
//!
//! ```text
//!             a request gets no answer              no answer
//!  Answers ────────────────────────────▶ Doubted ────────────────▶ Away ─┐ asked again after 0.2 s … 5 s
//!     ▲                                     │                      │ ▲───┘
//!     └───────────────── an answer ─────────┴──────────────────────┘
//! ```

use jiff::{SignedDuration, Timestamp};

const FIRST_PAUSE: SignedDuration = SignedDuration::from_millis(200);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Outage {
    state: State,
    /// `None`: there is nothing to ask, or it is being asked.
    ask_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Answers,
    Doubted,
    /// So many questions went unanswered.
    Away(u32),
}

/// What people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Begins,
    Ends,
}

impl Outage {
    /// The API server answers, for all that is known: only then anything but the question is begun.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Answers
    }

    /// A request got no answer: that may have been this one's fault.
    pub(crate) fn suspect(&mut self, now: Timestamp) {
        if self.is_over() {
            (self.state, self.ask_at) = (State::Doubted, Some(now));
        }
    }

    pub(crate) fn ask_at(&self) -> Option<Timestamp> {
        self.ask_at
    }

    /// Whether to ask now; if so, the answer is to be told to [`handle_answer`](Self::handle_answer).
    pub(crate) fn take_question(&mut self, now: Timestamp) -> bool {
        self.ask_at.take_if(|at| *at <= now).is_some()
    }

    pub(crate) fn handle_answer(&mut self, is_there: bool, now: Timestamp) -> Option<Turn> {
        let before = self.state;
        let unanswered = match before {
            State::Away(count) => count,
            State::Answers | State::Doubted => 0,
        };
        if is_there {
            (self.state, self.ask_at) = (State::Answers, None);
        } else {
            let pause = (FIRST_PAUSE * (1 << unanswered.min(10))).min(LONGEST_PAUSE);
            (self.state, self.ask_at) = (State::Away(unanswered.saturating_add(1)), Some(now + pause));
        }
        match (before, self.state) {
            (State::Doubted, State::Away(_)) => Some(Turn::Begins),
            (State::Away(_), State::Answers) => Some(Turn::Ends),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    #[test]
    fn one_request_without_an_answer_is_no_outage() {
        let mut outage = Outage::default();
        assert!(!outage.take_question(at(0)));
        outage.suspect(at(0));
        assert!(!outage.is_over());
        assert_eq!((outage.take_question(at(0)), outage.take_question(at(0))), (true, false));
        outage.suspect(at(1));
        assert_eq!(outage.ask_at(), None, "it is being asked");
        assert_eq!(outage.handle_answer(true, at(2)), None);
        assert!(outage.is_over());
    }

    #[test]
    fn it_is_asked_less_and_less_often_until_it_answers() {
        let mut outage = Outage::default();
        outage.suspect(at(0));
        let (mut now, mut asked_at, mut turns) = (at(0), Vec::new(), Vec::new());
        for _ in 0..8 {
            assert!(outage.take_question(now));
            asked_at.push(now.as_millisecond());
            turns.extend(outage.handle_answer(false, now));
            now = outage.ask_at().unwrap();
        }
        assert_eq!(asked_at, [0, 200, 600, 1400, 3000, 6200, 11_200, 16_200]);
        assert_eq!(turns, [Turn::Begins]);
        assert!(outage.take_question(now));
        assert_eq!(outage.handle_answer(true, now), Some(Turn::Ends));
        assert!(outage.is_over());
        assert_eq!(outage.ask_at(), None);
    }
}
