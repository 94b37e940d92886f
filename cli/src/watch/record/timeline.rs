//! Where samples stand in a recording.

use std::time::Duration;

use rtp::Unwrap32;

/// Places one track's RTP timestamps: relative to each other as they say, and at the first sample, or where they jump
/// (another session, whose time line is its own), as the samples came.
#[derive(Debug)]
pub(crate) struct Timeline {
    clock_rate: u32,
    unwrap: Unwrap32,
    /// Added to unwrapped timestamps
    offset: Option<i64>,
    newest: i64,
}

/// Timestamps and arrivals that differ by more do not belong together.
const JUMP: Duration = Duration::from_secs(3);

impl Timeline {
    pub(crate) fn new(clock_rate: u32) -> Self {
        Self { clock_rate, unwrap: Unwrap32::default(), offset: None, newest: -1 }
    }

    /// The presentation time of a sample that came `since_first` after the recording began. Never before the newest
    /// one: a container wants its samples in order.
    pub(crate) fn place(&mut self, rtp_timestamp: u32, since_first: Duration) -> i64 {
        let ticks = |time: Duration| (time.as_secs_f64() * f64::from(self.clock_rate)) as i64;
        let timestamp = self.unwrap.unwrap(rtp_timestamp).cast_signed();
        let arrival = ticks(since_first);
        let fits = |offset: &i64| (timestamp + offset - arrival).abs() < ticks(JUMP);
        let offset = self.offset.filter(fits).unwrap_or(arrival - timestamp);
        self.offset = Some(offset);
        self.newest = (timestamp + offset).max(self.newest + 1);
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_rule_within_a_session_and_arrivals_between_sessions() {
        let mut timeline = Timeline::new(90_000);
        let mut place = |timestamp, milliseconds| timeline.place(timestamp, Duration::from_millis(milliseconds));
        assert_eq!(place(u32::MAX - 2999, 0), 0);
        assert_eq!(place(0, 41), 3000, "jitter of the way is not recorded");
        assert_eq!(place(3000, 60), 6000);
        assert_eq!(place(3000, 61), 6001, "never twice the same time");
        assert_eq!(place(2_000_000_000, 2000), 180_000, "another session's timestamps");
        assert_eq!(place(2_000_003_000, 2035), 183_000);
    }
}
