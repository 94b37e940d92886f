//! The live guard: what viewers get of the stream's own checkpoint, the general weights and exact bicubic, decided by
//! how these do on fresh pairs.
//!
//! ```text
//!            below bicubic ┌─────────┐ below bicubic
//!        ┌────────────────▶│ general │─────────────┐
//!     ┌──┴──┐              └─────────┘             ▼
//!     │ own │◀── clearly better than what is shown ── bicubic
//!     └─────┘  (an accepted offer: at once)
//! ```

use std::{collections::VecDeque, time::Duration};

use settings::Unjudged;

use super::gain::UNSEEN_MSE;

/// Pairs a verdict is made of, none older than [`MAX_AGE`].
const PAIRS: usize = 8;
/// A checkpoint that loses a tenth of a decibel or more is withdrawn within this, given a pair or two a second.
const MAX_AGE: Duration = Duration::from_secs(5);
/// One odd patch is no verdict.
const LEAST_PAIRS: usize = 2;
/// What was withdrawn is not given back on a hint.
const LEAST_PAIRS_TO_RETURN: usize = 3;
/// What returns must be better than what is shown by so much, and by twice as much for each further withdrawal of the
/// last minute: around 0 dB, patches differ more than weights.
const RETURN_ABOVE_DB: f64 = 0.05;
const MOST_RETURN_ABOVE_DB: f64 = 0.2;
const REMEMBERED: Duration = Duration::from_secs(60);
/// Patches of one scene differ by so much in what they gain. The mean of `n` is below bicubic by chance unless it is by
/// more than this over √n.
const DEVIATION_DB: f64 = 0.25;

/// What viewers get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shown {
    #[default]
    Bicubic,
    General,
    /// The newest checkpoint of the stream's trainers, or the pinned one.
    Own,
}

/// Mean squared errors on one pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors {
    pub(crate) bicubic: f64,
    /// `None`: there are none, or they were not measured.
    pub(crate) general: Option<f64>,
    pub(crate) own: Option<f64>,
}

/// What viewers get from now on, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GuardChange {
    pub(crate) from: Shown,
    pub(crate) to: Shown,
    /// Over bicubic, of what was shown.
    pub(crate) gain_db: Option<f64>,
}

#[derive(Clone, Debug)]
pub(crate) struct LiveGuard {
    shown: Shown,
    has_general: bool,
    unjudged: Unjudged,
    measured: VecDeque<(Duration, Errors)>,
    withdrawn_at: VecDeque<Duration>,
}

impl Default for LiveGuard {
    fn default() -> Self {
        Self::new(false, Unjudged::Bicubic)
    }
}

impl LiveGuard {
    /// Nobody has judged anything yet.
    pub(crate) fn new(has_general: bool, unjudged: Unjudged) -> Self {
        let shown = if has_general && unjudged == Unjudged::General { Shown::General } else { Shown::Bicubic };
        let (measured, withdrawn_at) = (VecDeque::new(), VecDeque::new());
        Self { shown, has_general, unjudged, measured, withdrawn_at }
    }

    pub(crate) fn shown(&self) -> Shown {
        self.shown
    }

    /// Another scene: what was measured before says nothing of it.
    pub(crate) fn forget(&mut self) {
        self.measured.clear();
    }

    /// The judge took an offer, or somebody pinned a version.
    pub(crate) fn show_own(&mut self) {
        self.shown = Shown::Own;
        self.measured.iter_mut().for_each(|(_, errors)| errors.own = None);
    }

    /// What somebody else judged last, of the same weights.
    pub(crate) fn inherit(&mut self, shown: Shown) {
        self.shown = shown;
    }

    /// Nobody judges what viewers see, for want of pairs. What pairs have found to be below bicubic stays away.
    pub(crate) fn handle_unjudged(&mut self, now: Duration) -> Option<GuardChange> {
        self.measured.clear();
        let general = self.has_general && self.unjudged == Unjudged::General && self.shown != Shown::Bicubic;
        self.change(now, if general { Shown::General } else { Shown::Bicubic }, None)
    }

