//! The one timeline of a stream, across publisher sessions (DESIGN: "One timeline per stream").

use std::time::Duration;

/// Maps RTP timestamps of a publisher session's track to stream time: a counter of the same clock rate that goes on,
/// by the wall time that passed, when another session takes over.
#[derive(Clone, Debug)]
pub struct Timeline {}

impl Timeline {
    /// `clock_rate` in Hz: 90,000 for video, 48,000 for Opus.
    #[must_use]
    pub fn new(_clock_rate: u32) -> Self {
        todo!()
    }

    /// A session begins; its first timestamp goes on from the last one of the session before by the time passed.
    pub fn start_session(&mut self) {
        todo!()
    }

    /// Stream time of an RTP timestamp of the current session, seen at `now` (since any fixed point).
    pub fn map(&mut self, _now: Duration, _rtp_timestamp: u32) -> u64 {
        todo!()
    }

    /// Stream time of a timestamp of the current session without moving anything: for patches and sender reports.
    /// `None` before the session's first packet.
    #[must_use]
    pub fn peek(&self, _rtp_timestamp: u32) -> Option<u64> {
        todo!()
    }
}
