//! The loop by hand, on a clock of its own.

use super::*;
use crate::example::tests::patch;

const NETWORK: Network = Network { scale: 2, unshuffle: 1, features: 8, layers: 3 };

fn learning(start: Start) -> Learning {
    let settings = TrainerSettings { seed: 3, batch: 8, learning_rate: 2e-3, ..TrainerSettings::default() };
    tch::set_num_threads(1);
    let stream = "default/demo".parse().unwrap();
    Learning::new(
        settings,
        stream,
        "trainer-1".to_owned(),
        NETWORK,
        (Device::Cpu, sr_model::Precision::F32),
        start,
        Metrics::default(),
    )
}

fn example(tenths: u64) -> Arc<Example> {
    Arc::new(Example::new(&patch(9000 * tenths, 0, 64, [8, 8, 8, 0]), 2).unwrap())
}

/// Hears patches `tenths` of a second, ten a second, and steps `steps` times for each.
fn live_through(learning: &mut Learning, tenths: std::ops::Range<u64>, steps: usize) {
    for tenth in tenths {
        let now = Duration::from_millis(100 * tenth);
        learning.hear(now, Heard::Patch(example(tenth)));
        learning.next(now);
        if learning.replay.len() >= 4 {
            (0..steps).for_each(|_| learning.step());
        }
    }
}

fn close(a: &Weights, b: &Weights) -> bool {
    let values = |weights: &Weights| weights.convolutions.iter().flat_map(|one| one.weight.clone()).collect::<Vec<_>>();
    values(a).iter().zip(values(b)).all(|(a, b)| (a - b).abs() < 1e-5)
}

fn gain_db(measured: &v1::Measurement) -> f64 {
    measured.psnr_db - measured.bicubic_psnr_db
}

#[test]
fn learning_from_patches_beats_bicubic_on_patches_to_come() {
    let mut learning = learning(Start::default());
    live_through(&mut learning, 0..30, 6);
    let offer = learning.end_epoch().expect("it got better");
    let claimed = offer.checkpoint.claimed.unwrap();
    assert_eq!(claimed.patches, 8);
    assert!(gain_db(&claimed) > 0.5, "{:+.3} dB", gain_db(&claimed));
    assert!(claimed.ssim > claimed.bicubic_ssim);
    let to_come: Vec<_> = (40..48).map(example).collect();
    let gain = exam::psnr_db(Some(&offer.weights), &to_come) - exam::psnr_db(None, &to_come);
    assert!(gain > 0.5, "{gain:+.3} dB on what never came");
}

#[test]
fn a_checkpoint_claims_what_the_reference_measures_on_its_bytes() {
    let mut learning = learning(Start::default());
    live_through(&mut learning, 0..20, 5);
    let fresh: Vec<_> = learning.replay.fresh().cloned().collect();
    let checkpoint = learning.end_epoch().expect("it got better").checkpoint;
    assert_eq!(checkpoint.sha256, Sha256::digest(&checkpoint.safetensors)[..]);
    assert_eq!(Network::try_from(&checkpoint.network.unwrap()), Ok(NETWORK));
    assert_eq!((checkpoint.version, checkpoint.parent, checkpoint.measured), (0, 0, None));

    let weights = Weights::from_safetensors(&checkpoint.safetensors, NETWORK).unwrap();
    let mse = |enhanced: &dyn Fn(&Example) -> f64| fresh.iter().map(|one| enhanced(one)).sum::<f64>() / 8.0;
    let claimed = checkpoint.claimed.unwrap();
    assert_eq!(claimed.psnr_db, sr_net::psnr_of_mse_db(mse(&|one| one.pair.mse(&weights))));
    assert_eq!(claimed.bicubic_psnr_db, sr_net::psnr_of_mse_db(mse(&|one| one.pair.bicubic_mse())));
    let oldest_fresh = fresh.iter().map(|one| one.id.stream_time).min().unwrap();
    assert!(checkpoint.trained_through_stream_time < oldest_fresh, "a patch judges before it trains");
}

