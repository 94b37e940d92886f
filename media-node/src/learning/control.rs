//! What the publisher is told: how many patches are wanted, and what they are worth.

use std::time::Duration;

use proto::{
    status::LearningStatus,
    v1::{PatchControl, patch_control::Want},
};
use settings::PatchSettings;

use super::budget::PatchBudget;

const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// With this many seconds of patches waiting for a trainer, more help nobody.
const RESTS_ABOVE_SECONDS: u64 = 30;
const GOES_ON_BELOW_SECONDS: u64 = 5;

#[derive(Debug)]
pub(crate) struct Control {
    scale: u32,
    patches: PatchSettings,
    budget: PatchBudget,
    /// Without NATS nobody trains.
    trains: bool,
    rests: bool,
    told: Option<(Duration, PatchControl)>,
}

impl Control {
    pub(crate) fn new(scale: u32, patches: PatchSettings, trains: bool) -> Self {
        Self { scale, patches, budget: PatchBudget::default(), trains, rests: !trains, told: None }
    }

    /// A patch of so many bytes was taken.
    pub(crate) fn handle_patch(&mut self, now: Duration, bytes: usize) {
        self.budget.handle_patch(now, bytes);
    }

    /// By how much the stream's own weights are better than what there is without them.
    pub(crate) fn handle_advantage(&mut self, now: Duration, advantage_db: f64) {
        self.budget.handle_advantage(now, advantage_db);
    }

    /// Another publisher, or the same one again, knows nothing.
    pub(crate) fn forget(&mut self) {
        self.told = None;
    }

    /// At once when nothing was told yet, else what changed, at most once a second.
    pub(crate) fn next_control(&mut self, now: Duration, status: &LearningStatus) -> Option<PatchControl> {
        let control = self.desired_control(now, status);
        let due =
            self.told.as_ref().is_none_or(|(at, told)| now.saturating_sub(*at) >= LEAST_PAUSE && *told != control);
        if due {
            self.told = Some((now, control.clone()));
        }
        due.then_some(control)
    }

    fn desired_control(&mut self, now: Duration, status: &LearningStatus) -> PatchControl {
        let seconds = status.patches_waiting / u64::from(self.patches.per_second.max(1));
        self.rests =
            !self.trains || if self.rests { seconds >= GOES_ON_BELOW_SECONDS } else { seconds >= RESTS_ABOVE_SECONDS };
        let want = if self.rests { Want::RandomOnly } else { Want::All };
        let worth_kbps = if self.rests { self.budget.few_kbps() } else { self.budget.kbps(now) };
        PatchControl {
            want: want.into(),
            scale: self.scale,
            patch_size_pixels: self.patches.size_pixels,
            max_per_second: self.patches.per_second,
            max_kbps: worth_kbps.map_or(self.patches.max_kbps, |kbps| kbps.min(self.patches.max_kbps)),
            gain_millidecibels: status.gain_db.map(thousandths),
            gain_slope_millidecibels_per_second: status.gain_slope_db_per_second.map(thousandths),
            accepted: status.patches_accepted,
            dropped_by_reason: status.patches_dropped_by_reason.clone().into_iter().collect(),
        }
    }
}

pub(crate) fn thousandths(value: f64) -> i32 {
    (value * 1000.0).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(waiting: u64, accepted: u64) -> LearningStatus {
        LearningStatus {
            patches_waiting: waiting,
            patches_accepted: accepted,
            gain_db: Some(1.2345),
            ..Default::default()
        }
    }

    fn wants(control: &mut Control, waiting: u64) -> Want {
        control.desired_control(Duration::ZERO, &status(waiting, 0)).want()
    }

    #[test]
    fn it_speaks_at_once_then_of_changes_once_a_second() {
        let mut control = Control::new(2, PatchSettings::default(), true);
        let first = control.next_control(Duration::ZERO, &status(0, 1)).unwrap();
        assert_eq!((first.scale, first.gain_millidecibels, first.accepted), (2, Some(1235), 1));
        assert_eq!(control.next_control(Duration::from_millis(900), &status(0, 2)), None);
        assert_eq!(control.next_control(Duration::from_secs(1), &status(0, 2)).unwrap().accepted, 2);
        assert_eq!(control.next_control(Duration::from_secs(9), &status(0, 2)), None, "nothing changed");
        control.forget();
        assert!(control.next_control(Duration::from_secs(9), &status(0, 2)).is_some());
    }

    #[test]
    fn a_gain_that_nobody_measured_is_not_told() {
        let gain = |gain_db| {
            let status = LearningStatus { gain_db, gain_slope_db_per_second: gain_db, ..Default::default() };
            let control = Control::new(2, PatchSettings::default(), true).desired_control(Duration::ZERO, &status);
            (control.gain_millidecibels, control.gain_slope_millidecibels_per_second)
        };
        assert_eq!(gain(None), (None, None));
        assert_eq!(gain(Some(0.0)), (Some(0), Some(0)));
        assert_eq!(gain(Some(-0.5)), (Some(-500), Some(-500)));
    }

    #[test]
    fn patches_are_asked_for_as_far_as_they_are_worth_it() {
        let mut control = Control::new(2, PatchSettings::default(), true);
        let kbps = |control: &mut Control, second| {
            control.desired_control(Duration::from_secs(second), &status(0, 0)).max_kbps
        };
        assert_eq!(kbps(&mut control, 0), 400);
        control.handle_patch(Duration::ZERO, 930);
        assert_eq!([10, 60].map(|second| kbps(&mut control, second)), [400, 12]);
        let mut idle = Control::new(2, PatchSettings::default(), false);
        idle.handle_patch(Duration::ZERO, 930);
        assert_eq!(kbps(&mut idle, 1), 12, "nobody trains");
    }

    #[test]
    fn it_asks_for_random_ones_only_while_no_trainer_keeps_up() {
        let mut control = Control::new(2, PatchSettings::default(), true);
        let asked = [0, 599, 600, 200, 99, 300].map(|waiting| wants(&mut control, waiting));
        assert_eq!(asked, [Want::All, Want::All, Want::RandomOnly, Want::RandomOnly, Want::All, Want::All]);
        assert_eq!(wants(&mut Control::new(2, PatchSettings::default(), false), 0), Want::RandomOnly);
    }
}
