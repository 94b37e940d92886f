use super::*;

/// Errors of (general, own) beside a bicubic of 100; 0: there is none.
type Kind = (f64, f64);
const GOOD: Kind = (0.0, 60.0);
const BAD: Kind = (0.0, 110.0);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn errors((general, own): Kind) -> Errors {
    let some = |error: f64| Some(error).filter(|error| *error > 0.0);
    Errors { bicubic: 100.0, general: some(general), own: some(own) }
}

fn own_shown(has_general: bool) -> LiveGuard {
    let mut guard = LiveGuard::new(has_general, Unjudged::General);
    guard.show_own();
    guard
}

/// When, in seconds, a change comes if a patch of this kind arrives `rate` times a second from `start` on.
fn first_change(guard: &mut LiveGuard, start: f64, rate: f64, kind: Kind) -> Option<(f64, Shown)> {
    (0..200)
        .map(|index| start + f64::from(index) / rate)
        .find_map(|at| guard.handle_measured(seconds(at), errors(kind)).map(|change| (at, change.to)))
}

fn next_shown(guard: &mut LiveGuard, start: f64, kind: Kind) -> Option<Shown> {
    first_change(guard, start, 20.0, kind).map(|(_, shown)| shown)
}

#[test]
fn a_version_that_helps_stays() {
    assert_eq!(next_shown(&mut own_shown(false), 0.0, GOOD), None);
    assert_eq!(next_shown(&mut own_shown(true), 0.0, (50.0, 60.0)), None, "also where the general weights do better");
}

#[test]
fn a_version_gone_bad_is_withdrawn_within_five_seconds_at_any_rate() {
    for rate in [1.0, 3.0, 20.0] {
        let mut guard = own_shown(false);
        first_change(&mut guard, 0.0, rate, GOOD);
        let start = 200.0 / rate;
        let (at, shown) = first_change(&mut guard, start, rate, BAD).unwrap();
        assert_eq!(shown, Shown::Bicubic);
        assert!(at - start <= 5.0, "{} s at {rate} patches a second", at - start);
    }
}

#[test]
fn the_general_weights_take_the_place_of_a_bad_version_where_they_beat_bicubic() {
    assert_eq!(next_shown(&mut own_shown(true), 0.0, (90.0, 110.0)), Some(Shown::General));
    assert_eq!(next_shown(&mut own_shown(true), 0.0, (101.0, 110.0)), Some(Shown::Bicubic));
}

#[test]
fn general_weights_below_bicubic_give_way_to_it() {
    let mut guard = LiveGuard::new(true, Unjudged::General);
    assert_eq!(guard.shown(), Shown::General);
    assert_eq!(next_shown(&mut guard, 0.0, (105.0, 0.0)), Some(Shown::Bicubic));
    assert_eq!(next_shown(&mut guard, 20.0, (99.5, 0.0)), None, "+0.02 dB is too little");
    assert_eq!(next_shown(&mut guard, 40.0, (90.0, 0.0)), Some(Shown::General));
}

#[test]
fn it_comes_back_once_it_is_clearly_better_than_what_is_shown() {
    let mut guard = own_shown(false);
    assert_eq!(next_shown(&mut guard, 0.0, BAD), Some(Shown::Bicubic));
    assert_eq!(next_shown(&mut guard, 20.0, (0.0, 99.5)), None, "+0.02 dB is too little");
    assert_eq!(next_shown(&mut guard, 40.0, GOOD), Some(Shown::Own));

    let mut guard = own_shown(true);
    assert_eq!(next_shown(&mut guard, 0.0, (80.0, 110.0)), Some(Shown::General));
    assert_eq!(next_shown(&mut guard, 20.0, (80.0, 90.0)), None, "better than bicubic, and not than the general ones");
    assert_eq!(next_shown(&mut guard, 40.0, (80.0, 60.0)), Some(Shown::Own));
}

#[test]
fn what_nobody_sees_is_no_reason_to_withdraw() {
    let mut guard = LiveGuard::new(true, Unjudged::General);
    let black = Errors { bicubic: 0.0, general: Some(0.0005), own: None };
    let changes = (0..20).filter(|second| guard.handle_measured(seconds(f64::from(*second)), black).is_some());
    assert_eq!(changes.count(), 0);
}

#[test]
fn one_odd_patch_is_no_verdict() {
    let mut guard = own_shown(false);
    assert_eq!(guard.handle_measured(seconds(0.0), errors((0.0, 500.0))), None);
    assert_eq!(guard.handle_measured(seconds(9.0), errors((0.0, 500.0))), None, "the first is too old to count");
}

#[test]
fn the_fewer_patches_the_further_below_bicubic_they_must_be() {
    let withdrawn_after = |error: f64| {
        let mut guard = own_shown(false);
        (1..=20).find(|pairs| guard.handle_measured(seconds(f64::from(*pairs) / 10.0), errors((0.0, error))).is_some())
    };
    // 100 to 105 is 0.21 dB, to 103 is 0.13 dB, to 102.2 is 0.09 dB, and to 101 is 0.04 dB.
    assert_eq!([105.0, 103.0, 102.2, 101.0].map(withdrawn_after), [Some(2), Some(4), Some(8), None]);
}

#[test]
fn without_pairs_it_shows_what_was_chosen_for_that() {
    let unjudged = |has_general, unjudged, own: bool| {
        let mut guard = LiveGuard::new(has_general, unjudged);
        if own {
            guard.show_own();
        }
        guard.handle_unjudged(seconds(10.0));
        guard.shown()
    };
    assert_eq!(unjudged(true, Unjudged::General, false), Shown::General);
    assert_eq!(unjudged(true, Unjudged::General, true), Shown::General);
    assert_eq!(unjudged(true, Unjudged::Bicubic, true), Shown::Bicubic);
    assert_eq!(unjudged(false, Unjudged::General, true), Shown::Bicubic);
    let mut guard = LiveGuard::new(true, Unjudged::General);
    next_shown(&mut guard, 0.0, (105.0, 0.0));
    assert_eq!((guard.handle_unjudged(seconds(30.0)), guard.shown()), (None, Shown::Bicubic), "pairs have spoken");
}

/// Weights that are worth nothing: on one scene a little better than bicubic, on the next a little worse.
#[test]
fn around_zero_it_does_not_flap() {
    let mut guard = own_shown(false);
    let changes = (0..600).filter(|index| {
        let error = if index / 20 % 2 == 0 { 97.0 } else { 103.0 };
        guard.handle_measured(seconds(f64::from(*index) / 10.0), errors((0.0, error))).is_some()
    });
    let changes = changes.count();
    assert!((1..=5).contains(&changes), "{changes} changes in a minute");
}
