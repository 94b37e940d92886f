//! The newest report of each pod, and what of a change matters to whom. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bus::{Heard, ReportRole};
use jiff::Timestamp;
use proto::{
    StreamName,
    v1::{EnhancerReport, MediaNodeReport, TrainerReport, report::Role},
};
use telemetry::prometheus_client::metrics::counter::Counter;

use super::time_of;

/// More pods than a stream can have, also while it replaces all of them.
const MAX_PODS: usize = 64;
/// Smaller changes of the gain are not shown to anyone, in thousandths of a decibel.
const GAIN_STEP: i32 = 100;

/// One pod's newest report.
#[derive(Clone, Debug, PartialEq)]
pub struct Said<T> {
    pub at: Timestamp,
    pub report: T,
}

/// The newest reports of a stream's pods, by the pods' names.
///
/// A pod's name is used again by its successor, so each question comes with the time the pod was created: what was said
/// before that, another one said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamReports {
    media_nodes: BTreeMap<String, Said<MediaNodeReport>>,
    trainers: BTreeMap<String, Said<TrainerReport>>,
    enhancers: BTreeMap<String, Said<EnhancerReport>>,
}

/// Reports so far; clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// All but the malformed.
    pub heard: Counter,
    pub malformed: Counter,
    /// Of streams that do not exist.
    pub unknown: Counter,
}

impl StreamReports {
    #[must_use]
    pub fn media_node(&self, pod: &str, created_at: Timestamp) -> Option<&MediaNodeReport> {
        newest(&self.media_nodes, pod, created_at)
    }

    #[must_use]
    pub fn trainer(&self, pod: &str, created_at: Timestamp) -> Option<&TrainerReport> {
        newest(&self.trainers, pod, created_at)
    }

    #[must_use]
    pub fn enhancer(&self, pod: &str, created_at: Timestamp) -> Option<&EnhancerReport> {
        newest(&self.enhancers, pod, created_at)
    }
}

fn newest<'a, T>(said: &'a BTreeMap<String, Said<T>>, pod: &str, created_at: Timestamp) -> Option<&'a T> {
    said.get(pod).filter(|said| said.at >= created_at).map(|said| &said.report)
}

/// How soon somebody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Matters {
    Not,
    Later,
    Now,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    streams: HashMap<StreamName, StreamReports>,
    lazy: BTreeSet<StreamName>,
    counts: Counts,
}

impl Book {
    pub(super) fn new(counts: Counts) -> Self {
        Self { counts, ..Self::default() }
    }

    pub(super) fn keep(&mut self, stream: &StreamName) {
        self.streams.entry(stream.clone()).or_default();
    }

    pub(super) fn forget(&mut self, stream: &StreamName) {
        self.streams.remove(stream);
        self.lazy.remove(stream);
    }

    pub(super) fn of(&self, stream: &StreamName) -> StreamReports {
        self.streams.get(stream).cloned().unwrap_or_default()
    }

    pub(super) fn streams(&self) -> Vec<StreamName> {
        self.streams.keys().cloned().collect()
    }

    /// Streams with changes that could wait.
    pub(super) fn take_lazy(&mut self) -> BTreeSet<StreamName> {
        std::mem::take(&mut self.lazy)
    }

    /// The stream, when something of it changed that cannot wait.
    pub(super) fn handle(&mut self, heard: Heard) -> Option<StreamName> {
        let (key, report) = match heard {
            Heard::Report(key, report) => (key, Some(*report)),
            Heard::Gone(key) => (key, None),
            Heard::Malformed => {
                self.counts.malformed.inc();
                return None;
            }
            Heard::Complete => return None,
        };
        self.counts.heard.inc();
        let Some(stream) = self.streams.get_mut(&key.stream) else {
            self.counts.unknown.inc();
            return None;
        };
        let matters = match report.map(|report| (time_of(report.at_unix_us), report.role)) {
            Some((at, Some(Role::MediaNode(report)))) => {
                put(&mut stream.media_nodes, key.pod, at, report, of_media_node)
            }
            Some((at, Some(Role::Trainer(report)))) => put(&mut stream.trainers, key.pod, at, report, of_trainer),
            Some((at, Some(Role::Enhancer(report)))) => put(&mut stream.enhancers, key.pod, at, report, of_enhancer),
            // A pod that is gone is seen to be gone; its last words do not matter any more.
            Some((_, None)) | None => {
                match key.role {
                    ReportRole::MediaNode => drop(stream.media_nodes.remove(&key.pod)),
                    ReportRole::Trainer => drop(stream.trainers.remove(&key.pod)),
                    ReportRole::Enhancer => drop(stream.enhancers.remove(&key.pod)),
                }
                Matters::Not
            }
        };
        match matters {
            Matters::Not => None,
            Matters::Later => {
                self.lazy.insert(key.stream);
                None
            }
            Matters::Now => {
                self.lazy.remove(&key.stream);
                Some(key.stream)
            }
        }
    }
}

