//! What the enhancer did, for Prometheus and for its own reports.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
};

/// What became of a decoded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    /// Through the network.
    Enhanced,
    /// No weights, or no time.
    Bicubic,
    /// A newer one came first, or nobody could take it.
    Dropped,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: Outcome,
}

#[derive(Clone, Debug)]
pub(crate) struct EnhancerMetrics {
    frames: Family<OutcomeLabel, Counter>,
    damaged: Counter,
    delay_seconds: Histogram,
    network_seconds: Histogram,
    swap_seconds: Histogram,
    version: Gauge,
    refused: Counter,
}

impl EnhancerMetrics {
    #[must_use]
    pub(crate) fn register(metrics: &telemetry::Metrics) -> Self {
        let histogram = || Histogram::new(exponential_buckets(0.001, 1.5, 16));
        let new = Self {
            frames: Family::default(),
            damaged: Counter::default(),
            delay_seconds: histogram(),
            network_seconds: histogram(),
            swap_seconds: histogram(),
            version: Gauge::default(),
            refused: Counter::default(),
        };
        let mut registry = metrics.lock().expect("no thread panics with the registry locked");
        registry.register("frames", "Decoded frames by what became of them", new.frames.clone());
        registry.register("damaged_frames", "Coded frames that could not be decoded", new.damaged.clone());
        let delay = new.delay_seconds.clone();
        registry.register("frame_delay_seconds", "From a frame's last packet to its enhanced access unit", delay);
        registry.register("network_seconds", "One frame through the network", new.network_seconds.clone());
        registry.register("swap_seconds", "From a checkpoint's arrival to its use", new.swap_seconds.clone());
        registry.register("checkpoint_version", "Version in use, 0 for bicubic", new.version.clone());
        registry.register("refused_checkpoints", "Checkpoints that are not fit for use here", new.refused.clone());
        drop(registry);
        new
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.frames.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Frames of this outcome so far.
    #[must_use]
    pub(crate) fn counted(&self, outcome: Outcome) -> u64 {
        self.frames.get_or_create(&OutcomeLabel { outcome }).get()
    }

    pub(crate) fn count_damaged(&self) {
        self.damaged.inc();
    }

    pub(crate) fn count_refused(&self) {
        self.refused.inc();
    }

    pub(crate) fn record_delay(&self, delay: Duration) {
        self.delay_seconds.observe(delay.as_secs_f64());
    }

    pub(crate) fn record_network(&self, took: Duration) {
        self.network_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn record_swap(&self, took: Duration) {
        self.swap_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn set_version(&self, version: u64) {
        self.version.set(i64::try_from(version).unwrap_or(i64::MAX));
    }
}
