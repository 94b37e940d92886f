//! What the threads of a publisher know of each other.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use webrtc_client::Outlet;

use super::{
    control::Heard,
    rates::{Shares, Wanted},
};

#[derive(Debug)]
pub(crate) struct Shared {
    /// All times here count from this.
    started: Instant,
    wanted: Wanted,
    /// The sessions that stand now.
    pub(crate) outlet: Outlet,
    /// The next frame is to be a key frame.
    pub(crate) keyframe_wanted: AtomicBool,
    pub(crate) heard: watch::Sender<Heard>,
    /// Of the congestion control; `None` without.
    pub(crate) estimate_kbps: watch::Sender<Option<u32>>,
    pub(crate) counters: Counters,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) frames_sent: AtomicU64,
    /// Not coded: the source was late, the path full, or there was no session.
    pub(crate) frames_late: AtomicU64,
    pub(crate) frames_held_back: AtomicU64,
    pub(crate) frames_without_session: AtomicU64,
    pub(crate) keyframes: AtomicU64,
    pub(crate) patches_sent: AtomicU64,
    pub(crate) patches_random: AtomicU64,
    /// The data channel was full, or the patch did not fit a message.
    pub(crate) patches_refused: AtomicU64,
    pub(crate) sessions: AtomicU64,
    /// Sessions that took over from another one without a gap
    pub(crate) moves: AtomicU64,
    pub(crate) video_kbps: AtomicU32,
}

impl Shared {
    pub(crate) fn new(wanted: Wanted, initial_estimate_kbps: Option<u32>, outlet: Outlet) -> Self {
        Self {
            started: Instant::now(),
            wanted,
            outlet,
            keyframe_wanted: AtomicBool::new(true),
            heard: watch::Sender::new(Heard::Closed),
            estimate_kbps: watch::Sender::new(initial_estimate_kbps),
            counters: Counters::default(),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn shares(&self) -> Shares {
        let useful_patch_kbps = self.heard.borrow().useful_kbps(self.wanted.patch_kbps);
        self.wanted.share(useful_patch_kbps, *self.estimate_kbps.borrow())
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