/// Keeps the newest; `change` compares it with the one before.
fn put<T>(
    said: &mut BTreeMap<String, Said<T>>,
    pod: String,
    at: Timestamp,
    report: T,
    change: fn(&T, &T) -> Matters,
) -> Matters {
    if said.get(&pod).is_some_and(|known| known.at > at) {
        return Matters::Not;
    }
    if said.len() >= MAX_PODS && !said.contains_key(&pod) {
        let oldest = said.iter().min_by_key(|(_, said)| said.at).map(|(pod, _)| pod.clone());
        oldest.and_then(|oldest| said.remove(&oldest));
    }
    let matters = said.get(&pod).map_or(Matters::Now, |known| change(&known.report, &report));
    said.insert(pod, Said { at, report });
    matters
}

fn matters(now: bool, later: bool) -> Matters {
    match (now, later) {
        (true, _) => Matters::Now,
        (false, true) => Matters::Later,
        (false, false) => Matters::Not,
    }
}

fn of_media_node(before: &MediaNodeReport, after: &MediaNodeReport) -> Matters {
    let at_once = |report: &MediaNodeReport| {
        (
            (report.publishing, report.idle_since_unix_us, report.enhanced_live),
            (report.withdrawn, report.scene_changes, report.live_version == 0),
            (report.train_patches_per_second == 0, report.backlog == 0),
        )
    };
    let later = |report: &MediaNodeReport| {
        (
            (report.viewers, report.live_version, report.gain_slope_millidecibels_per_second),
            report.gain_millidecibels.div_euclid(GAIN_STEP),
            (report.train_patches_per_second, report.backlog),
        )
    };
    matters(at_once(before) != at_once(after), later(before) != later(after))
}

fn of_trainer(before: &TrainerReport, after: &TrainerReport) -> Matters {
    let at_once = |report: &TrainerReport| (report.state, report.in_flight == 0, report.steps_per_second == 0);
    matters(at_once(before) != at_once(after), before.steps_per_second != after.steps_per_second)
}

fn of_enhancer(before: &EnhancerReport, after: &EnhancerReport) -> Matters {
    let at_once = |report: &EnhancerReport| (report.version == 0, report.refused.clone(), report.device.clone());
    matters(at_once(before) != at_once(after), false)
}

#[cfg(test)]
mod tests {
    use bus::ReportKey;
    use proto::v1::{Report, trainer_report::State};

    use super::*;

    fn stream(index: usize) -> StreamName {
        StreamName::new("default", &format!("s{index}")).unwrap()
    }

