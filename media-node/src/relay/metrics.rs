//! The relay's numbers at `/metrics`.

use telemetry::{
    Metrics,
    prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use crate::{guard::Refusal, room::RoomStatistics};

/// One label, `reason`.
type Reason = [(&'static str, &'static str); 1];

#[derive(Clone, Debug, Default)]
pub(crate) struct RelayMetrics {
    datagrams_received: Counter,
    datagrams_refused: Family<Reason, Counter>,
    datagrams_unsent: Counter,
    strangers_answered: Counter,
    sctp_packets_refused: Counter,
    packets_received: Counter,
    packets_forwarded: Counter,
    packets_dropped: Family<Reason, Counter>,
    keyframe_requests: Counter,
    learning_messages_dropped: Counter,
    peers: Gauge,
    viewers: Gauge,
}

impl RelayMetrics {
    /// # Panics
    /// When another thread panicked with the registry locked.
    #[must_use]
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let new = Self::default();
        let mut registry = metrics.lock().expect("no thread panics with the registry locked");
        let mut counter = |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        counter("datagrams_received", "Datagrams on the media socket", &new.datagrams_received);
        counter("datagrams_unsent", "Datagrams the kernel did not take", &new.datagrams_unsent);
        counter("strangers_answered", "Binding requests without a name that were answered", &new.strangers_answered);
        counter("sctp_packets_refused", "Packets inside DTLS that would harm the stack", &new.sctp_packets_refused);
        counter("packets_received", "Media packets of publishers", &new.packets_received);
        counter("packets_forwarded", "Media packets to viewers", &new.packets_forwarded);
        counter("keyframe_requests", "Key frames asked for", &new.keyframe_requests);
        counter(
            "learning_messages_dropped",
            "Messages the learning half was too busy for",
            &new.learning_messages_dropped,
        );
        registry.register("datagrams_refused", "Datagrams dropped by the guard", new.datagrams_refused.clone());
        registry.register("packets_dropped", "Media packets not forwarded", new.packets_dropped.clone());
        registry.register("peers", "Publishers and viewers", new.peers.clone());
        registry.register("viewers", "Viewers without the enhancer", new.viewers.clone());
        drop(registry);
        new
    }

    pub(super) fn count_received(&self) {
        self.datagrams_received.inc();
    }

    pub(super) fn count_refused(&self, refusal: Refusal) {
        self.datagrams_refused.get_or_create(&[("reason", refusal.as_str())]).inc();
    }

    pub(super) fn count_stranger_answered(&self) {
        self.strangers_answered.inc();
    }

    pub(super) fn count_unsent(&self, datagrams: u64) {
        self.datagrams_unsent.inc_by(datagrams);
    }

    pub(super) fn count_packet_dropped(&self, reason: &'static str) {
        self.packets_dropped.get_or_create(&[("reason", reason)]).inc();
    }

    pub(super) fn count_learning_message_dropped(&self) {
        self.learning_messages_dropped.inc();
    }

    /// Counts what the guard refuses inside DTLS, on whichever thread.
    pub(super) fn refused_sctp(&self) -> Counter {
        self.sctp_packets_refused.clone()
    }

    /// The difference between two looks at the room.
    pub(super) fn follow(&self, before: &RoomStatistics, now: &RoomStatistics, peers: usize) {
        self.packets_received.inc_by(now.packets_received.saturating_sub(before.packets_received));
        self.packets_forwarded.inc_by(now.packets_forwarded.saturating_sub(before.packets_forwarded));
        self.keyframe_requests.inc_by(now.keyframe_requests.saturating_sub(before.keyframe_requests));
        for (reason, now, before) in [
            ("duplicate", now.packets_dropped_duplicate, before.packets_dropped_duplicate),
            ("foreign_timestamp", now.packets_dropped_foreign_timestamp, before.packets_dropped_foreign_timestamp),
        ] {
            self.packets_dropped.get_or_create(&[("reason", reason)]).inc_by(now.saturating_sub(before));
        }
        self.peers.set(i64::try_from(peers).unwrap_or(i64::MAX));
        self.viewers.set(i64::from(now.viewers));
    }
}
