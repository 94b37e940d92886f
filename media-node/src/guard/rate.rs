//! How often something may happen.

use std::time::{Duration, Instant};

/// At most so many in each second that begins with an event.
#[derive(Debug)]
pub(crate) struct Rate {
    limit: u32,
    count: u32,
    since: Option<Instant>,
}

impl Rate {
    pub(crate) const fn new(limit_per_second: u32) -> Self {
        Self { limit: limit_per_second, count: 0, since: None }
    }

    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1)) {
            self.since = Some(now);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.count <= self.limit
    }
}
