use super::*;
use crate::learning::{
    judge::measure,
    store::usable,
    testing::{NETWORK, checkpoint, pair, sharpening},
};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn live(version: u64, weights: &Weights) -> Live {
    usable(checkpoint(version, weights), NETWORK).unwrap()
}

/// A scene is a texture in which HR has this much more detail than LR.
fn see(registry: &mut Registry, at: f64, detail: f32, scene: u64) {
    let stream_time = (at * 90_000.0) as u64 + 1;
    let pair = pair(stream_time, detail);
    registry.handle_pair(seconds(at), Arc::clone(&pair), scene);
    let mse = |live: &Live| (live.checkpoint.version, pair.planes.mse(&live.weights));
    let measured: Vec<_> = registry.at_hand().iter().map(mse).collect();
    registry.handle_measured(seconds(at), &pair, &measured);
}

fn offer(registry: &mut Registry, at: f64, trained_through: u64, weights: &Weights) -> Result<u64, Refusal> {
    let judgement = registry.start_judgement(seconds(at), trained_through)?;
    let measured = measure(weights, judgement.live.as_ref(), &judgement.pairs);
    let version = registry.next_version(&judgement, &measured)?;
    let mut accepted = live(version, weights);
    Arc::make_mut(&mut accepted.checkpoint).measured = Some(measured);
    registry.accept(accepted);
    Ok(version)
}

fn open_registry() -> Registry {
    let mut registry = Registry::default();
    registry.handle_stored(0, None);
    registry
}

fn reason(refused: Result<u64, Refusal>) -> Reason {
    refused.unwrap_err().reason
}

#[test]
fn versions_count_up_from_what_is_stored() {
    let mut registry = Registry::default();
    assert!(!registry.is_open());
    registry.handle_stored(41, Some(live(41, &sharpening(0.1))));
    assert_eq!(registry.status(seconds(0.0)).live_version, 41);
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(0.2)), Ok(42));
    assert_eq!(registry.status(seconds(8.0)).live_version, 42);
}

#[test]
fn what_another_media_node_stored_meanwhile_is_taken_up_and_versions_go_on_from_there() {
    let mut registry = open_registry();
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(0.1)), Ok(2));
    registry.handle_stored(4, Some(live(4, &sharpening(0.15))));
    assert_eq!(registry.status(seconds(8.0)).live_version, 4);
    registry.handle_stored(2, Some(live(2, &sharpening(0.1))));
    assert_eq!(registry.status(seconds(8.0)).live_version, 4, "an older list changes nothing");
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(0.2)), Ok(5));
}

#[test]
fn a_successor_shows_what_the_media_node_before_found_fit() {
    let general = || Some(live(GENERAL_VERSION, &sharpening(0.1)));
    for (live_version, withdrawn, expected) in [
        (7, false, (7, false)),
        (GENERAL_VERSION, false, (GENERAL_VERSION, false)),
        (7, true, (7, true)),
        (6, false, (7, false)),
    ] {
        let mut registry = Registry::new(general(), Unjudged::General);
        registry.handle_stored(7, Some(live(7, &sharpening(0.2))));
        registry.inherit(live_version, withdrawn);
        let status = registry.status(seconds(0.0));
        assert_eq!((status.live_version, status.withdrawn), expected, "after {live_version}, {withdrawn}");
    }
}

#[test]
fn a_version_whose_storing_failed_is_not_given_again() {
    let mut registry = open_registry();
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    let judgement = registry.start_judgement(seconds(8.0), 0).unwrap();
    let measured = measure(&sharpening(0.2), None, &judgement.pairs);
    assert_eq!(registry.next_version(&judgement, &measured), Ok(2));
    assert_eq!(registry.status(seconds(8.0)).live_version, 0, "not stored, not live");
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(0.2)), Ok(3));
}

#[test]
fn only_patches_newer_than_the_training_judge() {
    let mut registry = open_registry();
    assert_eq!(reason(offer(&mut registry, 0.0, 0, &sharpening(0.2))), Reason::TooFewPatches);
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    let through = |second: u64| second * 90_000 + 1;
    assert_eq!(reason(offer(&mut registry, 8.0, through(4), &sharpening(0.2))), Reason::TooFewPatches);
    assert_eq!(reason(offer(&mut registry, 8.0, u64::MAX, &sharpening(0.2))), Reason::TooFewPatches);
    assert_eq!(registry.start_judgement(seconds(8.0), through(3)).unwrap().pairs.len(), 4);
    assert_eq!(
        reason(offer(&mut registry, 80.0, 0, &sharpening(0.2))),
        Reason::TooFewPatches,
        "a minute later they are old"
    );
}