#[test]
fn what_is_not_better_than_the_live_one_is_not_offered() {
    let mut learning = learning(Start::default());
    live_through(&mut learning, 0..20, 5);
    let offer = Arc::new(learning.end_epoch().expect("it got better"));
    learning.hear(Duration::from_secs(2), Heard::Answer(Answer::Accepted { version: 7, offer }));
    assert!(learning.end_epoch().is_none(), "nothing was learnt since");
    live_through(&mut learning, 20..60, 6);
    let next = learning.end_epoch().expect("it got better still");
    assert_eq!(next.checkpoint.parent, 7);
    let live = Live { version: 8, weights: next.weights };
    learning.hear(Duration::from_secs(6), Heard::Answer(Answer::BelowLive { live: Some(live) }));
    learning.settings.learning_rate = 1e-9;
    learning.step();
    assert!(learning.end_epoch().is_none(), "such a step is not worth a checkpoint");
}

#[test]
fn without_fresh_patches_nothing_is_offered() {
    let mut learning = learning(Start::default());
    live_through(&mut learning, 0..20, 3);
    learning.next(Duration::from_secs(60));
    assert_eq!((learning.replay.len(), learning.end_epoch().is_none()), (20, true));
}

#[test]
fn a_network_that_is_not_finite_starts_again_from_the_live_one() {
    let mut learning = learning(Start::default());
    live_through(&mut learning, 0..20, 5);
    let offer = Arc::new(learning.end_epoch().expect("it got better"));
    learning.hear(Duration::from_secs(2), Heard::Answer(Answer::Accepted { version: 1, offer: offer.clone() }));
    learning.settings.learning_rate = 1e30;
    (0..3).for_each(|_| learning.step());
    assert!(learning.metrics.resets.get() > 0);
    learning.settings.learning_rate = 0.0;
    if !close(&learning.learner.weights(), &offer.weights) {
        learning.reset("for the test");
    }
    assert!(close(&learning.learner.weights(), &offer.weights));
}

#[test]
fn a_trainer_that_keeps_losing_goes_on_from_what_beats_it() {
    let mut winner = learning(Start::default());
    live_through(&mut winner, 0..20, 5);
    let live = Live { version: 9, weights: Arc::new(winner.learner.weights()) };
    let mut loser = learning(Start::default());
    for loss in 1..=5 {
        assert!(!close(&loser.learner.weights(), &live.weights), "after {} losses", loss - 1);
        loser.hear(Duration::ZERO, Heard::Answer(Answer::BelowLive { live: Some(live.clone()) }));
    }
    assert!(close(&loser.learner.weights(), &live.weights));
    assert_eq!(loser.metrics.resets.get(), 0, "nothing was wrong with the network");
}

#[test]
fn a_state_goes_on_where_it_was_taken() {
    let mut first = learning(Start::default());
    live_through(&mut first, 0..20, 2);
    let state = state::decode(&state::encode(&first.learner.state())).unwrap();
    let second = learning(Start { state: Some(state), ..Start::default() });
    assert_eq!((second.learner.step(), second.learner.weights()), (first.learner.step(), first.learner.weights()));
}

#[test]
fn a_trainer_that_sees_that_it_is_behind_the_live_weights_goes_on_from_them() {
    let mut winner = learning(Start::default());
    live_through(&mut winner, 0..20, 6);
    let weights = Arc::new(winner.learner.weights());
    for behind in [
        Start { live: Some(Live { version: 9, weights: Arc::clone(&weights) }), ..Start::default() },
        Start { general: Some(Arc::clone(&weights)), ..Start::default() },
    ] {
        let mut behind = learning(behind);
        live_through(&mut behind, 0..20, 0);
        for epoch in 1..=5 {
            assert!(!close(&behind.learner.weights(), &weights), "after {} epochs", epoch - 1);
            assert!(behind.end_epoch().is_none(), "bicubic is not worth an offer");
        }
        assert!(close(&behind.learner.weights(), &weights));
    }
}

#[test]
fn fine_tuning_begins_at_the_weights_and_does_not_get_worse() {
    let mut general = learning(Start::default());
    live_through(&mut general, 0..20, 6);
    let weights = Arc::new(general.learner.weights());
    let mut tuned = learning(Start { weights: Some(Arc::clone(&weights)), ..Start::default() });
    assert!(close(&tuned.learner.weights(), &weights));
    let to_come: Vec<_> = (80..96).map(example).collect();
    let before_db = exam::psnr_db(Some(&weights), &to_come);
    for tenths in [(40..46), (46..52), (52..58), (58..64)] {
        live_through(&mut tuned, tenths.clone(), 2);
        let after_db = exam::psnr_db(Some(&tuned.learner.weights()), &to_come);
        assert!(after_db > before_db - 0.1, "{before_db:.2} dB, then {after_db:.2} dB at {tenths:?}");
    }
}
