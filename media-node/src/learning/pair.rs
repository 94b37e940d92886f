//! Pairs as the judge uses them, and the newest of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use proto::v1::{Selection, TrainingPatch};

/// The most pairs that are remembered.
const MAX_PAIRS: usize = 256;
/// How long a pair judges.
const MAX_AGE: Duration = Duration::from_secs(60);

/// A pair as the judge sees it.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) stream_time: u64,
    pub(crate) random: bool,
    /// Of the frame it is from.
    pub(crate) phash: u64,
    pub(crate) planes: sr_net::Pair,
}

impl Pair {
    /// `None` when the message is no raw pair: the pairer is not trusted more than its input.
    pub(crate) fn new(patch: &TrainingPatch) -> Option<Self> {
        let planes = sr_net::Pair::new(patch).ok()?;
        let (stream_time, phash) = (patch.stream_time, patch.phash);
        Some(Self { stream_time, random: patch.selection() == Selection::Random, phash, planes })
    }
}

/// A remembered pair.
#[derive(Clone, Debug)]
pub(crate) struct RecentPair {
    at: Duration,
    pub(crate) pair: Arc<Pair>,
    /// The versions that were at hand when it came, and their mean squared errors.
    measured: Vec<(u64, f64)>,
}

impl RecentPair {
    /// The mean squared error of `version`, when it was measured already.
    pub(crate) fn known_mse(&self, version: u64) -> Option<f64> {
        self.measured.iter().find(|(measured, _)| *measured == version).map(|(_, mse)| *mse)
    }
}

/// The pairs of the last minute.
#[derive(Debug, Default)]
pub(crate) struct RecentPairs(VecDeque<RecentPair>);

impl RecentPairs {
    pub(crate) fn push(&mut self, now: Duration, pair: Arc<Pair>) {
        self.forget_old(now);
        if self.0.len() == MAX_PAIRS {
            self.0.pop_front();
        }
        self.0.push_back(RecentPair { at: now, pair, measured: Vec::new() });
    }

    pub(crate) fn remember_measured(&mut self, pair: &Arc<Pair>, measured: &[(u64, f64)]) {
        if let Some(recent) = self.0.iter_mut().rev().find(|recent| Arc::ptr_eq(&recent.pair, pair)) {
            recent.measured = measured.to_vec();
        }
    }

    /// The newest `limit` pairs later than `stream_time`, newest first.
    pub(crate) fn newer_than(&mut self, now: Duration, stream_time: u64, limit: usize) -> Vec<RecentPair> {
        self.forget_old(now);
        self.0.iter().rev().filter(|recent| recent.pair.stream_time > stream_time).take(limit).cloned().collect()
    }

    fn forget_old(&mut self, now: Duration) {
        while self.0.front().is_some_and(|oldest| now.saturating_sub(oldest.at) > MAX_AGE) {
            self.0.pop_front();
        }
    }
}
