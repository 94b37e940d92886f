//! Pairs as the judge uses them, and the newest of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use proto::v1::{PixelCoding, Selection, TrainingPatch};
use sr_net::{Plane, Weights};

/// The most pairs that are remembered.
const MAX_PAIRS: usize = 256;
/// How long a pair judges.
const MAX_AGE: Duration = Duration::from_secs(60);

/// A patch and its piece of the decoded LR frame, with what bicubic makes of it.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) stream_time: u64,
    pub(crate) random: bool,
    pub(crate) bicubic_mse: f64,
    scale: usize,
    margin_left: usize,
    margin_top: usize,
    lr: Plane,
    hr: Plane,
}

impl Pair {
    /// `None` when the message is no raw pair: the pairer is not trusted more than its input.
    pub(crate) fn new(patch: &TrainingPatch) -> Option<Self> {
        let raw = i32::from(PixelCoding::Raw);
        let rect = patch.rect.as_ref().filter(|_| patch.lr_coding == raw && patch.hr_coding == raw)?;
        let scale = Some(patch.scale as usize).filter(|scale| (2..=4).contains(scale))?;
        let (width, height) = (rect.width as usize, rect.height as usize);
        let hr = Plane::new(width, height, patch.hr_luma.to_vec())?;
        let [left, top, right, bottom] = [patch.margin_left, patch.margin_top, patch.margin_right, patch.margin_bottom]
            .map(|margin| margin as usize);
        let small = [left, top, right, bottom].into_iter().all(|margin| margin <= 64);
        if !small || width == 0 || height == 0 || width % scale != 0 || height % scale != 0 {
            return None;
        }
        let lr = Plane::new(width / scale + left + right, height / scale + top + bottom, patch.lr_luma.to_vec())?;
        let mut pair = Self {
            stream_time: patch.stream_time,
            random: patch.selection() == Selection::Random,
            bicubic_mse: 0.0,
            scale,
            margin_left: left,
            margin_top: top,
            lr,
            hr,
        };
        pair.bicubic_mse = sr_net::mse(&pair.bicubic(), &pair.hr);
        Some(pair)
    }

    pub(crate) fn hr(&self) -> &Plane {
        &self.hr
    }

    pub(crate) fn bicubic(&self) -> Plane {
        self.without_margin(&sr_net::bicubic(&self.lr, self.scale))
    }

    pub(crate) fn enhanced(&self, weights: &Weights) -> Plane {
        self.without_margin(&sr_net::enhance(weights, &self.lr))
    }

    pub(crate) fn enhanced_mse(&self, weights: &Weights) -> f64 {
        sr_net::mse(&self.enhanced(weights), &self.hr)
    }

    fn without_margin(&self, upscaled: &Plane) -> Plane {
        let (left, top) = (self.margin_left * self.scale, self.margin_top * self.scale);
        upscaled
            .crop(left, top, self.hr.width(), self.hr.height())
            .expect("margins and HR add up to the LR cut, as checked by new")
    }
}

/// A remembered pair.
#[derive(Clone, Debug)]
pub(crate) struct RecentPair {
    at: Duration,
    pub(crate) pair: Arc<Pair>,
    /// The version that was live when it came, and its mean squared error.
    live: Option<(u64, f64)>,
}

impl RecentPair {
    /// The mean squared error of `version`, when it was measured already.
    pub(crate) fn live_mse(&self, version: u64) -> Option<f64> {
        self.live.filter(|(measured, _)| *measured == version).map(|(_, mse)| mse)
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
        self.0.push_back(RecentPair { at: now, pair, live: None });
    }

    pub(crate) fn remember_measured(&mut self, pair: &Arc<Pair>, live: (u64, f64)) {
        if let Some(recent) = self.0.iter_mut().rev().find(|recent| Arc::ptr_eq(&recent.pair, pair)) {
            recent.live = Some(live);
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