    fn says(index: usize, pod: &str, second: u64, role: Role) -> Heard {
        let of = match role {
            Role::MediaNode(_) => ReportRole::MediaNode,
            Role::Trainer(_) => ReportRole::Trainer,
            Role::Enhancer(_) => ReportRole::Enhancer,
        };
        let key = ReportKey { stream: stream(index), role: of, pod: pod.to_owned() };
        let at_unix_us = second * 1_000_000;
        Heard::Report(key, Box::new(Report { at_unix_us, role: Some(role), ..Report::default() }))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn book() -> Book {
        let mut book = Book::default();
        book.keep(&stream(0));
        book
    }

    #[test]
    fn what_scaling_or_a_condition_waits_for_is_told_at_once_and_numbers_later() {
        let before = MediaNodeReport { publishing: true, backlog: 20, gain_millidecibels: 1010, ..Default::default() };
        for (after, now, later) in [
            (MediaNodeReport { publishing: false, ..before }, true, false),
            (MediaNodeReport { scene_changes: 1, ..before }, true, false),
            (MediaNodeReport { withdrawn: true, ..before }, true, false),
            (MediaNodeReport { backlog: 0, ..before }, true, false),
            (MediaNodeReport { backlog: 30, ..before }, false, true),
            (MediaNodeReport { viewers: 3, ..before }, false, true),
            (MediaNodeReport { gain_millidecibels: 1110, ..before }, false, true),
            (MediaNodeReport { gain_millidecibels: 1060, ..before }, false, false),
            (before, false, false),
        ] {
            let mut book = book();
            assert_eq!(book.handle(says(0, "m", 1, Role::MediaNode(before))), Some(stream(0)), "the first word");
            let told = book.handle(says(0, "m", 2, Role::MediaNode(after)));
            assert_eq!((told.is_some(), book.take_lazy().len() == 1), (now, later), "{after:?}");
        }
        let training = TrainerReport { state: State::Training.into(), steps_per_second: 60, ..Default::default() };
        for (after, now, later) in [
            (TrainerReport { state: State::Suspended.into(), ..training.clone() }, true, false),
            (TrainerReport { in_flight: 1, ..training.clone() }, true, false),
            (TrainerReport { steps_per_second: 50, step: 7, ..training.clone() }, false, true),
            (TrainerReport { step: 7, ..training.clone() }, false, false),
        ] {
            let mut book = book();
            book.handle(says(0, "t", 1, Role::Trainer(training.clone())));
            let told = book.handle(says(0, "t", 2, Role::Trainer(after)));
            assert_eq!((told.is_some(), book.take_lazy().len() == 1), (now, later));
        }
    }

    #[test]
    fn a_successor_is_not_held_to_what_its_predecessor_said() {
        let mut book = book();
        book.handle(says(0, "s0-trainer-0", 100, Role::Trainer(TrainerReport::default())));
        let reports = book.of(&stream(0));
        assert!(reports.trainer("s0-trainer-0", at(90)).is_some());
        assert!(reports.trainer("s0-trainer-0", at(101)).is_none());
        assert!(reports.trainer("s0-trainer-1", at(0)).is_none());
    }

    #[test]
    fn an_older_report_does_not_take_the_place_of_a_newer_one() {
        let mut book = book();
        let with = |viewers| Role::MediaNode(MediaNodeReport { viewers, ..Default::default() });
        book.handle(says(0, "m", 10, with(2)));
        book.handle(says(0, "m", 9, with(1)));
        assert_eq!(book.of(&stream(0)).media_node("m", at(0)).unwrap().viewers, 2);
    }

    #[test]
    fn nothing_is_held_of_streams_that_do_not_exist_nor_of_too_many_pods() {
        let mut book = book();
        for index in 0..10_000 {
            book.handle(says(index, "m", 1, Role::MediaNode(MediaNodeReport::default())));
            book.handle(says(0, &format!("t{index}"), 1 + index as u64, Role::Trainer(TrainerReport::default())));
        }
        book.handle(Heard::Malformed);
        assert_eq!(book.streams.len(), 1);
        let Counts { heard, malformed, unknown } = &book.counts;
        assert_eq!([heard, malformed, unknown].map(Counter::get), [20_000, 1, 9_999]);
        let reports = book.of(&stream(0));
        assert_eq!(reports.trainers.len(), MAX_PODS);
        assert!(reports.trainer("t9999", at(0)).is_some(), "the newest are held");
        book.forget(&stream(0));
        assert!(book.streams.is_empty());
    }

    #[test]
    fn what_expired_is_forgotten_without_a_word() {
        let mut book = book();
        book.handle(says(0, "m", 1, Role::MediaNode(MediaNodeReport::default())));
        let key = ReportKey { stream: stream(0), role: ReportRole::MediaNode, pod: "m".to_owned() };
        assert_eq!(book.handle(Heard::Gone(key)), None);
        assert_eq!(book.of(&stream(0)), StreamReports::default());
    }
}
