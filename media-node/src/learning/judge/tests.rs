use std::{sync::Arc, time::Duration};

use proto::v1;
use sr_net::Precision;

use super::*;
use crate::learning::{
    pair::RecentPairs,
    store::usable,
    testing::{NETWORK, checkpoint, pair, sharpening, stream},
};

fn refused(offer: &Checkpoint) -> Reason {
    check_offer(offer, &stream(), NETWORK).unwrap_err().reason
}

fn offer_of(bytes: Vec<u8>) -> Checkpoint {
    Checkpoint {
        sha256: Sha256::digest(&bytes).to_vec().into(),
        safetensors: bytes.into(),
        ..checkpoint(0, &sharpening(0.1))
    }
}

#[test]
fn good_weights_pass_the_check() {
    let weights = sharpening(0.1);
    assert_eq!(check_offer(&checkpoint(0, &weights), &stream(), NETWORK), Ok(weights));
}

#[test]
fn each_fault_of_an_offer_has_its_reason() {
    let good = checkpoint(0, &sharpening(0.1));
    let other = StreamName::new("default", "other").unwrap();
    assert_eq!(refused(&Checkpoint { stream: Some(other.to_id()), ..good.clone() }), Reason::Stream);
    assert_eq!(refused(&Checkpoint { stream: None, ..good.clone() }), Reason::Stream);

    let larger = Network { features: 3, ..NETWORK };
    assert_eq!(refused(&Checkpoint { network: Some(larger.to_proto()), ..good.clone() }), Reason::Network);
    assert_eq!(refused(&Checkpoint { network: None, ..good.clone() }), Reason::Network);
    let unknown = v1::Network { kind: v1::network::Kind::Espcn.into(), ..NETWORK.to_proto() };
    assert_eq!(refused(&Checkpoint { network: Some(unknown), ..good.clone() }), Reason::Network);
    assert_eq!(
        refused(&offer_of(Weights::zero(larger).to_safetensors(Precision::F32))),
        Reason::Network,
        "named like ours"
    );

    let mut bytes = good.safetensors.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&Checkpoint { safetensors: bytes.into(), ..good.clone() }), Reason::Digest);
    assert_eq!(refused(&Checkpoint { sha256: Vec::new().into(), ..good }), Reason::Digest);

    assert_eq!(refused(&offer_of(Vec::new())), Reason::Malformed);
    assert_eq!(refused(&offer_of(vec![0xff; 1000])), Reason::Malformed);
    assert_eq!(refused(&offer_of(vec![0; Weights::MAX_BYTES + 1])), Reason::Malformed);
    assert_eq!(refused(&offer_of(sharpening(f32::NAN).to_safetensors(Precision::F32))), Reason::Malformed);
    assert_eq!(refused(&offer_of(sharpening(f32::INFINITY).to_safetensors(Precision::F16))), Reason::Malformed);
}

#[test]
fn the_measurement_is_of_the_mean_error_of_the_collapsed_weights() {
    let mut recent = RecentPairs::default();
    (1..=6).for_each(|time| recent.push(Duration::ZERO, pair(time, 0.2)));
    let pairs = recent.newer_than(Duration::ZERO, 0, MOST_PAIRS);
    let live = usable(checkpoint(1, &Weights::zero(NETWORK)), NETWORK).unwrap();
    let exact = measure(&sharpening(0.2), Some(&live), &pairs);
    assert_eq!((exact.patches, exact.psnr_db), (6, 100.0));
    assert!((exact.live_psnr_db - exact.bicubic_psnr_db).abs() < 1e-9, "zero weights are bicubic: {exact:?}");
    assert!(exact.ssim > 0.9999 && exact.bicubic_ssim < exact.ssim, "{exact:?}");
    let mean = pairs.iter().map(|recent| recent.pair.planes.bicubic_mse()).sum::<f64>() / 6.0;
    assert!((exact.bicubic_psnr_db - sr_net::psnr_of_mse_db(mean)).abs() < 1e-9);
}

fn decided(bicubic: f64, offered: f64, live: Option<f64>) -> Option<Reason> {
    let measured = Measurement {
        patches: 8,
        bicubic_psnr_db: bicubic,
        psnr_db: offered,
        live_psnr_db: live.unwrap_or(0.0),
        ..Default::default()
    };
    decide(&measured, live.is_some()).err().map(|refusal| refusal.reason)
}

#[test]
fn an_offer_must_beat_bicubic_and_not_be_worse_than_what_is_live() {
    assert_eq!(decided(30.0, 30.03, None), None);
    assert_eq!(decided(30.0, 30.01, None), Some(Reason::BelowBicubic));
    assert_eq!(decided(30.0, 29.0, None), Some(Reason::BelowBicubic));
    assert_eq!(decided(30.0, 31.0, Some(31.01)), None);
    assert_eq!(decided(30.0, 31.0, Some(31.03)), Some(Reason::BelowLive));
    assert_eq!(decided(30.0, f64::NAN, None), Some(Reason::BelowBicubic), "what cannot be measured is no gain");
}

#[test]
fn what_was_measured_when_a_pair_came_is_not_measured_again() {
    let (mut recent, seen) = (RecentPairs::default(), pair(1, 0.2));
    recent.push(Duration::ZERO, Arc::clone(&seen));
    recent.remember_measured(&seen, &[(1, 9.0), (7, 12.5)]);
    let measured = recent.newer_than(Duration::ZERO, 0, MOST_PAIRS);
    let live = |version| usable(checkpoint(version, &Weights::zero(NETWORK)), NETWORK).unwrap();
    let live_psnr_db = |version| measure(&sharpening(0.2), Some(&live(version)), &measured).live_psnr_db;
    assert_eq!(live_psnr_db(7), sr_net::psnr_of_mse_db(12.5));
    assert_ne!(live_psnr_db(8), live_psnr_db(7), "of another version it says nothing");
}
