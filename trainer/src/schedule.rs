//! When to step, when an epoch ends, when to rest.

use std::time::Duration;

use settings::{TrainerSettings, TrainingPattern};

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Step,
    /// An epoch is over: measure, and offer what got better.
    EpochEnd,
    /// Nothing until then; what comes in the meantime may change it.
    Wait(Duration),
}

/// Times are since the first call's fixed moment.
#[derive(Debug)]
pub(crate) struct Schedule {
    epoch: Duration,
    /// Between epochs.
    rest: Duration,
    /// Between the beginnings of two steps.
    interval: Duration,
    epoch_end: Duration,
    rest_end: Duration,
    next_step: Duration,
    credit: Credit,
}

/// Steps that the patches so far are worth. With a patch or less a second, more of them learn single patches by heart
/// and lose decibels on the next one.
#[derive(Debug, Default)]
struct Credit(u64);

const STEPS_PER_PATCH: u64 = 25;
/// Fewer patches than this are no basis.
const LEAST_PATCHES: usize = 4;
/// How long to wait for what may come at any time.
const POLL: Duration = Duration::from_millis(20);

impl Schedule {
    pub(crate) fn new(settings: &TrainerSettings, now: Duration) -> Self {
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let epoch = seconds(settings.epoch_seconds).max(Duration::from_millis(100));
        let rest = match settings.pattern {
            TrainingPattern::Continuous => Duration::ZERO,
            TrainingPattern::Intermittent => seconds(settings.rest_seconds),
        };
        let interval = Duration::from_secs(1).checked_div(settings.max_steps_per_second).unwrap_or_default();
        Self { epoch, rest, interval, epoch_end: now + epoch, rest_end: now, next_step: now, credit: Credit::default() }
    }

    /// `admitted` patches came to the buffer, which now holds `held`.
    pub(crate) fn patches_admitted(&mut self, admitted: usize, held: usize) {
        let most = STEPS_PER_PATCH * held as u64;
        self.credit.0 = (self.credit.0 + STEPS_PER_PATCH * admitted as u64).min(most);
    }

    /// Whether there is something to learn from `held` patches.
    pub(crate) fn has_work(&self, held: usize) -> bool {
        held >= LEAST_PATCHES && self.credit.0 > 0
    }

    /// `work`: steps are wanted, and there is something to learn from.
    pub(crate) fn next(&mut self, now: Duration, work: bool) -> Next {
        if now < self.rest_end {
            return Next::Wait(POLL.min(self.rest_end - now));
        }
        if now >= self.epoch_end {
            self.rest_end = now + self.rest;
            self.epoch_end = self.rest_end + self.epoch;
            return Next::EpochEnd;
        }
        if !work {
            return Next::Wait(POLL.min(self.epoch_end - now));
        }
        if now < self.next_step {
            return Next::Wait(self.next_step - now);
        }
        self.next_step = now + self.interval;
        self.credit.0 = self.credit.0.saturating_sub(1);
        Next::Step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps and epoch ends of `seconds`, when a step takes 10 ms.
    fn count(settings: &TrainerSettings, seconds: u64, mut patch_every: impl FnMut(u64) -> usize) -> (u64, u64) {
        let (mut now, mut schedule) = (Duration::ZERO, Schedule::new(settings, Duration::ZERO));
        let (mut steps, mut epochs, mut second) = (0, 0, None);
        while now < Duration::from_secs(seconds) {
            if second != Some(now.as_secs()) {
                second = Some(now.as_secs());
                schedule.patches_admitted(patch_every(now.as_secs()), 1000);
            }
            let work = schedule.has_work(1000);
            now += match schedule.next(now, work) {
                Next::Step => {
                    steps += 1;
                    Duration::from_millis(10)
                }
                Next::EpochEnd => {
                    epochs += 1;
                    Duration::ZERO
                }
                Next::Wait(duration) => duration,
            };
        }
        (steps, epochs)
    }

    #[test]
    fn continuous_training_never_rests() {
        assert_eq!(count(&TrainerSettings::default(), 20, |_| 20), (2000, 9));
    }

    #[test]
    fn intermittent_training_rests_between_epochs() {
        let settings = TrainerSettings { pattern: TrainingPattern::Intermittent, ..TrainerSettings::default() };
        assert_eq!(count(&settings, 21, |_| 20), (600, 3));
    }

    #[test]
    fn steps_a_second_are_bounded_on_request() {
        let settings = TrainerSettings { max_steps_per_second: 15, ..TrainerSettings::default() };
        let (steps, _) = count(&settings, 20, |_| 20);
        assert!((295..=301).contains(&steps), "{steps} steps");
    }

    #[test]
    fn few_patches_are_worth_few_steps() {
        assert_eq!(count(&TrainerSettings::default(), 20, |second| usize::from(second == 0)).0, 25);
        assert_eq!(count(&TrainerSettings::default(), 20, |_| 0), (0, 9));
    }

    #[test]
    fn three_patches_are_no_basis() {
        let mut schedule = Schedule::new(&TrainerSettings::default(), Duration::ZERO);
        schedule.patches_admitted(3, 3);
        assert!(!schedule.has_work(3));
        schedule.patches_admitted(1, 4);
        assert!(schedule.has_work(4));
    }
}
