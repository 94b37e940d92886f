//! What a viewer would have seen: frames, freezes, and frames that should have been there.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rtp::Unwrap32;

/// Follows the frames that are shown, each when it comes.
#[derive(Debug, Default)]
pub(crate) struct Playback {
    unwrap: Unwrap32,
    /// The first and the newest timestamp on the time line that runs
    span: Option<(u64, u64)>,
    /// Frames expected on time lines that are over
    expected_before: u64,
    last_shown: Option<Instant>,
    /// Ticks between frames, and times between showing them, of the newest ones
    ticks: VecDeque<u64>,
    gaps: VecDeque<Duration>,
    pub(crate) frames: u64,
    pub(crate) freezes: u64,
    pub(crate) frozen: Duration,
}

/// As many of the newest frames as make up a typical interval.
const RECENT: usize = 60;
/// A gap this much above the average is a freeze (webrtc-stats, `freezeCount`).
const FREEZE: Duration = Duration::from_millis(150);
const CLOCK_RATE: f64 = 90_000.0;
/// Stream time follows the wall; where they part by more, another time line has begun.
const JUMP: Duration = Duration::from_secs(2);

impl Playback {
    pub(crate) fn show(&mut self, now: Instant, rtp_timestamp: u32) {
        self.frames += 1;
        let gap = self.last_shown.replace(now).map(|last| now.saturating_duration_since(last));
        if let Some(gap) = gap {
            self.judge_gap(gap);
        }
        let timestamp = self.unwrap.unwrap(rtp_timestamp);
        match (&mut self.span, gap) {
            (Some((_, newest)), Some(gap)) if goes_on(*newest, timestamp, gap) => {
                if timestamp > *newest {
                    remember(&mut self.ticks, timestamp - *newest);
                    *newest = timestamp;
                }
            }
            _ => {
                self.expected_before += self.expected_of_span();
                self.span = Some((timestamp, timestamp));
            }
        }
    }

    /// Frames that were published from the first one shown to the newest, reckoned from their usual distance. What was
    /// published while the server was away, and its time line with it, is nobody's loss and not counted.
    pub(crate) fn frames_expected(&self) -> u64 {
        (self.expected_before + self.expected_of_span()).max(self.frames)
    }

    fn expected_of_span(&self) -> u64 {
        let Some((first, newest)) = self.span else { return 0 };
        let mut ticks: Vec<u64> = self.ticks.iter().copied().collect();
        ticks.sort_unstable();
        let usual = ticks.get(ticks.len() / 2).copied().unwrap_or(newest - first).max(1);
        (newest - first + usual / 2) / usual + 1
    }

    /// As webrtc-stats: longer than the average and 150 ms more, or three times the average.
    fn judge_gap(&mut self, gap: Duration) {
        if self.gaps.len() >= RECENT / 2 {
            let average = self.gaps.iter().sum::<Duration>() / u32::try_from(self.gaps.len()).unwrap_or(1);
            if gap > (average * 3).max(average + FREEZE) {
                self.freezes += 1;
                self.frozen += gap;
            }
        }
        remember(&mut self.gaps, gap);
    }
}

/// Whether a timestamp is on the time line of the newest one, shown `gap` before it.
fn goes_on(newest: u64, timestamp: u64, gap: Duration) -> bool {
    let passed = timestamp.abs_diff(newest) as f64 / CLOCK_RATE;
    (passed - gap.as_secs_f64()).abs() < JUMP.as_secs_f64()
}

fn remember<T>(newest: &mut VecDeque<T>, item: T) {
    if newest.len() == RECENT {
        newest.pop_front();
    }
    newest.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows frames of 30 a second, those of `shown`, each in time.
    fn play(shown: impl IntoIterator<Item = u32>) -> Playback {
        let (start, mut playback) = (Instant::now(), Playback::default());
        for frame in shown {
            let now = start + Duration::from_micros(33_333) * frame;
            playback.show(now, (u32::MAX - 50_000).wrapping_add(frame * 3000));
        }
        playback
    }

    #[test]
    fn a_whole_stream_has_no_freeze_and_no_hole() {
        let playback = play(0..300);
        assert_eq!((playback.frames, playback.frames_expected(), playback.freezes), (300, 300, 0));
    }

    #[test]
    fn frames_that_never_came_are_expected() {
        let playback = play((0..300).filter(|frame| frame % 10 != 5));
        assert_eq!((playback.frames, playback.frames_expected(), playback.freezes), (270, 300, 0));
    }

    #[test]
    fn a_long_gap_is_a_freeze() {
        let playback = play((0..300).filter(|frame| !(100..110).contains(frame)));
        assert_eq!((playback.frames, playback.frames_expected(), playback.freezes), (290, 300, 1));
        assert!(playback.frozen > Duration::from_millis(350));
    }

    #[test]
    fn another_time_line_makes_no_hole() {
        let (start, mut playback) = (Instant::now(), Playback::default());
        for frame in 0..100_u32 {
            let line = if frame < 50 { 0 } else { 1_000_000_000 };
            playback.show(start + Duration::from_micros(33_333) * frame, line + frame * 3000);
        }
        assert_eq!((playback.frames, playback.frames_expected()), (100, 100));
    }

    #[test]
    fn a_stream_that_has_not_begun_expects_nothing() {
        assert_eq!(Playback::default().frames_expected(), 0);
        assert_eq!(play(0..1).frames_expected(), 1);
    }
}
