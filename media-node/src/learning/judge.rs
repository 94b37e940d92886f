//! Judges offered weights: checks the bytes, measures them on fresh pairs, decides. Nothing the trainer claims counts.

use proto::{
    StreamName,
    v1::{Checkpoint, Measurement, rejected::Reason},
};
use sha2::{Digest, Sha256};
use sr_net::{Network, Pair, Plane, Weights, WeightsError};

use super::{pair::RecentPair, registry::Live};

/// Fewer fresh pairs judge nobody.
pub(crate) const LEAST_PAIRS: usize = 4;
/// More tell nothing new, and cost time.
pub(crate) const MOST_PAIRS: usize = 32;

/// Over bicubic.
const LEAST_GAIN_DB: f64 = 0.02;
/// Under the live checkpoint, on the same pairs.
const MOST_LOSS_DB: f64 = 0.02;
/// SSIM decides nothing and costs as much as the network: the newest few tell enough.
const SSIM_PAIRS: usize = 4;

/// Why an offer is refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
    pub(crate) measured: Option<Measurement>,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), measured: None }
    }

    /// As it is counted and shown.
    pub(crate) fn name(&self) -> &'static str {
        match self.reason {
            Reason::Unspecified => "unspecified",
            Reason::Digest => "digest",
            Reason::Network => "network",
            Reason::Malformed => "malformed",
            Reason::BelowBicubic => "below_bicubic",
            Reason::BelowLive => "below_live",
            Reason::TooFewPatches => "too_few_patches",
            Reason::Stream => "stream",
            Reason::Pinned => "pinned",
        }
    }
}

/// The weights of an offer to `stream`, which runs `network`.
pub(crate) fn check_offer(offer: &Checkpoint, stream: &StreamName, network: Network) -> Result<Weights, Refusal> {
    if offer.stream.as_ref() != Some(&stream.to_id()) {
        return Err(Refusal::new(Reason::Stream, format!("this is the registry of {stream}")));
    }
    match offer.network.as_ref().map(Network::try_from) {
        Some(Ok(offered)) if offered == network => {}
        Some(Ok(offered)) => {
            return Err(Refusal::new(Reason::Network, format!("offered {offered:?}, this stream runs {network:?}")));
        }
        Some(Err(error)) => return Err(Refusal::new(Reason::Network, error.to_string())),
        None => return Err(Refusal::new(Reason::Network, "no network named")),
    }
    if offer.safetensors.len() > Weights::MAX_BYTES {
        let detail = format!("{} bytes, at most {} are taken", offer.safetensors.len(), Weights::MAX_BYTES);
        return Err(Refusal::new(Reason::Malformed, detail));
    }
    if Sha256::digest(&offer.safetensors)[..] != offer.sha256[..] {
        return Err(Refusal::new(Reason::Digest, "sha256 is not that of the bytes"));
    }
    Weights::from_safetensors(&offer.safetensors, network).map_err(|error| {
        let reason = if matches!(error, WeightsError::Shape(_)) { Reason::Network } else { Reason::Malformed };
        Refusal::new(reason, error.to_string())
    })
}

/// Measures `weights` on `pairs`, newest first, beside bicubic and, where there is one, the live checkpoint. Takes some
/// milliseconds a pair.
pub(crate) fn measure(weights: &Weights, live: Option<&Live>, pairs: &[RecentPair]) -> Measurement {
    let mean_psnr_db = |mse: &dyn Fn(&RecentPair) -> f64| {
        sr_net::psnr_of_mse_db(pairs.iter().map(mse).sum::<f64>() / pairs.len().max(1) as f64)
    };
    let live_mse = |live: &Live, recent: &RecentPair| {
        recent.known_mse(live.checkpoint.version).unwrap_or_else(|| recent.pair.planes.mse(&live.weights))
    };
    let (bicubic_ssim, ssim) = measure_ssim(weights, &pairs[..pairs.len().min(SSIM_PAIRS)]);
    Measurement {
        patches: pairs.len() as u32,
        bicubic_psnr_db: mean_psnr_db(&|recent| recent.pair.planes.bicubic_mse()),
        psnr_db: mean_psnr_db(&|recent| recent.pair.planes.mse(weights)),
        live_psnr_db: live.map_or(0.0, |live| mean_psnr_db(&|recent| live_mse(live, recent))),
        bicubic_ssim,
        ssim,
    }
}

/// Mean SSIM of bicubic and of `weights`; 0 when no pair is large enough.
fn measure_ssim(weights: &Weights, pairs: &[RecentPair]) -> (f64, f64) {
    let mean = |picture: &dyn Fn(&Pair) -> Plane| {
        let pairs = pairs.iter().map(|recent| &recent.pair.planes);
        let known: Vec<f64> = pairs.filter_map(|pair| pair.ssim(&picture(pair))).collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    };
    (mean(&Pair::bicubic), mean(&|pair| pair.enhanced(weights)))
}

/// Whether weights with this measurement are good enough. The live checkpoint counts only while it is in use: one that
/// was withdrawn leaves bicubic, which is beaten.
pub(crate) fn decide(measured: &Measurement, against_live: bool) -> Result<(), Refusal> {
    let refuse = |reason, detail| Err(Refusal { reason, detail, measured: Some(*measured) });
    let gain_db = gain_db(measured);
    if gain_db.is_nan() || gain_db < LEAST_GAIN_DB {
        let detail = format!(
            "{gain_db:+.3} dB over bicubic on {} fresh patches, at least {LEAST_GAIN_DB:+} dB is asked",
            measured.patches
        );
        return refuse(Reason::BelowBicubic, detail);
    }
    let over_live_db = measured.psnr_db - measured.live_psnr_db;
    if against_live && over_live_db < -MOST_LOSS_DB {
        let detail = format!("{over_live_db:+.3} dB against the live version on {} fresh patches", measured.patches);
        return refuse(Reason::BelowLive, detail);
    }
    Ok(())
}

pub(crate) fn gain_db(measured: &Measurement) -> f64 {
    measured.psnr_db - measured.bicubic_psnr_db
}

#[cfg(test)]
mod tests;
