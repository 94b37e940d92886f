//! What is seen of a run while it runs. Pure: times come in as arguments.

use std::collections::{BTreeMap, VecDeque};

use proto::status::{StreamEvent, StreamEventKind, StreamStatus};
use serde::de::DeserializeOwned;

use super::recording::{
    CheckpointChange, CheckpointEvent, EnhancerCounts, Judged, PublisherCounts, Training, ViewerCounts, Viewers,
};
use crate::{
    observe::Observation,
    up::supervisor::{ChildEvent, Happened},
};

/// The clients' names, in logs and in the recording.
pub(crate) const PUBLISH: &str = "publish";
pub(crate) const WATCH_SOURCE: &str = "watch-source";
pub(crate) const WATCH_ENHANCED: &str = "watch-enhanced";

/// Of each child, to be shown when it dies
const LAST_WORDS: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) checkpoints: Vec<CheckpointEvent>,
    pub(crate) judged: Vec<Judged>,
    pub(crate) training: Training,
    pub(crate) enhancer: EnhancerCounts,
    pub(crate) publisher: PublisherCounts,
    pub(crate) viewers: Viewers,
    /// Who died, how
    pub(crate) deaths: Vec<String>,
    last_words: BTreeMap<&'static str, VecDeque<String>>,
}

impl Observed {
    pub(crate) fn observe(&mut self, unix_us: u64, observation: Observation) {
        match observation {
            Observation::Child(event) => self.observe_child(event),
            Observation::Status(status) => self.observe_status(unix_us, &status),
            Observation::Event(event) => self.observe_event(event),
            Observation::Trainer(report) => self.training.steps = self.training.steps.max(report.step),
            Observation::Enhancer(report) => {
                self.enhancer = EnhancerCounts {
                    device: report.device,
                    frame_p95_us: report.p95_us,
                    enhanced_per_minute: report.enhanced_per_minute,
                    bicubic_per_minute: report.bicubic_per_minute,
                    refused: report.refused,
                }
            }
        }
    }

    /// `12 of 60 s   gain +0.42 dB   version 3`
    pub(crate) fn progress(&self, second: u64, seconds: u32) -> String {
        let newest = self.judged.last();
        let gain = newest.and_then(|judged| judged.gain_db);
        let gain = gain.map_or("not measured yet".to_owned(), |gain| format!("{gain:+.2} dB"));
        let version = match newest {
            Some(Judged { withdrawn: true, live_version, .. }) => format!("version {live_version} withdrawn"),
            Some(Judged { live_version: 1.., .. }) => format!("version {}", newest.map_or(0, |live| live.live_version)),
            _ => "no checkpoint yet".to_owned(),
        };
        format!("{second:3} of {seconds} s   gain {gain}   {version}")
    }

    fn observe_child(&mut self, ChildEvent { child, what }: ChildEvent) {
        match what {
            Happened::Said(line) if child == PUBLISH => read(&line, &mut self.publisher),
            Happened::Said(line) if child == WATCH_SOURCE => read(&line, &mut self.viewers.source),
            Happened::Said(line) if child == WATCH_ENHANCED => read(&line, &mut self.viewers.enhanced),
            Happened::Said(line) | Happened::Logged(line) => {
                let words = self.last_words.entry(child).or_default();
                if words.len() == LAST_WORDS {
                    words.pop_front();
                }
                words.push_back(line);
            }
            Happened::Started { .. } => {}
            Happened::Died { how, .. } => {
                let words = self.last_words.get(child).into_iter().flatten();
                let words: String = words.map(|line| format!("\n    {line}")).collect();
                self.deaths.push(format!("{child} died ({how}){words}"));
            }
        }
    }

    fn observe_status(&mut self, unix_us: u64, status: &StreamStatus) {
        let learning = &status.learning;
        self.training = Training {
            steps: self.training.steps,
            checkpoints_offered: learning.checkpoints_offered,
            checkpoints_accepted: learning.checkpoints_accepted,
            checkpoints_withdrawn: learning.checkpoints_withdrawn,
            patches_received: learning.patches_received,
            patches_accepted: learning.patches_accepted,
        };
        self.judged.push(Judged {
            unix_us,
            live_version: learning.live_version,
            withdrawn: learning.withdrawn,
            gain_db: learning.gain_db,
        });
    }

