//! Stream time of the source's tracks, and what its sender reports say of it.

use std::time::Duration;

use rtp::Timeline;

use super::TrackKind;

/// Seconds from 1900 to 1970.
const NTP_TO_UNIX_SECONDS: u64 = 2_208_988_800;
/// Laps of stream time are counted from 2025 on.
const FIRST_LAP_UNIX_SECONDS: u64 = 1_735_689_600;

/// The timelines of the source's two tracks; they outlive its sessions.
#[derive(Debug)]
pub(super) struct Clocks {
    pub(super) video: TrackClock,
    pub(super) audio: TrackClock,
    /// Unix time, in microseconds, of the point that all times given to the room count from.
    unix_us_at_zero: u64,
}

impl Clocks {
    pub(super) fn new() -> Self {
        Self { video: TrackClock::new(90_000), audio: TrackClock::new(48_000), unix_us_at_zero: 0 }
    }

    pub(super) fn track(&self, kind: TrackKind) -> &TrackClock {
        match kind {
            TrackKind::Video => &self.video,
            TrackKind::Audio => &self.audio,
        }
    }

    pub(super) fn track_mut(&mut self, kind: TrackKind) -> &mut TrackClock {
        match kind {
            TrackKind::Video => &mut self.video,
            TrackKind::Audio => &mut self.audio,
        }
    }

    /// Another session may be of another machine: nothing its predecessor reported holds.
    pub(super) fn start_session(&mut self) {
        self.video.start_session();
        self.audio.start_session();
    }

    /// Also says where a timeline begins: the lap of the second, so that trainers, whose patches outlive this process,
    /// see later stream times from the next one. (A lap lasts 13 h.)
    pub(super) fn set_unix_time(&mut self, now: Duration, unix_us: u64) {
        self.unix_us_at_zero = unix_us.saturating_sub(micros(now));
        let lap = (unix_us / 1_000_000).saturating_sub(FIRST_LAP_UNIX_SECONDS);
        let lap = u32::try_from(lap).unwrap_or(u32::MAX);
        self.video.timeline.begin_in_lap(lap);
        self.audio.timeline.begin_in_lap(lap);
    }

    /// When a picture was captured, in Unix microseconds: by the publisher's reports, before the first of them by its
    /// arrival.
    pub(super) fn captured_at_unix_us(&self, stream_time: u64) -> u64 {
        if let Some(ntp) = self.video.ntp_at(stream_time) {
            return unix_us_of_ntp(ntp);
        }
        let Some((newest, seen_at)) = self.video.newest else { return self.unix_us_at_zero };
        let later =
            i128::from(stream_time.wrapping_sub(newest).cast_signed()) * 1_000_000 / i128::from(self.video.rate);
        let seen_at_unix_us = self.unix_us_at_zero.saturating_add(micros(seen_at));
        u64::try_from(i128::from(seen_at_unix_us) + later).unwrap_or_default()
    }
}

/// One track's stream time and its line through (NTP, stream time).
#[derive(Debug)]
pub(super) struct TrackClock {
    /// Hz
    rate: u32,
    timeline: Timeline,
    /// Stream time of the newest packet, and when it came.
    newest: Option<(u64, Duration)>,
    report: Option<Report>,
}

/// The newest sender report of the current session.
#[derive(Clone, Copy, Debug)]
struct Report {
    ntp: u64,
    stream_time: u64,
}

impl TrackClock {
    fn new(rate: u32) -> Self {
        Self { rate, timeline: Timeline::new(rate), newest: None, report: None }
    }

    fn start_session(&mut self) {
        self.timeline.start_session();
        self.report = None;
    }

    /// Stream time of a packet that came at `now`.
    pub(super) fn map(&mut self, now: Duration, rtp_timestamp: u32) -> u64 {
        let stream_time = self.timeline.map(now, rtp_timestamp);
        if self.newest.is_none_or(|(newest, _)| stream_time > newest) {
            self.newest = Some((stream_time, now));
        }
        stream_time
    }

    /// Stream time of what is no packet; `None` before the session's first packet.
    pub(super) fn peek(&self, rtp_timestamp: u32) -> Option<u64> {
        self.timeline.peek(rtp_timestamp)
    }

