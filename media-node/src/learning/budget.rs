//! How much of the uplink patches are worth: what the publisher offers while the stream's weights have yet to learn what
//! is shown, and a few once they have. More patches of what is known teach little, and their bits are worth more as video.

use std::{collections::VecDeque, time::Duration};

use proto::PATCH_OVERHEAD_BYTES;

/// A scene is learned from patches of this time.
const LESSON: Duration = Duration::from_secs(20);
/// Enough to follow what is shown, and for the guard to judge by.
const FEW_PER_SECOND: f64 = 1.5;
/// Weights that are better than the general ones by less have learned something else than what is shown.
const LEAST_ADVANTAGE_DB: f64 = 0.05;
/// A few patches, or a short scene, say nothing.
const LOST_FOR: Duration = Duration::from_secs(10);
/// Between two lessons; twice as long after each that taught nothing.
const REST: Duration = Duration::from_secs(20);
const MOST_REST: Duration = Duration::from_secs(320);
/// Patches whose mean size is that of the next.
const SIZES: usize = 32;

/// A plain value; time comes in as an argument.
#[derive(Debug, Default)]
pub(crate) struct PatchBudget {
    lesson: Option<Lesson>,
    /// Since when the stream's weights have no advantage.
    lost_since: Option<Duration>,
    sizes: VecDeque<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Lesson {
    ends: Duration,
    /// From its end to the next, at least.
    rest: Duration,
    /// The weights came to be better than the general ones.
    taught: bool,
}

impl PatchBudget {
    /// A patch of so many bytes came.
    pub(crate) fn handle_patch(&mut self, now: Duration, bytes: usize) {
        if self.lesson.is_none() {
            self.begin(now, REST);
        }
        self.sizes.truncate(SIZES - 1);
        self.sizes.push_front(bytes + PATCH_OVERHEAD_BYTES);
    }

    /// By how much the stream's own weights are better on the newest patches than what there is without them.
    pub(crate) fn handle_advantage(&mut self, now: Duration, advantage_db: f64) {
        let Some(lesson) = &mut self.lesson else { return };
        if advantage_db >= LEAST_ADVANTAGE_DB {
            lesson.taught = true;
            self.lost_since = None;
            return;
        }
        let lost = now.saturating_sub(*self.lost_since.get_or_insert(now)) >= LOST_FOR;
        if lost && now.saturating_sub(lesson.ends) >= lesson.rest {
            let rest = if lesson.taught { REST } else { (lesson.rest * 2).min(MOST_REST) };
            self.begin(now, rest);
        }
    }

    /// What patches may use now, in kbit/s; `None`: all that there is for them.
    pub(crate) fn kbps(&self, now: Duration) -> Option<u32> {
        self.lesson.filter(|lesson| now >= lesson.ends).and_then(|_| self.few_kbps())
    }

    /// What a few patches use, in kbit/s; `None` before the first.
    pub(crate) fn few_kbps(&self) -> Option<u32> {
        let bits = self.sizes.iter().sum::<usize>() as f64 * 8.0 / self.sizes.len() as f64;
        (!self.sizes.is_empty()).then(|| (bits * FEW_PER_SECOND / 1000.0).ceil() as u32)
    }

    fn begin(&mut self, now: Duration, rest: Duration) {
        self.lesson = Some(Lesson { ends: now + LESSON, rest, taught: false });
        self.lost_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// With patches of 930 bytes and their overhead: 12 kbit/s are 1.5 a second.
    fn taught() -> PatchBudget {
        let mut budget = PatchBudget::default();
        budget.handle_patch(seconds(1), 930);
        budget.handle_advantage(seconds(10), 0.5);
        budget
    }

    #[test]
    fn patches_have_all_there_is_for_them_at_first_and_little_later() {
        let budget = taught();
        assert_eq!(PatchBudget::default().kbps(seconds(1000)), None, "nothing came yet");
        assert_eq!([1, 20, 21, 500].map(|at| budget.kbps(seconds(at))), [None, None, Some(12), Some(12)]);
    }

    #[test]
    fn what_a_few_cost_follows_their_size() {
        let mut budget = taught();
        (0..100).for_each(|_| budget.handle_patch(seconds(2), 430));
        assert_eq!(budget.kbps(seconds(30)), Some(6));
    }

    #[test]
    fn weights_that_do_not_know_what_is_shown_get_another_lesson() {
        let mut budget = taught();
        for (at, advantage_db) in [(50, 0.0), (59, 0.3), (60, 0.0), (69, 0.04)] {
            budget.handle_advantage(seconds(at), advantage_db);
            assert_eq!(budget.kbps(seconds(at)), Some(12), "not for long enough at {at} s");
        }
        budget.handle_advantage(seconds(70), 0.0);
        assert_eq!((budget.kbps(seconds(70)), budget.kbps(seconds(90))), (None, Some(12)));
    }

    #[test]
    fn lessons_that_teach_nothing_become_rare() {
        let mut budget = PatchBudget::default();
        budget.handle_patch(seconds(0), 930);
        let mut full = 0;
        for second in 0..3600 {
            budget.handle_advantage(seconds(second), 0.0);
            full += u32::from(budget.kbps(seconds(second)).is_none());
        }
        assert!((260..=340).contains(&full), "{full} s of an hour");
    }
}
