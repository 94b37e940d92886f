//! The thread that makes patches. It takes the newest frame when it has time, so the video never waits for it.

use std::{sync::Arc, time::Duration};

use proto::{
    PATCH_OVERHEAD_BYTES,
    v1::{PatchChannelMessage, PixelCoding, PublisherPatch, Selection, patch_channel_message::Kind},
};

use super::{
    bucket::Bucket,
    candidates::{Candidate, CodedFrame, Mix, Pool},
    control::{PatchOptions, PatchPlan},
    newest::Newest,
    shared::{Shared, count},
};

/// How patches are coded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PatchCoding {
    pub(crate) coding: PixelCoding,
    pub(crate) residual: bool,
    pub(crate) quality: u32,
    /// Of random ones: what measures the gain should be close to the truth.
    pub(crate) random_quality: u32,
}

/// Saved up at most: a burst of patches must not delay the video behind it.
const BURST: Duration = Duration::from_millis(300);
/// Candidates drawn a second, and for each patch that may be sent.
const CANDIDATES_PER_SECOND: f64 = 30.0;
const CANDIDATES_PER_PATCH: f64 = 2.0;

/// Runs until `frames` is closed.
pub(crate) fn run(shared: &Arc<Shared>, frames: &Newest<CodedFrame>, options: &PatchOptions, coding: PatchCoding) {
    let mut maker = PatchMaker::new(shared.clone(), options.clone(), coding);
    while let Some(frame) = frames.take() {
        maker.handle_frame(&frame);
    }
}

struct PatchMaker {
    shared: Arc<Shared>,
    options: PatchOptions,
    coding: PatchCoding,
    /// Bits, patches and candidates that may pass.
    bits: Bucket,
    patches: Bucket,
    candidates: Bucket,
    pool: Pool,
    mix: Mix,
    sequence: u64,
}

impl PatchMaker {
    fn new(shared: Arc<Shared>, options: PatchOptions, coding: PatchCoding) -> Self {
        let empty = Bucket::new(shared.now(), 0.0, 0.0);
        Self {
            bits: empty.clone(),
            patches: empty.clone(),
            candidates: empty,
            shared,
            options,
            coding,
            pool: Pool::default(),
            mix: Mix::default(),
            sequence: 0,
        }
    }

    fn handle_frame(&mut self, frame: &CodedFrame) {
        let now = self.shared.now();
        let left_kbps = self.shared.shares().patch_kbps;
        let heard = self.shared.heard.borrow().clone();
        let Some(plan) = self.options.plan(now, &heard, left_kbps) else { return };
        self.set_rates(now, &plan);

        while plan.random_share < 1.0 && self.candidates.is_open(now) {
            self.candidates.spend(1.0);
            if let Some(candidate) = frame.candidate(self.options.scale, plan.size, rand::random()) {
                self.pool.offer(now, candidate);
            }
        }
        while self.bits.is_open(now) && self.patches.is_open(now) {
            let selection = self.mix.next(now, plan.random_share);
            let candidate = match selection {
                Selection::Random => frame.candidate(self.options.scale, plan.size, rand::random()),
                _ => self.pool.take_worst(now),
            };
            let Some(candidate) = candidate else { break };
            self.send(now, &candidate, selection);
        }
    }

    fn set_rates(&mut self, now: Duration, plan: &PatchPlan) {
        let burst = |rate: f64| rate * BURST.as_secs_f64();
        let bits = f64::from(plan.kbps) * 1000.0;
        self.bits.set_rate(now, bits, burst(bits));
        self.patches.set_rate(now, plan.per_second, burst(plan.per_second).max(1.0));
        let candidates = CANDIDATES_PER_SECOND.max(plan.per_second * CANDIDATES_PER_PATCH);
        self.candidates.set_rate(now, candidates, burst(candidates));
    }

    fn send(&mut self, now: Duration, candidate: &Candidate, selection: Selection) {
        let PatchCoding { coding, residual, quality, random_quality } = self.coding;
        let quality = if selection == Selection::Random { random_quality } else { quality };
        let counters = &self.shared.counters;
        let luma = match media::still::encode(&candidate.luma(residual), coding, quality) {
            Ok(luma) => luma,
            Err(error) => {
                tracing::debug!(%error, "a patch could not be coded");
                self.patches.spend(1.0);
                return count(&counters.patches_refused);
            }
        };
        let cost = (luma.len() + PATCH_OVERHEAD_BYTES) as f64 * 8.0;
        let patch = PublisherPatch {
            sequence: self.sequence,
            rtp_timestamp: candidate.rtp_timestamp,
            rect: Some(candidate.rect),
            coding: coding.into(),
            luma: luma.into(),
            selection: selection.into(),
            residual,
            base_digest: candidate.base_digest(residual),
        };
        self.sequence += 1;
        self.patches.spend(1.0);
        self.bits.spend(cost);
        self.mix.sent(now, selection);
        let message = PatchChannelMessage { kind: Some(Kind::Patch(patch)) };
        if !self.shared.outlet.send_message(&message) {
            return count(&counters.patches_refused);
        }
        count(&counters.patches_sent);
        if selection == Selection::Random {
            count(&counters.patches_random);
        }
    }
}