    pub(crate) fn handle_measured(&mut self, now: Duration, errors: Errors) -> Option<GuardChange> {
        self.measured.push_back((now, errors));
        let too_old = |at: Duration| now.saturating_sub(at) > MAX_AGE;
        while self.measured.len() > PAIRS || self.measured.front().is_some_and(|(at, _)| too_old(*at)) {
            self.measured.pop_front();
        }
        let gain_of_shown = self.gain_db(self.shown, LEAST_PAIRS);
        let to = self.desired(now);
        self.change(now, to, gain_of_shown)
    }

    /// By how much the stream's own weights are better on the newest pairs than what there is without them; `None` where
    /// too few tell.
    pub(crate) fn advantage_db(&self) -> Option<f64> {
        let without = if self.has_general { Shown::General } else { Shown::Bicubic };
        Some(self.gain_db(Shown::Own, LEAST_PAIRS_TO_RETURN)? - self.gain_db(without, LEAST_PAIRS_TO_RETURN)?)
    }

    fn change(&mut self, now: Duration, to: Shown, gain_db: Option<f64>) -> Option<GuardChange> {
        let from = std::mem::replace(&mut self.shown, to);
        if from == to {
            return None;
        }
        if to != Shown::Own {
            self.withdrawn_at.push_back(now);
        }
        Some(GuardChange { from, to, gain_db })
    }

    fn desired(&mut self, now: Duration) -> Shown {
        let above = self.return_above_db(now);
        let shown_db = self.gain_db(self.shown, LEAST_PAIRS).unwrap_or(0.0);
        let returns = |shown, over_db| {
            self.gain_db(shown, LEAST_PAIRS_TO_RETURN).is_some_and(|gain_db| gain_db > over_db + above)
        };
        match self.shown {
            Shown::Own if self.is_below_bicubic() => {
                let general = self.gain_db(Shown::General, LEAST_PAIRS).is_some_and(|gain_db| gain_db > 0.0);
                if general { Shown::General } else { Shown::Bicubic }
            }
            Shown::Own => Shown::Own,
            Shown::General | Shown::Bicubic if returns(Shown::Own, shown_db.max(0.0)) => Shown::Own,
            Shown::General if self.is_below_bicubic() => {
                let own = self.gain_db(Shown::Own, LEAST_PAIRS).is_some_and(|gain_db| gain_db > above);
                if own { Shown::Own } else { Shown::Bicubic }
            }
            Shown::Bicubic if returns(Shown::General, 0.0) => Shown::General,
            unchanged => unchanged,
        }
    }

    fn return_above_db(&mut self, now: Duration) -> f64 {
        while self.withdrawn_at.front().is_some_and(|at| now.saturating_sub(*at) > REMEMBERED) {
            self.withdrawn_at.pop_front();
        }
        let further = self.withdrawn_at.len().saturating_sub(1);
        (RETURN_ABOVE_DB * (further as f64).exp2()).min(MOST_RETURN_ABOVE_DB)
    }

    /// By more than chance, of what is shown.
    fn is_below_bicubic(&self) -> bool {
        let deviation_db = DEVIATION_DB / (self.pairs_of(self.shown).count() as f64).sqrt();
        self.gain_db(self.shown, LEAST_PAIRS).is_some_and(|gain_db| gain_db < -deviation_db)
    }

    /// Over bicubic, on the same pairs; `None` when they are fewer than `least`.
    fn gain_db(&self, shown: Shown, least: usize) -> Option<f64> {
        let pairs: Vec<(f64, f64)> = self.pairs_of(shown).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
        let psnr_db = |of| sr_net::psnr_of_mse_db(mean(of) + UNSEEN_MSE);
        (pairs.len() >= least).then(|| psnr_db(|(_, shown)| *shown) - psnr_db(|(bicubic, _)| *bicubic))
    }

    /// Errors of bicubic and of `shown` on each pair that both were measured on.
    fn pairs_of(&self, shown: Shown) -> impl Iterator<Item = (f64, f64)> {
        let error = move |errors: &Errors| match shown {
            Shown::Bicubic => Some(errors.bicubic),
            Shown::General => errors.general,
            Shown::Own => errors.own,
        };
        self.measured.iter().filter_map(move |(_, errors)| Some((errors.bicubic, error(errors)?)))
    }
}

#[cfg(test)]
mod tests;