    /// Stream time of the newest packet.
    pub(super) fn newest(&self) -> Option<u64> {
        self.newest.map(|(stream_time, _)| stream_time)
    }

    /// Takes a sender report; one from before the session's first packet says nothing yet.
    pub(super) fn handle_report(&mut self, ntp: u64, rtp_timestamp: u32) {
        if let Some(stream_time) = self.peek(rtp_timestamp) {
            self.report = Some(Report { ntp, stream_time });
        }
    }

    /// NTP (32.32) of a stream time, on the line through the newest report; `None` before the first of the session.
    pub(super) fn ntp_at(&self, stream_time: u64) -> Option<u64> {
        let report = self.report?;
        let ticks = i128::from(stream_time.wrapping_sub(report.stream_time).cast_signed());
        let later = (ticks << 32).div_euclid(i128::from(self.rate));
        Some((i128::from(report.ntp) + later).rem_euclid(1 << 64) as u64)
    }
}

/// NTP seconds below 2^31 are of the era that begins in 2036 (RFC 4330, 3).
fn unix_us_of_ntp(ntp: u64) -> u64 {
    let seconds = ntp >> 32;
    let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
    let micros = ((ntp & 0xffff_ffff) * 1_000_000 + (1 << 31)) >> 32;
    (seconds + era).saturating_sub(NTP_TO_UNIX_SECONDS) * 1_000_000 + micros
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 12:00:00 UTC.
    const NOON_UNIX: u64 = 1_795_262_400;
    const NOON_NTP: u64 = (NOON_UNIX + NTP_TO_UNIX_SECONDS) << 32;

    #[test]
    fn a_stream_time_has_its_ntp_time_on_the_line_through_the_newest_report() {
        let mut clock = TrackClock::new(90_000);
        clock.handle_report(NOON_NTP, 1_000);
        assert_eq!(clock.ntp_at(1_000), None, "a report before the first packet");
        let first = clock.map(Duration::ZERO, 1_000);
        clock.handle_report(NOON_NTP, 1_000);
        assert_eq!(clock.ntp_at(first), Some(NOON_NTP));
        assert_eq!(clock.ntp_at(first + 90_000), Some(NOON_NTP + (1 << 32)));
        assert_eq!(clock.ntp_at(first - 45_000), Some(NOON_NTP - (1 << 31)));
        assert_eq!(clock.ntp_at(first + 1), Some(NOON_NTP + 47_721), "2^32 / 90,000, rounded down");
        clock.start_session();
        assert_eq!(clock.ntp_at(first), None);
    }

    #[test]
    fn captured_is_by_arrival_until_the_publisher_reports() {
        let mut clocks = Clocks::new();
        clocks.set_unix_time(Duration::from_secs(5), NOON_UNIX * 1_000_000);
        let first = clocks.video.map(Duration::from_secs(6), 7);
        assert_eq!(clocks.captured_at_unix_us(first), (NOON_UNIX + 1) * 1_000_000);
        assert_eq!(clocks.captured_at_unix_us(first - 9_000), (NOON_UNIX + 1) * 1_000_000 - 100_000);
        clocks.video.handle_report(NOON_NTP, 7);
        assert_eq!(clocks.captured_at_unix_us(first + 9_000), NOON_UNIX * 1_000_000 + 100_000);
    }

    #[test]
    fn stream_time_goes_on_when_the_process_begins_again() {
        let first_time = |unix_seconds: u64, rtp_timestamp| {
            let mut clocks = Clocks::new();
            clocks.set_unix_time(Duration::ZERO, unix_seconds * 1_000_000);
            clocks.video.map(Duration::ZERO, rtp_timestamp)
        };
        let before = first_time(NOON_UNIX, u32::MAX);
        let after = first_time(NOON_UNIX + 2, 0);
        assert!(after > before + 2 * 90_000);
    }

    #[test]
    fn ntp_goes_on_in_2036() {
        assert_eq!(unix_us_of_ntp(0), ((1 << 32) - NTP_TO_UNIX_SECONDS) * 1_000_000);
        assert_eq!(unix_us_of_ntp(NOON_NTP | 1 << 31), NOON_UNIX * 1_000_000 + 500_000);
    }
}
