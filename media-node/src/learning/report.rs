//! What the media-node says of its stream to the cluster.

use std::time::Duration;

use bus::{Bus, ReportRole};
use proto::{
    StreamName,
    status::StreamStatus,
    v1::{MediaNodeReport, report},
};
use telemetry::Shutdown;
use tokio::sync::watch;

use super::{control::thousandths, desk::unix_us};

const INTERVAL: Duration = Duration::from_secs(1);
/// Also without a change, so that it does not expire.
const LATEST: Duration = Duration::from_mins(5);
/// A change smaller than this is none, in thousandths of a decibel.
const GAIN_STEP: i32 = 50;
const SLOPE_STEP: i32 = 10;
const BACKLOG_STEP: u64 = 10;

/// Writes reports until the shutdown, and takes the last one back.
pub(crate) async fn report(
    bus: Bus,
    stream: StreamName,
    pod: String,
    status: watch::Receiver<StreamStatus>,
    shutdown: Shutdown,
) {
    shutdown.token().run_until_cancelled(write_reports(&bus, &stream, &pod, status)).await;
    if let Err(error) = bus.remove_report(&stream, &pod, ReportRole::MediaNode).await {
        tracing::debug!(%error, "the last report stays until it expires");
    }
}

async fn write_reports(bus: &Bus, stream: &StreamName, pod: &str, status: watch::Receiver<StreamStatus>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut diary = Diary::new(unix_us());
    loop {
        ticks.tick().await;
        let now = Duration::from_micros(unix_us());
        let Some(media_node) = diary.next_report(now, &status.borrow()) else { continue };
        match bus.put_report(stream, pod, report::Role::MediaNode(media_node)).await {
            Ok(()) => diary.handle_written(now, media_node),
            Err(error) => tracing::debug!(%error, "writing a report"),
        }
    }
}

/// When the next report is due, and what it says.
#[derive(Debug)]
struct Diary {
    written: Option<(Duration, MediaNodeReport)>,
    /// No publisher since.
    idle_since_unix_us: u64,
    /// Patches accepted at the last look, and when that was.
    accepted: Option<(Duration, u64)>,
}

impl Diary {
    fn new(started_unix_us: u64) -> Self {
        Self { written: None, idle_since_unix_us: started_unix_us, accepted: None }
    }

    /// `now` since 1970.
    fn next_report(&mut self, now: Duration, status: &StreamStatus) -> Option<MediaNodeReport> {
        let report = self.desired_report(now, status);
        let due =
            self.written.as_ref().is_none_or(|(at, written)| *written != report || now.saturating_sub(*at) >= LATEST);
        due.then_some(report)
    }

    fn handle_written(&mut self, now: Duration, report: MediaNodeReport) {
        self.written = Some((now, report));
    }

    fn desired_report(&mut self, now: Duration, status: &StreamStatus) -> MediaNodeReport {
        let learning = &status.learning;
        if status.publishing {
            self.idle_since_unix_us = 0;
        } else if self.idle_since_unix_us == 0 {
            self.idle_since_unix_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        }
        let (then, accepted) =
            self.accepted.replace((now, learning.patches_accepted)).unwrap_or((now, learning.patches_accepted));
        let seconds = now.saturating_sub(then).as_secs_f64().max(1.0);
        let patches = learning.patches_accepted.saturating_sub(accepted) as f64 / seconds;
        let in_steps = |value: Option<f64>, step: i32| {
            let value = value.map_or(0, thousandths);
            (f64::from(value) / f64::from(step)).round() as i32 * step
        };
        MediaNodeReport {
            publishing: status.publishing,
            idle_since_unix_us: self.idle_since_unix_us,
            enhanced_live: status.enhanced_live,
            viewers: status.viewers,
            live_version: learning.live_version,
            withdrawn: learning.withdrawn,
            gain_millidecibels: in_steps(learning.gain_db, GAIN_STEP),
            gain_slope_millidecibels_per_second: in_steps(learning.gain_slope_db_per_second, SLOPE_STEP),
            scene_changes: learning.scene_changes,
            train_patches_per_second: patches.round() as u32,
            backlog: learning.patches_waiting / BACKLOG_STEP * BACKLOG_STEP,
            gain_known: learning.gain_db.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000_000);

    fn status(accepted: u64, gain_db: f64) -> StreamStatus {
        let learning = proto::status::LearningStatus {
            live_version: 3,
            gain_db: Some(gain_db),
            patches_accepted: accepted,
            patches_waiting: 17,
            ..Default::default()
        };
        StreamStatus { publishing: true, viewers: 2, learning, ..Default::default() }
    }

    #[test]
    fn a_report_is_written_on_a_change_that_matters_else_every_five_minutes() {
        let mut diary = Diary::new(7);
        let first = diary.next_report(START, &status(0, 1.234)).unwrap();
        let expected = MediaNodeReport {
            publishing: true,
            viewers: 2,
            live_version: 3,
            gain_millidecibels: 1250,
            backlog: 10,
            gain_known: true,
            ..Default::default()
        };
        assert_eq!(first, expected);
        let second = Duration::from_secs(1);
        assert_eq!(diary.next_report(START + second, &status(0, 1.234)), Some(expected), "until it is written");
        diary.handle_written(START, first);
        assert_eq!(diary.next_report(START + 2 * second, &status(0, 1.26)), None, "1.25 dB is still 1.25 dB");
        assert_eq!(diary.next_report(START + 3 * second, &status(20, 1.26)).unwrap().train_patches_per_second, 20);
        assert_eq!(diary.next_report(START + 4 * second, &status(20, 1.3)).unwrap().gain_millidecibels, 1300);
        assert!(diary.next_report(START + LATEST, &status(20, 1.234)).is_some());
    }

    #[test]
    fn a_gain_that_nobody_measured_is_not_one_of_nothing() {
        let mut diary = Diary::new(7);
        assert!(!diary.next_report(START, &StreamStatus::default()).unwrap().gain_known);
        let report = diary.next_report(START, &status(0, 0.0)).unwrap();
        assert_eq!((report.gain_known, report.gain_millidecibels), (true, 0));
    }

    #[test]
    fn it_says_since_when_nobody_publishes() {
        let mut diary = Diary::new(7);
        let idle = StreamStatus::default();
        assert_eq!(diary.next_report(START, &idle).unwrap().idle_since_unix_us, 7);
        assert_eq!(diary.next_report(START, &status(0, 0.0)).unwrap().idle_since_unix_us, 0);
        let stopped = START + Duration::from_secs(9);
        assert_eq!(diary.next_report(stopped, &idle).unwrap().idle_since_unix_us, stopped.as_micros() as u64);
    }
}
