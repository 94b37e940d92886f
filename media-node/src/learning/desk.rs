//! The registry behind a lock that is held for moments, and what everyone hears of its changes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use proto::{
    status::{LearningStatus, StreamEvent},
    v1::Checkpoint,
};
use tokio::sync::{broadcast, watch};

use super::registry::{LiveState, Registry};

/// Events a slow listener may be behind.
const EVENTS: usize = 256;

#[derive(Clone, Debug)]
pub(crate) struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Mutex<Registry>,
    started: Instant,
    status: watch::Sender<LearningStatus>,
    state: watch::Sender<LiveState>,
    live: watch::Sender<Option<Arc<Checkpoint>>>,
    events: broadcast::Sender<StreamEvent>,
}

impl Desk {
    pub(crate) fn new(registry: Registry) -> Self {
        let desk = Self(Arc::new(Inner {
            registry: Mutex::new(registry),
            started: Instant::now(),
            status: watch::Sender::default(),
            state: watch::Sender::default(),
            live: watch::Sender::default(),
            events: broadcast::Sender::new(EVENTS),
        }));
        // What is live from the start.
        desk.update(|_, _| ());
        desk
    }

    /// Changes the registry and tells what changed.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Registry, Duration) -> T) -> T {
        let now = self.0.started.elapsed();
        let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut registry, now);
        replace(&self.0.status, registry.status(now));
        let state = registry.live_state();
        replace(&self.0.live, state.checkpoint.clone());
        replace(&self.0.state, state);
        for kind in registry.take_events() {
            tracing::info!(event = ?kind, "learning");
            // Nobody listens: nothing is missed.
            let _ = self.0.events.send(StreamEvent { at_unix_us: unix_us(), kind });
        }
        result
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.started.elapsed()
    }

    pub(crate) fn status(&self) -> watch::Receiver<LearningStatus> {
        self.0.status.subscribe()
    }

    pub(crate) fn state(&self) -> watch::Receiver<LiveState> {
        self.0.state.subscribe()
    }

    pub(crate) fn live(&self) -> watch::Receiver<Option<Arc<Checkpoint>>> {
        self.0.live.subscribe()
    }

    pub(crate) fn events(&self) -> broadcast::Sender<StreamEvent> {
        self.0.events.clone()
    }
}

pub(crate) fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Wakes those who watch only when something changed.
fn replace<T: PartialEq>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|current| {
        let changed = *current != value;
        if changed {
            *current = value;
        }
        changed
    });
}
