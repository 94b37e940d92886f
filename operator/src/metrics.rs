//! What the operator counts.

use telemetry::prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::reports::Counts;

/// One label and its value.
pub type Label = [(&'static str, String); 1];

#[derive(Clone, Debug)]
pub struct Metrics {
    pub reconciles: Counter,
    pub requests_by_method: Family<Label, Counter>,
    pub errors_by_reason: Family<Label, Counter>,
    pub reconcile_seconds: Histogram,
    /// From the first sight of a stream until all its pods were created.
    pub pods_created_seconds: Histogram,
    pub queue_depth: Gauge,
    pub streams: Gauge,
    pub ready_streams: Gauge,
    /// Streams that something stands in the way of which does not pass by itself.
    pub stalled_streams: Gauge,
    /// Streams whose spec the operator does not understand.
    pub unreadable_streams: Gauge,
    pub watch_restarts_by_kind: Family<Label, Counter>,
    /// 1 while the API server does not answer and everything rests.
    pub api_server_away: Gauge,
    pub reports: Counts,
    /// 1 while NATS is not reachable and the last decisions stay.
    pub nats_away: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reconciles: Counter::default(),
            requests_by_method: Family::default(),
            errors_by_reason: Family::default(),
            reconcile_seconds: Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
            pods_created_seconds: Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 120.0]),
            queue_depth: Gauge::default(),
            streams: Gauge::default(),
            ready_streams: Gauge::default(),
            stalled_streams: Gauge::default(),
            unreadable_streams: Gauge::default(),
            watch_restarts_by_kind: Family::default(),
            api_server_away: Gauge::default(),
            reports: Counts::default(),
            nats_away: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Requests so far that may change something.
    #[must_use]
    pub fn writes(&self) -> u64 {
        ["POST", "PUT", "PATCH", "DELETE"]
            .map(|method| self.requests_by_method.get_or_create(&[("method", method.to_owned())]).get())
            .iter()
            .sum()
    }

    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("reconciles", "Reconciliations", metrics.reconciles.clone());
        registry.register("requests", "Requests to the API server, by method", metrics.requests_by_method.clone());
        registry.register("errors", "Reconciliations that failed, by reason", metrics.errors_by_reason.clone());
        registry.register("reconcile_seconds", "Duration of a reconciliation", metrics.reconcile_seconds.clone());
        registry.register(
            "pods_created_seconds",
            "From a stream's creation until all its pods were created",
            metrics.pods_created_seconds.clone(),
        );
        registry.register("queue_depth", "Streams that are due", metrics.queue_depth.clone());
        registry.register("streams", "Streams there are", metrics.streams.clone());
        registry.register("ready_streams", "Streams that are Ready", metrics.ready_streams.clone());
        registry.register("stalled_streams", "Streams that are Stalled", metrics.stalled_streams.clone());
        let unreadable = "Streams whose spec the operator does not understand";
        registry.register("unreadable_streams", unreadable, metrics.unreadable_streams.clone());
        registry.register("watch_restarts", "Watches begun anew, by kind", metrics.watch_restarts_by_kind.clone());
        let away = "1 while the API server does not answer";
        registry.register("api_server_away", away, metrics.api_server_away.clone());
        let reports = &metrics.reports;
        registry.register(
            "reports",
            "Pods' reports, and removals of reports, that were understood",
            reports.heard.clone(),
        );
        registry.register("reports_malformed", "Pods' reports that were not understood", reports.malformed.clone());
        registry.register("reports_unknown", "Reports of streams that do not exist", reports.unknown.clone());
        registry.register("nats_away", "1 while NATS is not reachable", metrics.nats_away.clone());
        metrics
    }
}
