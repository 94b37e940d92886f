//! What the media-node says of its stream to the cluster.

use std::time::Duration;

use bus::Bus;
use proto::{
    StreamName,
    status::StreamStatus,
    v1::{MediaNodeReport, Report, report},
};
use tokio::sync::watch;

use super::{control::thousandths, desk::unix_us};

const INTERVAL: Duration = Duration::from_secs(1);
/// Also without a change, so that it does not expire.
const LATEST: Duration = Duration::from_mins(5);
/// A change smaller than this is none, in thousandths of a decibel.
const GAIN_STEP: i32 = 50;
const SLOPE_STEP: i32 = 10;
const BACKLOG_STEP: u64 = 10;

/// Writes reports until the bus is dropped.
pub(crate) async fn report(bus: Bus, stream: StreamName, pod: String, status: watch::Receiver<StreamStatus>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut diary = Diary::new(unix_us());
    loop {
        ticks.tick().await;
        let at_unix_us = unix_us();
        let now = Duration::from_micros(at_unix_us);
        let Some(media_node) = diary.next_report(now, &status.borrow()) else { continue };
        let role = Some(report::Role::MediaNode(media_node));
        let written =
            bus.put_report(&Report { stream: Some(stream.to_id()), pod: pod.clone(), at_unix_us, role }).await;
        match written {
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
        let in_steps = |value: i32, step: i32| (f64::from(value) / f64::from(step)).round() as i32 * step;
        MediaNodeReport {
            publishing: status.publishing,
            idle_since_unix_us: self.idle_since_unix_us,
            enhanced_live: status.enhanced_live,
            viewers: status.viewers,
            live_version: learning.live_version,
            withdrawn: learning.withdrawn,
            gain_millidecibels: in_steps(thousandths(learning.gain_db), GAIN_STEP),
            gain_slope_millidecibels_per_second: in_steps(thousandths(learning.gain_slope_db_per_second), SLOPE_STEP),
            scene_changes: learning.scene_changes,
            train_patches_per_second: patches.round() as u32,
            backlog: learning.patches_waiting / BACKLOG_STEP * BACKLOG_STEP,
        }
    }
}