#[test]
fn offers_that_do_not_help_are_refused() {
    let mut registry = open_registry();
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(reason(offer(&mut registry, 8.0, 0, &sharpening(-0.2))), Reason::BelowBicubic);
    assert_eq!(reason(offer(&mut registry, 8.0, 0, &Weights::zero(NETWORK))), Reason::BelowBicubic);
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(0.2)), Ok(2));
    let refused = offer(&mut registry, 8.0, 0, &sharpening(0.1)).unwrap_err();
    assert_eq!(refused.reason, Reason::BelowLive);
    assert!(refused.measured.unwrap().psnr_db > refused.measured.unwrap().bicubic_psnr_db);
}

#[test]
fn a_pinned_version_is_held_until_it_is_let_go() {
    let mut registry = open_registry();
    registry.pin(live(7, &sharpening(0.1)));
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(reason(offer(&mut registry, 8.0, 0, &sharpening(0.2))), Reason::Pinned);
    registry.unpin();
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(0.2)), Ok(2));
}

#[test]
fn a_scene_cut_that_makes_the_live_version_bad_withdraws_it_within_five_seconds() {
    for rate in [1.0, 2.0, 20.0] {
        let mut registry = open_registry();
        let at = |index: u32| f64::from(index) / rate;
        (0..40).for_each(|index| see(&mut registry, at(index), 0.2, 0));
        offer(&mut registry, at(40), 0, &sharpening(0.2)).unwrap();
        (40..80).for_each(|index| see(&mut registry, at(index), 0.2, 0));
        assert!(!registry.status(seconds(at(80))).withdrawn);
        registry.take_events();

        let withdrawn_at = (80..200).map(at).find(|&at| {
            see(&mut registry, at, -0.2, 1);
            registry.status(seconds(at)).withdrawn
        });
        assert!(withdrawn_at.unwrap() - at(80) <= 5.0, "{withdrawn_at:?} at {rate} patches a second");
        let events = registry.take_events();
        assert!(
            matches!(events.as_slice(), [StreamEventKind::SceneChange, StreamEventKind::Withdrawn { version: 2, .. }]),
            "{events:?}"
        );
        assert!(registry.live_state().withdrawn.is_some());

        let restored_at = (0..200).map(|index| at(400) + at(index)).find(|&at| {
            see(&mut registry, at, 0.2, 2);
            !registry.status(seconds(at)).withdrawn
        });
        assert!(restored_at.unwrap() - at(400) <= 5.0, "{restored_at:?}");
        assert_eq!(registry.status(seconds(at(600))).checkpoints_withdrawn, 1);
    }
}

#[test]
fn a_newer_scene_is_a_change_and_so_is_another_picture_after_the_pairer_began_anew() {
    let mut registry = open_registry();
    see(&mut registry, 0.0, 0.2, 3);
    see(&mut registry, 1.0, 0.2, 4);
    see(&mut registry, 2.0, 0.2, 3);
    see(&mut registry, 3.0, 0.2, 4);
    assert_eq!(registry.status(seconds(3.0)).scene_changes, 1, "a pair that comes late is of the scene before");
    registry.handle_pairer_started();
    see(&mut registry, 4.0, 0.2, 0);
    assert_eq!(registry.status(seconds(4.0)).scene_changes, 1, "another pairer counts from zero");
    registry.handle_pairer_started();
    let mut elsewhere = pair(5 * 90_000, 0.2);
    Arc::get_mut(&mut elsewhere).unwrap().phash ^= u64::MAX;
    registry.handle_pair(seconds(5.0), elsewhere, 0);
    assert_eq!(registry.status(seconds(5.0)).scene_changes, 2);
}

#[test]
fn a_version_that_nobody_can_judge_is_withdrawn_until_somebody_can() {
    let mut registry = open_registry();
    registry.handle_stored(3, Some(live(3, &sharpening(0.2))));
    let withdrawn_at = |registry: &mut Registry, seconds_of_frames: std::ops::Range<u32>| {
        seconds_of_frames.map(f64::from).find(|&at| {
            registry.handle_frame(seconds(at));
            registry.live_state().withdrawn.is_some()
        })
    };
    assert_eq!(withdrawn_at(&mut registry, 100..106), None);
    see(&mut registry, 105.0, 0.2, 0);
    assert_eq!(
        withdrawn_at(&mut registry, 106..114),
        None,
        "ten seconds since the last pair, not since the first frame"
    );
    assert_eq!(withdrawn_at(&mut registry, 300..309), None, "while there is no video nobody sees anything");
    assert_eq!(withdrawn_at(&mut registry, 309..330), Some(310.0));
    assert_eq!(withdrawn_at(&mut registry, 330..331), Some(330.0));
    let events = registry.take_events();
    assert!(matches!(events.as_slice(), [StreamEventKind::Withdrawn { version: 3, .. }]), "{events:?}");
    (0..3).for_each(|index| see(&mut registry, 331.0 + f64::from(index), 0.2, 0));
    assert_eq!(withdrawn_at(&mut registry, 334..340), None);
}

