//! What the path carries, from the server's transport-wide feedback (Google congestion control).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Instant,
};

use rtc::interceptor::{BandwidthEstimator, EstimatorStats, Gcc, PacketReport};

/// The lowest estimate: below it a path is as good as dead.
const MIN_KBPS: u32 = 30;

/// The newest estimate, in kbit/s, all kinds together.
#[derive(Clone, Debug)]
pub(crate) struct Estimate(Arc<AtomicU32>);

impl Estimate {
    pub(crate) fn kbps(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// Passes everything on to [`Gcc`] and shows its target. Read here rather than from the statistics, which take the
/// connection's lock.
pub(crate) struct ShownEstimator {
    gcc: Gcc,
    shown: Estimate,
}

impl ShownEstimator {
    /// Begins at `initial_kbps`. Without probing nothing is learned beyond what is sent, so the estimate ends at twice
    /// that.
    pub(crate) fn new(initial_kbps: u32) -> (Self, Estimate) {
        let bits = |kbps: u32| f64::from(kbps) * 1000.0;
        let initial_kbps = initial_kbps.max(MIN_KBPS);
        let gcc = Gcc::new(bits(initial_kbps), bits(MIN_KBPS), bits(initial_kbps.saturating_mul(2)));
        let shown = Estimate(Arc::new(AtomicU32::new(initial_kbps)));
        (Self { gcc, shown: shown.clone() }, shown)
    }

    fn show(&self) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the limits given to Gcc")]
        self.shown.0.store((self.gcc.target_bitrate() / 1000.0) as u32, Relaxed);
    }
}

impl BandwidthEstimator for ShownEstimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.gcc.on_reports(now, reports);
        self.show();
    }

    fn target_bitrate(&self) -> f64 {
        self.gcc.target_bitrate()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.gcc.handle_timeout(now);
        self.show();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.gcc.poll_timeout()
    }

    fn stats(&self) -> EstimatorStats {
        self.gcc.stats()
    }
}
