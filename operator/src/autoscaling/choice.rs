//! Which trainers stay, which go, and under which ordinal one comes.

use std::{cmp::Reverse, collections::BTreeSet};

use super::inputs::{Activity, TrainerInput};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Ordinals that are to exist. More than wished for while those to go are waited for.
    pub(super) ordinals: BTreeSet<u32>,
    /// Somebody has something in flight and is given a moment.
    pub(super) waits: bool,
}

/// `impatient`: who has something in flight goes all the same.
#[must_use]
pub(super) fn choose(trainers: &[TrainerInput], wanted: u32, impatient: bool) -> Choice {
    let mut stay: Vec<&TrainerInput> = trainers.iter().filter(|trainer| !trainer.terminating).collect();
    stay.sort_by_key(|trainer| Reverse(worth(trainer)));
    let mut ordinals: BTreeSet<u32> = BTreeSet::new();
    let mut waits = false;
    for (index, trainer) in stay.iter().enumerate() {
        let is_wanted = index < wanted as usize;
        let is_waited_for = !is_wanted && !impatient && in_flight(trainer) > 0;
        waits |= is_waited_for;
        if is_wanted || is_waited_for {
            ordinals.insert(trainer.ordinal);
        }
    }
    // The name of one that is still going is not free yet.
    let is_taken = |ordinal: &u32| trainers.iter().any(|trainer| trainer.ordinal == *ordinal);
    let missing = (wanted as usize).saturating_sub(stay.len());
    ordinals.extend((0..).filter(|ordinal| !is_taken(ordinal)).take(missing));
    Choice { ordinals, waits }
}

fn in_flight(trainer: &TrainerInput) -> u32 {
    trainer.report.map_or(0, |report| report.in_flight)
}

/// Who stays: first those that are ready, then those with something in flight, the busy ones, the fast ones, the first.
fn worth(trainer: &TrainerInput) -> impl Ord + use<> {
    let report = trainer.report;
    (
        trainer.ready,
        in_flight(trainer) > 0,
        report.map(|report| report.activity).unwrap_or(Activity::Waiting),
        report.map_or(0, |report| report.steps_per_second),
        Reverse(trainer.ordinal),
    )
}

#[cfg(test)]
mod tests {
    use super::{super::inputs::TrainerState, *};

    fn trainer(ordinal: u32, activity: Activity, in_flight: u32, steps_per_second: u32) -> TrainerInput {
        let report = Some(TrainerState { activity, steps_per_second, in_flight });
        TrainerInput { ordinal, ready: true, terminating: false, report }
    }

    fn check(trainers: &[TrainerInput], wanted: u32, ordinals: &[u32]) {
        let choice = choose(trainers, wanted, false);
        assert_eq!(choice.ordinals.into_iter().collect::<Vec<_>>(), ordinals, "{trainers:?}");
    }

    #[test]
    fn the_one_with_nothing_in_flight_goes() {
        use Activity::*;
        let busy = |ordinal| trainer(ordinal, Training, 2, 60);
        check(&[busy(0), trainer(1, Training, 0, 60), busy(2)], 2, &[0, 2]);
        check(&[trainer(0, Training, 0, 60), busy(1)], 1, &[1]);
        check(&[trainer(0, Suspended, 0, 0), trainer(1, Training, 0, 60)], 1, &[1]);
        check(&[trainer(0, Training, 0, 15), trainer(1, Training, 0, 60)], 1, &[1]);
        check(&[trainer(0, Training, 0, 60), trainer(1, Training, 0, 60)], 1, &[0]);
        check(&[trainer(0, Training, 0, 60)], 0, &[]);
    }

    #[test]
    fn one_that_never_got_ready_goes_first() {
        let pending = TrainerInput { ordinal: 0, ready: false, terminating: false, report: None };
        check(&[pending, trainer(1, Activity::Suspended, 0, 0)], 1, &[1]);
    }

    #[test]
    fn while_all_have_something_in_flight_they_are_waited_for_but_not_for_ever() {
        let busy = [trainer(0, Activity::Training, 1, 60), trainer(1, Activity::Training, 1, 60)];
        let choice = choose(&busy, 1, false);
        assert_eq!(choice, Choice { ordinals: [0, 1].into(), waits: true });
        assert_eq!(choose(&busy, 1, true), Choice { ordinals: [0].into(), waits: false });
    }

    #[test]
    fn a_new_one_takes_the_lowest_name_that_is_free() {
        let going = |ordinal| TrainerInput { terminating: true, ..trainer(ordinal, Activity::Draining, 0, 0) };
        check(&[], 2, &[0, 1]);
        check(&[trainer(1, Activity::Training, 0, 60)], 2, &[0, 1]);
        check(&[going(0)], 1, &[1]);
        check(&[going(0), trainer(1, Activity::Training, 0, 60)], 3, &[1, 2, 3]);
    }
}
