//! What the demo has seen so far, and whether it may call itself a success. Pure: times come in as arguments.

use std::{collections::VecDeque, time::Duration};

use proto::{
    status::{StreamEventKind, StreamStatus},
    v1::{EnhancerReport, TrainerReport},
};

use super::stats::{self, PublishStats, WatchStats};
use crate::{
    observe::Observation,
    up::{log_line, supervisor::ChildEvent},
};

const LOG_LINES: usize = 200;
/// Points of the gain chart: 10 minutes.
const GAIN_POINTS: usize = 600;
/// Two statuses further apart than this say nothing of the time between them.
const LONGEST_STATUS_GAP: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) page: String,
    pub(crate) status: StreamStatus,
    pub(crate) trainer: TrainerReport,
    pub(crate) enhancer: EnhancerReport,
    pub(crate) published: PublishStats,
    pub(crate) watched: WatchStats,
    /// (seconds since the start, dB)
    pub(crate) gain_over_time: VecDeque<(f64, f64)>,
    /// Seconds since the start at which a checkpoint was accepted, and its version.
    pub(crate) accepted: Vec<(f64, u64)>,
    /// From the start to the first frame shown on `enhanced`.
    pub(crate) first_frame_after: Option<Duration>,
    pub(crate) log: VecDeque<String>,
    status_at: Option<Duration>,
    in_use: Duration,
}

impl Progress {
    pub(crate) fn new(page: String) -> Self {
        Self {
            page,
            status: StreamStatus::default(),
            trainer: TrainerReport::default(),
            enhancer: EnhancerReport::default(),
            published: PublishStats::default(),
            watched: WatchStats::default(),
            gain_over_time: VecDeque::new(),
            accepted: Vec::new(),
            first_frame_after: None,
            log: VecDeque::new(),
            status_at: None,
            in_use: Duration::ZERO,
        }
    }

    /// Takes in what was seen `at` a time since the start.
    pub(crate) fn observe(&mut self, at: Duration, observation: Observation) {
        match observation {
            Observation::Child(event) => self.observe_child(at, &event),
            Observation::Status(status) => self.observe_status(at, *status),
            Observation::Event(event) => {
                if let StreamEventKind::CheckpointAccepted { version, .. } = event.kind {
                    self.accepted.push((at.as_secs_f64(), version));
                }
            }
            Observation::Trainer(report) => self.trainer = report,
            Observation::Enhancer(report) => self.enhancer = report,
        }
    }

    fn observe_child(&mut self, at: Duration, event: &ChildEvent) {
        if let Some(published) = stats::parse_publish(event) {
            self.published = published;
        } else if let Some(watched) = stats::parse_watch(event) {
            self.watched = watched;
            if self.watched.frames_shown > 0 {
                self.first_frame_after.get_or_insert(at);
            }
        } else {
            push(&mut self.log, log_line(event), LOG_LINES);
        }
    }

    fn observe_status(&mut self, at: Duration, status: StreamStatus) {
        let since = at.saturating_sub(self.status_at.unwrap_or(at));
        if is_in_use(&status) && is_in_use(&self.status) && since <= LONGEST_STATUS_GAP {
            self.in_use += since;
        }
        if let Some(gain) = status.learning.gain_db {
            push(&mut self.gain_over_time, (at.as_secs_f64(), gain), GAIN_POINTS);
        }
        self.status = status;
        self.status_at = Some(at);
    }

    pub(crate) fn verdict(&self) -> Verdict {
        Verdict {
            in_use: self.in_use,
            frames_shown: self.watched.frames_shown,
            frames_expected: self.watched.frames_expected,
        }
    }
}

/// An accepted checkpoint enhances what viewers get, to their good.
fn is_in_use(status: &StreamStatus) -> bool {
    let learning = &status.learning;
    status.enhanced_live
        && learning.live_version > 0
        && !learning.withdrawn
        && learning.gain_db.is_some_and(|gain| gain > 0.0)
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// What the demo is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// How long an accepted checkpoint was in use with a gain above 0.
    pub(crate) in_use: Duration,
    /// Frames the viewer of `enhanced` decoded.
    pub(crate) frames_shown: u64,
    /// Frames that were published from the first of these to the last.
    pub(crate) frames_expected: u64,
}

impl Verdict {
    const LEAST_IN_USE: Duration = Duration::from_secs(10);
    const LEAST_PERCENT_SHOWN: f64 = 95.0;

    /// 0 before the first frame.
    pub(crate) fn percent_shown(&self) -> f64 {
        if self.frames_expected == 0 { 0.0 } else { 100.0 * self.frames_shown as f64 / self.frames_expected as f64 }
    }

    pub(crate) fn passed(&self) -> bool {
        self.in_use >= Self::LEAST_IN_USE && self.percent_shown() >= Self::LEAST_PERCENT_SHOWN
    }
}

#[cfg(test)]
mod tests {
    use proto::status::LearningStatus;

    use super::*;
    use crate::up::supervisor::Happened;

    fn status(version: u64, gain: f64, withdrawn: bool) -> Observation {
        let learning = LearningStatus { live_version: version, gain_db: Some(gain), withdrawn, ..Default::default() };
        Observation::Status(Box::new(StreamStatus { enhanced_live: true, learning, ..Default::default() }))
    }

    fn in_use_after(statuses: &[(u64, Observation)]) -> Duration {
        let mut progress = Progress::new(String::new());
        for (seconds, observation) in statuses {
            progress.observe(Duration::from_secs(*seconds), observation.clone());
        }
        progress.verdict().in_use
    }

    #[test]
    fn time_counts_while_a_checkpoint_is_in_use_with_gain() {
        assert_eq!(
            in_use_after(&[(1, status(1, 0.4, false)), (2, status(1, 0.5, false)), (3, status(2, 0.5, false))]),
            Duration::from_secs(2)
        );
    }

    #[test]
    fn time_without_checkpoint_without_gain_withdrawn_or_unseen_does_not_count() {
        let seen = |between| in_use_after(&[(1, status(1, 0.4, false)), (2, between), (3, status(1, 0.4, false))]);
        assert_eq!(seen(status(0, 0.4, false)), Duration::ZERO);
        assert_eq!(seen(status(1, -0.1, false)), Duration::ZERO);
        assert_eq!(seen(status(1, 0.4, true)), Duration::ZERO);
        assert_eq!(in_use_after(&[(1, status(1, 0.4, false)), (9, status(1, 0.4, false))]), Duration::ZERO);
    }

    #[test]
    fn success_needs_both_time_in_use_and_frames_shown() {
        let verdict = |seconds, shown| Verdict {
            in_use: Duration::from_secs(seconds),
            frames_shown: shown,
            frames_expected: 1000,
        };
        assert!(verdict(10, 950).passed());
        assert!(!verdict(9, 1000).passed());
        assert!(!verdict(30, 949).passed());
        assert!(!Verdict { frames_expected: 0, ..verdict(30, 0) }.passed());
    }

    #[test]
    fn the_log_keeps_the_newest_lines() {
        let mut progress = Progress::new(String::new());
        for line in 0..LOG_LINES + 5 {
            let event = ChildEvent { child: "trainer", what: Happened::Logged(format!("line {line}")) };
            progress.observe(Duration::ZERO, Observation::Child(event));
        }
        assert_eq!(progress.log.len(), LOG_LINES);
        assert!(progress.log[0].ends_with("line 5"), "{}", progress.log[0]);
    }
}
