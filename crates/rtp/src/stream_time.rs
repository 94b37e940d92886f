//! The one timeline of a stream, across publisher sessions (DESIGN: "One timeline per stream").

use std::time::Duration;

use crate::unwrap::nearest;

/// Maps RTP timestamps of a publisher session's track to stream time: a counter of the same clock rate that goes on,
/// by the wall time that passed, when another session takes over.
///
/// - The first session sets it: its first timestamp is taken over, in the lap of 2^32 that [`Self::begin_in_lap`] named.
/// - Within a session the mapping is one constant offset; only the first packet of a session moves it.
/// - A later session's first packet is later than every packet of the sessions before.
#[derive(Clone, Debug)]
pub struct Timeline {
    clock_rate: u32,
    /// Added to the first timestamp of all sessions.
    first_lap: u64,
    session: Option<Session>,
    /// Stream time of the newest packet of all sessions, and when it was seen.
    newest: Option<(u64, Duration)>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    /// The newest RTP timestamp, unwrapped.
    newest: u64,
    /// Stream time minus unwrapped RTP timestamp, modulo 2^64.
    offset: u64,
}

impl Session {
    fn unwrap(&self, rtp_timestamp: u32) -> u64 {
        nearest(self.newest, rtp_timestamp)
    }
}

impl Timeline {
    /// `clock_rate` in Hz: 90,000 for video, 48,000 for Opus.
    #[must_use]
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate, first_lap: LAP, session: None, newest: None }
    }

    /// The very first timestamp is of this lap of 2^32 (from 1 on). Who forgets the timeline and begins another one in
    /// a later lap is not earlier than before.
    pub fn begin_in_lap(&mut self, lap: u32) {
        self.first_lap = u64::from(lap.clamp(1, LAST_LAP)) * LAP;
    }

    /// A session begins; its first timestamp goes on from the last one of the session before by the time passed.
    pub fn start_session(&mut self) {
        self.session = None;
    }

    /// Stream time of an RTP timestamp of the current session, seen at `now` (since any fixed point).
    pub fn map(&mut self, now: Duration, rtp_timestamp: u32) -> u64 {
        let first = self.first_lap + u64::from(rtp_timestamp);
        let begins_at = match self.newest {
            None => first,
            Some((newest, seen_at)) => newest + self.ticks(now.saturating_sub(seen_at)).max(1),
        };
        let session = self.session.get_or_insert(Session { newest: first, offset: begins_at.wrapping_sub(first) });
        let unwrapped = session.unwrap(rtp_timestamp);
        let stream_time = unwrapped.wrapping_add(session.offset);
        session.newest = session.newest.max(unwrapped);
        if self.newest.is_none_or(|(newest, _)| stream_time > newest) {
            self.newest = Some((stream_time, now));
        }
        stream_time
    }

    /// Stream time of a timestamp of the current session without moving anything: for patches and sender reports.
    /// `None` before the session's first packet.
    #[must_use]
    pub fn peek(&self, rtp_timestamp: u32) -> Option<u64> {
        let session = self.session.as_ref()?;
        Some(session.unwrap(rtp_timestamp).wrapping_add(session.offset))
    }

    fn ticks(&self, time: Duration) -> u64 {
        u64::try_from(time.as_nanos() * u128::from(self.clock_rate) / 1_000_000_000).unwrap_or(u64::MAX / 2)
    }
}

/// What RTP timestamps wrap at. Half of the first lap, below the first timestamp, is room for older ones.
const LAP: u64 = 1 << 32;
/// Decoders count in i64.
const LAST_LAP: u32 = (1 << 31) - 2;

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: u32 = 90_000;

    #[test]
    fn the_first_session_sets_stream_time_and_its_wraps_are_none() {
        let mut timeline = Timeline::new(VIDEO);
        assert_eq!(timeline.peek(5), None);
        let first = timeline.map(Duration::ZERO, u32::MAX - 999);
        assert_eq!(first as u32, u32::MAX - 999);
        assert_eq!(timeline.map(Duration::from_millis(33), 2_000), first + 3_000);
        assert_eq!(timeline.map(Duration::from_millis(34), u32::MAX), first + 999, "a late packet");
    }

    #[test]
    fn a_timeline_that_begins_in_a_later_lap_is_later_and_looks_the_same_on_the_wire() {
        let mut before = Timeline::new(VIDEO);
        let last = before.map(Duration::ZERO, u32::MAX) + 90_000;
        let mut after = Timeline::new(VIDEO);
        after.begin_in_lap(3);
        let first = after.map(Duration::ZERO, 7);
        assert!(first > last);
        assert_eq!(first as u32, 7);
        after.begin_in_lap(9);
        assert_eq!(after.map(Duration::from_secs(1), 90_007), first + 90_000, "it has begun");
        after.start_session();
        assert_eq!(after.map(Duration::from_secs(2), 5), first + 180_000);
    }

    #[test]
    fn another_session_goes_on_by_the_time_that_passed() {
        let mut timeline = Timeline::new(VIDEO);
        timeline.map(Duration::from_secs(10), 90_000);
        let last = timeline.map(Duration::from_secs(11), 180_000);
        timeline.start_session();
        assert_eq!(timeline.peek(3), None, "the old session's clock says nothing of the new one's");
        assert_eq!(timeline.map(Duration::from_millis(13_500), 77), last + 225_000);
        assert_eq!(timeline.map(Duration::from_millis(13_533), 77 + 3_000), last + 228_000);
    }

    #[test]
    fn a_session_that_takes_over_at_once_is_still_later() {
        let mut timeline = Timeline::new(VIDEO);
        let last = timeline.map(Duration::from_secs(1), 5);
        timeline.start_session();
        assert_eq!(timeline.map(Duration::from_secs(1), 4_000_000_000), last + 1);
    }

    #[test]
    fn peeking_moves_nothing() {
        let mut timeline = Timeline::new(VIDEO);
        let first = timeline.map(Duration::ZERO, 1_000);
        assert_eq!(timeline.peek(1_000 + (1 << 30)), Some(first + (1 << 30)));
        assert_eq!(timeline.peek(0), Some(first - 1_000));
        assert_eq!(timeline.peek(1_000 + (1 << 31)), Some(first - (1 << 31)), "measured from the newest packet only");
    }
}
