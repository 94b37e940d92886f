//! What the threads of a publisher know of each other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;
use webrtc_client::{Publisher, UplinkBytes};

use super::{
    control::Heard,
    rates::{Shares, Wanted},
};

#[derive(Debug)]
pub(crate) struct Shared {
    /// All times here count from this.
    started: Instant,
    wanted: Wanted,
    /// The session that stands now.
    pub(crate) publisher: watch::Sender<Option<Arc<Publisher>>>,
    /// The next frame is to be a key frame.
    pub(crate) keyframe_wanted: AtomicBool,
    pub(crate) heard: watch::Sender<Heard>,
    /// Of the congestion control; `None` without.
    pub(crate) estimate_kbps: watch::Sender<Option<u32>>,
    /// Sent by sessions that are over.
    pub(crate) past_bytes: watch::Sender<UplinkBytes>,
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
    pub(crate) video_kbps: AtomicU32,
}

impl Shared {
    pub(crate) fn new(wanted: Wanted, initial_estimate_kbps: Option<u32>) -> Self {
        Self {
            started: Instant::now(),
            wanted,
            publisher: watch::Sender::new(None),
            keyframe_wanted: AtomicBool::new(true),
            heard: watch::Sender::new(Heard::Closed),
            estimate_kbps: watch::Sender::new(initial_estimate_kbps),
            past_bytes: watch::Sender::new(UplinkBytes::default()),
            counters: Counters::default(),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn session(&self) -> Option<Arc<Publisher>> {
        self.publisher.borrow().clone()
    }

    pub(crate) fn shares(&self) -> Shares {
        self.wanted.share(*self.estimate_kbps.borrow())
    }

    /// Of all sessions.
    pub(crate) fn uplink_bytes(&self) -> UplinkBytes {
        let past = *self.past_bytes.borrow();
        self.session().map_or(past, |session| plus(past, session.uplink_bytes()))
    }
}

pub(crate) fn plus(a: UplinkBytes, b: UplinkBytes) -> UplinkBytes {
    UplinkBytes {
        video: a.video + b.video,
        audio: a.audio + b.audio,
        patches: a.patches + b.patches,
        other: a.other + b.other,
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
