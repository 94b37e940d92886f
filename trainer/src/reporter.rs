//! Tells the cluster how the training goes: at most once a second, and only what changed.

use std::time::Duration;

use bus::Bus;
use proto::{
    StreamName,
    v1::{TrainerReport, report::Role, trainer_report::State},
};
use telemetry::{Shutdown, prometheus_client::metrics::gauge::Gauge};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

/// The learning thread's own view of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) step: u64,
    pub(crate) training: bool,
    pub(crate) suspended: bool,
    pub(crate) draining: bool,
    pub(crate) last_accepted_version: u64,
}

const INTERVAL: Duration = Duration::from_secs(1);
/// Without a change: so that the report does not expire.
const REPEAT: Duration = Duration::from_secs(300);

pub(crate) async fn report(
    bus: Bus,
    stream: StreamName,
    pod: String,
    device: String,
    progress: watch::Receiver<Progress>,
    in_flight: Gauge,
    shutdown: Shutdown,
) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut rate, mut sent) = (StepRate::default(), None);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        let newest = progress.borrow().clone();
        let steps_per_second = rate.update(Instant::now(), newest.step);
        let report = trainer_report(&newest, steps_per_second, &device);
        let role = TrainerReport { in_flight: in_flight_of(&in_flight), ..report };
        let due =
            sent.as_ref().is_none_or(|(at, last): &(Instant, TrainerReport)| *last != role || at.elapsed() >= REPEAT);
        if !due {
            continue;
        }
        match bus.put_report(&stream, &pod, Role::Trainer(role.clone())).await {
            Ok(()) => sent = Some((Instant::now(), role)),
            Err(error) => tracing::debug!(%error, "the report is not stored"),
        }
    }
}

fn in_flight_of(gauge: &Gauge) -> u32 {
    u32::try_from(gauge.get()).unwrap_or(0)
}

fn trainer_report(progress: &Progress, steps_per_second: u32, device: &str) -> TrainerReport {
    let state = match progress {
        Progress { draining: true, .. } => State::Draining,
        Progress { suspended: true, .. } => State::Suspended,
        Progress { training: true, .. } => State::Training,
        _ => State::Waiting,
    };
    TrainerReport {
        state: state.into(),
        step: progress.step,
        steps_per_second,
        in_flight: 0,
        last_accepted_version: progress.last_accepted_version,
        device: device.to_owned(),
    }
}

/// Steps a second between two looks.
#[derive(Debug, Default)]
struct StepRate(Option<(Instant, u64)>);

impl StepRate {
    fn update(&mut self, now: Instant, step: u64) -> u32 {
        let last = self.0.replace((now, step));
        last.map_or(0, |(then, before)| {
            let seconds = now.duration_since(then).as_secs_f64().max(1e-3);
            (step.saturating_sub(before) as f64 / seconds).round() as u32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_says_what_keeps_the_trainer_busy() {
        let state = |progress| trainer_report(&progress, 0, "cpu").state();
        assert_eq!(state(Progress::default()), State::Waiting);
        assert_eq!(state(Progress { training: true, ..Progress::default() }), State::Training);
        assert_eq!(state(Progress { training: true, suspended: true, ..Progress::default() }), State::Suspended);
        assert_eq!(state(Progress { suspended: true, draining: true, ..Progress::default() }), State::Draining);
    }

    #[test]
    fn the_rate_is_that_since_the_last_look() {
        let (mut rate, start) = (StepRate::default(), Instant::now());
        assert_eq!(rate.update(start, 1000), 0);
        assert_eq!(rate.update(start + Duration::from_secs(2), 1090), 45);
        assert_eq!(rate.update(start + Duration::from_secs(3), 0), 0, "a restarted network");
    }
}
