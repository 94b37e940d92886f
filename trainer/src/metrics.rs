//! What `/metrics` says of a trainer.

use std::sync::atomic::AtomicU64;

use telemetry::prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};

/// Cheap to clone; all clones count together.
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    pub(crate) steps: Counter,
    pub(crate) patches: Counter,
    patches_refused: Family<Reason, Counter>,
    pub(crate) examples: Gauge,
    pub(crate) suspended: Gauge,
    pub(crate) in_flight: Gauge,
    pub(crate) gain_db: Gauge<f64, AtomicU64>,
    pub(crate) resets: Counter,
    pub(crate) offers: Counter,
    pub(crate) offers_unanswered: Counter,
    pub(crate) accepted: Counter,
    rejected: Family<Reason, Counter>,
}

/// One label.
type Reason = [(&'static str, String); 1];

impl Metrics {
    pub(crate) fn registered(registry: &telemetry::Metrics) -> Self {
        let metrics = Self::default();
        let mut registry = registry.lock().expect("no thread panics with the registry locked");
        registry.register("steps", "Training steps", metrics.steps.clone());
        registry.register("patches", "Patches taken into the buffer", metrics.patches.clone());
        registry.register("patches_refused", "Patches that do not fit, by reason", metrics.patches_refused.clone());
        registry.register("examples", "Patches that are trained on", metrics.examples.clone());
        registry.register("suspended", "1 while the gain has saturated", metrics.suspended.clone());
        let help = "Patches taken and not acknowledged, offers not answered";
        registry.register("in_flight", help, metrics.in_flight.clone());
        registry.register("gain_db", "Gain over bicubic on fresh patches", metrics.gain_db.clone());
        registry.register("resets", "Restarts of a network that was not finite", metrics.resets.clone());
        registry.register("offers", "Checkpoints sent", metrics.offers.clone());
        registry.register("offers_unanswered", "Checkpoints sent in vain", metrics.offers_unanswered.clone());
        registry.register("checkpoints_accepted", "Checkpoints accepted", metrics.accepted.clone());
        registry.register("checkpoints_rejected", "Checkpoints rejected, by reason", metrics.rejected.clone());
        drop(registry);
        metrics
    }

    pub(crate) fn count_refused(&self, reason: &str) {
        self.patches_refused.get_or_create(&[("reason", reason.to_owned())]).inc();
    }

    pub(crate) fn count_rejected(&self, reason: &str) {
        self.rejected.get_or_create(&[("reason", reason.to_owned())]).inc();
    }
}
