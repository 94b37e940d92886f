//! Key frame requests to one publisher, coalesced: many viewers ask, the publisher is asked seldom.

use std::time::Duration;

/// Two requests to a publisher are at least this far apart.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct KeyframeRequests {
    asked_at: Option<Duration>,
    wanted: bool,
    /// A publisher that sent no video yet cannot be asked for it.
    open: bool,
}

impl KeyframeRequests {
    /// The publisher sends video.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// Somebody needs a key frame, now or as soon as it may be asked for. Whoever still waits says so with each packet.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame begins: everybody who asked has it.
    pub(super) fn satisfy(&mut self) {
        self.wanted = false;
    }

    /// When the publisher is to be asked next.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        (self.wanted && self.open).then(|| self.asked_at.map_or(Duration::ZERO, |asked_at| asked_at + LEAST_INTERVAL))
    }

    /// Whether the publisher is to be asked now; true once for each request.
    pub(super) fn take_due(&mut self, now: Duration) -> bool {
        let due = self.poll_timeout().is_some_and(|at| at <= now);
        if due {
            self.asked_at = Some(now);
            self.wanted = false;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn requests_within_half_a_second_become_one_later() {
        let mut requests = KeyframeRequests::default();
        requests.want();
        assert!(!requests.take_due(ms(0)), "no video yet");
        requests.open();
        assert!(requests.take_due(ms(10)));
        assert!(!requests.take_due(ms(10)));
        requests.want();
        requests.want();
        assert_eq!((requests.take_due(ms(509)), requests.poll_timeout()), (false, Some(ms(510))));
        assert!(requests.take_due(ms(510)));
        assert_eq!(requests.poll_timeout(), None);
    }

    #[test]
    fn a_key_frame_answers_what_was_not_asked_yet() {
        let mut requests = KeyframeRequests::default();
        requests.open();
        requests.want();
        requests.satisfy();
        assert!(!requests.take_due(ms(0)));
    }
}