#[test]
fn a_withdrawn_version_is_no_bar_for_the_next() {
    let mut registry = open_registry();
    registry.handle_stored(3, Some(live(3, &sharpening(0.3))));
    (0..8).for_each(|index| see(&mut registry, f64::from(index), -0.2, 0));
    assert!(registry.status(seconds(8.0)).withdrawn);
    assert!(registry.start_judgement(seconds(8.0), 0).unwrap().live.is_none());
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(-0.1)), Ok(4));
    assert!(!registry.status(seconds(8.0)).withdrawn, "a new version starts with a clean slate");
}

#[test]
fn the_gain_is_what_viewers_have() {
    let mut registry = open_registry();
    let status = registry.status(seconds(0.0));
    assert_eq!((status.gain_db, status.live_version), (None, 0), "without patches nothing is known");
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(registry.status(seconds(8.0)).gain_db, Some(0.0), "bicubic is what they see");
    offer(&mut registry, 8.0, 0, &sharpening(0.2)).unwrap();
    (8..16).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    let status = registry.status(seconds(16.0));
    assert!(status.gain_db.unwrap() > 10.0 && status.enhanced_psnr_db > status.bicubic_psnr_db, "{status:?}");
}

fn registry_with_general(strength: f32, unjudged: Unjudged) -> Registry {
    let mut registry = Registry::new(Some(live(GENERAL_VERSION, &sharpening(strength))), unjudged);
    registry.handle_stored(0, None);
    registry
}

fn shown(registry: &mut Registry) -> (u64, bool) {
    let status = registry.status(seconds(0.0));
    (status.live_version, status.withdrawn)
}

#[test]
fn general_weights_are_live_from_the_start_and_give_way_to_what_does_better() {
    let mut registry = registry_with_general(0.1, Unjudged::General);
    assert_eq!(shown(&mut registry), (1, false));
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    let gain_db = registry.status(seconds(8.0)).gain_db.unwrap();
    assert!(gain_db > 1.0, "{gain_db:+.2} dB is theirs");
    assert_eq!(reason(offer(&mut registry, 8.0, 0, &sharpening(0.05))), Reason::BelowLive, "they are what is live");
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(0.2)), Ok(2));
    assert_eq!(shown(&mut registry), (2, false));
}

#[test]
fn where_they_were_not_chosen_general_weights_wait_for_pairs_to_speak_for_them() {
    let mut registry = registry_with_general(0.2, Unjudged::Bicubic);
    assert_eq!(shown(&mut registry), (0, false));
    assert_eq!(registry.live_state(), LiveState::default());
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(shown(&mut registry), (1, false));
    (20..40).for_each(|second| registry.handle_frame(seconds(f64::from(second))));
    assert_eq!(shown(&mut registry), (1, true), "nobody judges them any more");
}

#[test]
fn a_version_gone_bad_gives_way_to_general_weights_that_are_not() {
    let mut registry = registry_with_general(-0.1, Unjudged::General);
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(shown(&mut registry), (1, true), "below bicubic they are withdrawn like any");
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(0.2)), Ok(2));
    (8..16).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    registry.take_events();

    (16..24).for_each(|index| see(&mut registry, f64::from(index), -0.2, 1));
    assert_eq!(shown(&mut registry), (1, false));
    let events = registry.take_events();
    assert!(
        matches!(events.as_slice(), [StreamEventKind::SceneChange, StreamEventKind::Withdrawn { version: 2, .. }]),
        "{events:?}"
    );
    (24..40).for_each(|index| see(&mut registry, f64::from(index), 0.2, 2));
    assert_eq!(shown(&mut registry), (2, false));
    let events = registry.take_events();
    assert_eq!(events, [StreamEventKind::SceneChange, StreamEventKind::Restored { version: 2 }]);
}

#[test]
fn video_without_pairs_gets_the_general_weights() {
    let mut registry = registry_with_general(0.1, Unjudged::General);
    registry.handle_stored(7, Some(live(7, &sharpening(0.2))));
    assert_eq!(shown(&mut registry), (7, false));
    (0..12).for_each(|second| registry.handle_frame(seconds(f64::from(second))));
    assert_eq!(shown(&mut registry), (1, false));
    (12..20).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(shown(&mut registry), (7, false));
}

#[test]
fn general_weights_can_be_had_and_pinned_by_their_version() {
    let mut registry = registry_with_general(0.1, Unjudged::General);
    (0..8).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(offer(&mut registry, 8.0, 0, &sharpening(0.2)), Ok(2));
    let general = registry.find(GENERAL_VERSION).unwrap();
    registry.pin(general);
    assert_eq!(shown(&mut registry), (1, false));
    assert_eq!(reason(offer(&mut registry, 8.0, 0, &sharpening(0.2))), Reason::Pinned);
    (9..17).for_each(|index| see(&mut registry, f64::from(index), 0.2, 0));
    assert_eq!(shown(&mut registry), (1, false));
}
