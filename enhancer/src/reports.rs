//! What the enhancer says of itself on the bus: on change of a rounded value, at most once a second.

use std::{collections::VecDeque, time::Duration};

use bus::Bus;
use proto::{
    StreamName,
    v1::{EnhancerReport, report},
};
use telemetry::Shutdown;
use tokio::sync::watch;

use crate::{
    enhance::EnhancerState,
    metrics::{EnhancerMetrics, Outcome},
};

pub(crate) struct Reports {
    pub(crate) bus: Bus,
    pub(crate) stream: StreamName,
    pub(crate) device: String,
    pub(crate) state: watch::Receiver<EnhancerState>,
    pub(crate) metrics: EnhancerMetrics,
}

const INTERVAL: Duration = Duration::from_secs(1);
/// Unchanged reports are written again after so many intervals, before the bucket forgets them.
const UNCHANGED_INTERVALS: u32 = 300;

impl Reports {
    /// Until the end is asked for.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let pod = std::env::var("HOSTNAME").unwrap_or_else(|_| "enhancer".to_owned());
        let (mut enhanced, mut bicubic) = (PerMinute::default(), PerMinute::default());
        let (mut written, mut unchanged) = (None, 0);
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.requested() => return,
            }
            let state = self.state.borrow().clone();
            let role = EnhancerReport {
                version: state.version,
                enhanced_per_minute: enhanced.next(self.metrics.counted(Outcome::Enhanced)),
                bicubic_per_minute: bicubic.next(self.metrics.counted(Outcome::Bicubic)),
                p95_us: rounded_us(state.p95),
                device: self.device.clone(),
                refused: state.refused,
            };
            unchanged += 1;
            if written.as_ref() == Some(&role) && unchanged < UNCHANGED_INTERVALS {
                continue;
            }
            match self.bus.put_report(&self.stream, &pod, report::Role::Enhancer(role.clone())).await {
                Ok(()) => (written, unchanged) = (Some(role), 0),
                Err(error) => tracing::debug!(%error, "a report is not written"),
            }
        }
    }
}

/// How much a count grew in the last minute, rounded to tens; asked once an interval.
#[derive(Debug, Default)]
struct PerMinute {
    counts: VecDeque<u64>,
}

impl PerMinute {
    fn next(&mut self, count: u64) -> u32 {
        self.counts.push_back(count);
        if self.counts.len() > 61 {
            self.counts.pop_front();
        }
        let grown = count - self.counts.front().copied().unwrap_or(count);
        u32::try_from((grown + 5) / 10 * 10).unwrap_or(u32::MAX)
    }
}

fn rounded_us(time: Duration) -> u32 {
    u32::try_from((time.as_micros() + 500) / 1000 * 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_told_by_what_it_grew_in_a_minute() {
        let mut per_minute = PerMinute::default();
        let told: Vec<u32> = (0..100).map(|second| per_minute.next(second * 30)).collect();
        assert_eq!((told[0], told[1], told[10], told[60], told[99]), (0, 30, 300, 1800, 1800));
        let told: Vec<u32> = (0..60).map(|_| per_minute.next(2970)).collect();
        assert_eq!(told[59], 0);
    }
}
