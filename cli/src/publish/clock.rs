//! One clock for pictures and sound: when each is due, and its time on the wire.

use std::time::{Duration, Instant};

/// Maps times of the source to wall time. The source never runs ahead; where it falls behind for good, its later times
/// are moved, for pictures and sound alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    origin: Option<Instant>,
    /// Added to the source's times.
    moved: Duration,
    late_frames: u32,
}

/// When to send something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    /// On the stream's time line, from which timestamps are made.
    pub(crate) time: Duration,
    /// Too late to be worth coding: the next frame is due already.
    pub(crate) late: bool,
}

/// Behind by more than this, the source has stood still rather than stumbled.
const STOOD_STILL: Duration = Duration::from_secs(1);
/// So many late frames in a row are no hiccup: the source is that late.
const LATE_FRAMES: u32 = 10;

impl Clock {
    /// For something with the source's time `at`; `interval` is that of frames.
    pub(crate) fn schedule(&mut self, now: Instant, at: Duration, interval: Duration) -> Due {
        let due = self.schedule_sound(now, at);
        let behind = now.saturating_duration_since(due.at);
        let late = behind > interval;
        self.late_frames = if late { self.late_frames + 1 } else { 0 };
        if self.late_frames > LATE_FRAMES {
            self.late_frames = 0;
            return self.move_by(behind, now, at);
        }
        Due { late, ..due }
    }

    /// The same for sound, which is never too late: it costs little, and a hole in it is heard.
    pub(crate) fn schedule_sound(&mut self, now: Instant, at: Duration) -> Due {
        let origin = *self.origin.get_or_insert_with(|| now.checked_sub(at).unwrap_or(now));
        let due = origin + at + self.moved;
        let behind = now.saturating_duration_since(due);
        if behind > STOOD_STILL { self.move_by(behind, now, at) } else { self.due(due, at) }
    }

    fn move_by(&mut self, behind: Duration, now: Instant, at: Duration) -> Due {
        self.moved += behind;
        self.due(now, at)
    }

    fn due(&self, due: Instant, at: Duration) -> Due {
        Due { at: due, time: at + self.moved, late: false }
    }
}

/// Ticks of a clock of `rate` Hz.
pub(crate) fn ticks(time: Duration, rate: u32) -> u64 {
    let ticks = (time.as_nanos() * u128::from(rate) + 500_000_000) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    fn milliseconds(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn a_source_that_is_ahead_waits_for_its_time() {
        let (start, mut clock) = (Instant::now(), Clock::default());
        assert_eq!(clock.schedule(start, milliseconds(500), FRAME).at, start);
        let due = clock.schedule(start + milliseconds(5), milliseconds(533), FRAME);
        assert_eq!(due, Due { at: start + milliseconds(33), time: milliseconds(533), late: false });
    }

    #[test]
    fn a_hiccup_drops_frames_and_keeps_the_time_line() {
        let (start, mut clock) = (Instant::now(), Clock::default());
        clock.schedule(start, Duration::ZERO, FRAME);
        assert!(!clock.schedule(start + milliseconds(60), milliseconds(33), FRAME).late);
        let late = clock.schedule(start + milliseconds(200), milliseconds(66), FRAME);
        assert!(late.late);
        let after = clock.schedule(start + milliseconds(200), milliseconds(200), FRAME);
        assert_eq!(after, Due { at: start + milliseconds(200), time: milliseconds(200), late: false });
    }

    #[test]
    fn after_a_stand_still_time_goes_on_with_the_wall() {
        let (start, mut clock) = (Instant::now(), Clock::default());
        clock.schedule(start, Duration::ZERO, FRAME);
        let due = clock.schedule(start + milliseconds(5000), milliseconds(33), FRAME);
        assert_eq!(due, Due { at: start + milliseconds(5000), time: milliseconds(5000), late: false });
        let next = clock.schedule(start + milliseconds(5001), milliseconds(66), FRAME);
        assert_eq!(next.at, start + milliseconds(5033));
    }

    #[test]
    fn a_device_that_is_always_late_is_published_all_the_same() {
        let (start, mut clock) = (Instant::now(), Clock::default());
        clock.schedule(start, Duration::ZERO, FRAME);
        let sent = (1..100).filter(|frame| {
            let at = milliseconds(33 * frame);
            !clock.schedule(start + at + milliseconds(100), at, FRAME).late
        });
        assert!(sent.count() >= 89);
    }

    #[test]
    fn ticks_round_to_the_nearest() {
        assert_eq!(ticks(Duration::from_nanos(33_366_667), 90_000), 3003);
        assert_eq!(ticks(Duration::from_secs(86_400), 90_000), 7_776_000_000);
    }
}