    fn observe_event(&mut self, event: StreamEvent) {
        let (version, what) = match event.kind {
            StreamEventKind::CheckpointAccepted { version, gain_db } => {
                (version, CheckpointChange::Accepted { gain_db })
            }
            StreamEventKind::Withdrawn { version, reason } => (version, CheckpointChange::Withdrawn { reason }),
            StreamEventKind::Restored { version } => (version, CheckpointChange::Restored),
            StreamEventKind::PairerDied { reason } => return self.deaths.push(format!("patch-pairer died ({reason})")),
            _ => return,
        };
        self.checkpoints.push(CheckpointEvent { unix_us: event.at_unix_us, version, what });
    }
}

/// A line of statistics; anything else changes nothing.
fn read<T: DeserializeOwned>(line: &str, counts: &mut T) {
    if let Ok(newest) = serde_json::from_str(line) {
        *counts = newest;
    }
}

/// What makes a run one that is not to be relied on, seen from its counts.
pub(crate) fn count_shortcomings(publisher: &PublisherCounts, viewers: &Viewers) -> Vec<String> {
    let mut shortcomings = Vec::new();
    if publisher.sessions != 1 {
        shortcomings.push(format!("the publisher had {} sessions, and one timeline has one", publisher.sessions));
    }
    for (name, ViewerCounts { packets_dropped, .. }) in [("source", &viewers.source), ("enhanced", &viewers.enhanced)] {
        if *packets_dropped > 0 {
            shortcomings.push(format!("the viewer of {name} was too slow for {packets_dropped} packets"));
        }
    }
    shortcomings
}

#[cfg(test)]
mod tests {
    use proto::status::LearningStatus;

    use super::*;

    fn said(child: &'static str, line: &str) -> Observation {
        Observation::Child(ChildEvent { child, what: Happened::Said(line.to_owned()) })
    }

    #[test]
    fn the_clients_lines_are_counts() {
        let mut observed = Observed::default();
        observed.observe(1, said(PUBLISH, r#"{"frames": 7, "sessions": 2, "kbps": {"video": 1.5}}"#));
        observed.observe(1, said(WATCH_ENHANCED, r#"{"reconnects": 1, "packets_dropped": 3}"#));
        observed.observe(1, said(WATCH_ENHANCED, "no statistics"));
        assert_eq!((observed.publisher.frames, observed.viewers.enhanced.reconnects), (7, 1));
        let shortcomings = count_shortcomings(&observed.publisher, &observed.viewers);
        assert!(shortcomings[0].contains("2 sessions") && shortcomings[1].contains("enhanced was too slow for 3"));
    }

    #[test]
    fn whoever_dies_is_named_with_its_last_words() {
        let mut observed = Observed::default();
        let happened = |what| Observation::Child(ChildEvent { child: "enhancer", what });
        for line in 0..9 {
            observed.observe(1, happened(Happened::Logged(format!("line {line}"))));
        }
        observed.observe(1, happened(Happened::Died { how: "signal: 9".to_owned(), pause: Default::default() }));
        let kind = StreamEventKind::PairerDied { reason: "out of memory".to_owned() };
        observed.observe(1, Observation::Event(StreamEvent { at_unix_us: 5, kind }));
        assert!(observed.deaths[0].starts_with("enhancer died (signal: 9)\n    line 4"), "{:?}", observed.deaths);
        assert_eq!(observed.deaths[1], "patch-pairer died (out of memory)");
    }

    #[test]
    fn the_progress_tells_second_gain_and_version() {
        let mut observed = Observed::default();
        assert_eq!(observed.progress(3, 60), "  3 of 60 s   gain not measured yet   no checkpoint yet");
        let mut learning = LearningStatus { live_version: 4, gain_db: Some(0.419), ..Default::default() };
        let status = |learning: &LearningStatus| {
            Observation::Status(Box::new(StreamStatus { learning: learning.clone(), ..Default::default() }))
        };
        observed.observe(1, status(&learning));
        assert_eq!(observed.progress(12, 60), " 12 of 60 s   gain +0.42 dB   version 4");
        learning.withdrawn = true;
        observed.observe(1, status(&learning));
        assert!(observed.progress(13, 60).ends_with("version 4 withdrawn"));
    }
}
