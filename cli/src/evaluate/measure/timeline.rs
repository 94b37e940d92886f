//! The frames that were due: those sent, and those of the clip between them that were not.

use std::ops::Range;

use super::super::recording::{SentFrame, VIDEO_CLOCK_RATE};

/// A frame of the clip at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DueFrame {
    /// RTP ticks since the first frame sent: its capture time
    pub(crate) ticks: u64,
    pub(crate) clip_frame_index: u64,
    /// Which of the frames sent it is; `None`: the publisher left it out
    pub(crate) sent: Option<usize>,
}

impl DueFrame {
    /// Second of the run.
    pub(crate) fn second(&self) -> usize {
        usize::try_from(self.ticks / VIDEO_CLOCK_RATE).unwrap_or(usize::MAX)
    }
}

/// All frames that viewers should have seen from the first one sent to the last. `lap`: the indices of the clip, where it
/// was repeated.
pub(crate) fn due_frames(sent: &[SentFrame], lap: Option<Range<u64>>) -> Vec<DueFrame> {
    let interval = usual_interval(sent);
    let lap = lap.unwrap_or(0..u64::MAX);
    let mut due = Vec::with_capacity(sent.len());
    for (index, frame) in sent.iter().enumerate() {
        if let Some(before) = index.checked_sub(1).map(|before| &sent[before]) {
            due.extend(left_out(before, frame, interval, &lap));
        }
        due.push(DueFrame { ticks: frame.ticks, clip_frame_index: frame.clip_frame_index, sent: Some(index) });
    }
    due
}

/// From one frame to the next, in ticks: the median.
pub(crate) fn usual_interval(sent: &[SentFrame]) -> u64 {
    let mut intervals: Vec<u64> = sent.windows(2).map(|pair| pair[1].ticks.saturating_sub(pair[0].ticks)).collect();
    intervals.sort_unstable();
    intervals.get(intervals.len() / 2).copied().unwrap_or(0).max(1)
}

/// Frames between two that were sent, evenly: as many as their time has room for and the clip has there.
fn left_out(before: &SentFrame, after: &SentFrame, interval: u64, lap: &Range<u64>) -> Vec<DueFrame> {
    let (first, last) = (before.clip_frame_index, after.clip_frame_index);
    let ticks = after.ticks.saturating_sub(before.ticks);
    // The clip began again where its index falls.
    let steps = if last > first { last - first } else { lap.end.saturating_sub(first) + last - lap.start };
    let parts = ((ticks + interval / 2) / interval).min(steps).max(1);
    let place = |part: u64| {
        let index = first + steps * part / parts;
        let index = if index < lap.end { index } else { index - lap.end + lap.start };
        DueFrame { ticks: before.ticks + ticks * part / parts, clip_frame_index: index, sent: None }
    };
    (1..parts).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames 30 a second at these indices, with the time they stand at.
    fn sent(frames: &[(u64, u64)]) -> Vec<SentFrame> {
        let frame = |&(place, clip_frame_index): &(u64, u64)| SentFrame {
            rtp_timestamp: 0,
            ticks: place * 3000,
            clip_frame_index,
            sent_unix_us: 0,
        };
        frames.iter().map(frame).collect()
    }

    #[test]
    fn a_clip_that_begins_in_its_middle_is_repeated_from_there() {
        let due = due_frames(&sent(&[(0, 28), (1, 29), (2, 20), (4, 22), (5, 23)]), Some(20..30));
        let indices: Vec<_> = due.iter().map(|due| due.clip_frame_index).collect();
        assert_eq!(indices, [28, 29, 20, 21, 22, 23]);
    }

    #[test]
    fn frames_left_out_are_due_at_their_time() {
        for (frames, expected) in [
            (vec![(0, 0), (1, 1), (2, 2)], vec![]),
            (vec![(0, 0), (1, 1), (4, 4), (5, 5)], vec![(2, 2), (3, 3)]),
            // a clip of its own pace: nothing is there between
            (vec![(0, 0), (1, 1), (4, 2), (5, 3)], vec![]),
            // every other frame is what was asked for
            (vec![(0, 0), (1, 2), (2, 4), (4, 2), (5, 4)], vec![(3, 0)]),
            // three of four
            (vec![(0, 0), (1, 1), (2, 3), (3, 4), (4, 5)], vec![]),
            // over the end of a clip of six
            (vec![(0, 3), (1, 4), (3, 0), (4, 1)], vec![(2, 5)]),
            (vec![(0, 4), (1, 5), (3, 1), (4, 2)], vec![(2, 0)]),
            (vec![(0, 3), (1, 4), (4, 1), (5, 2), (6, 3), (7, 4)], vec![(2, 5), (3, 0)]),
            (vec![(0, 0)], vec![]),
            (vec![], vec![]),
        ] {
            let due = due_frames(&sent(&frames), Some(0..6));
            let added = due.iter().filter(|due| due.sent.is_none());
            let added: Vec<_> = added.map(|due| (due.ticks / 3000, due.clip_frame_index)).collect();
            assert_eq!(added, expected, "{frames:?}");
            assert!(due.is_sorted_by_key(|due| due.ticks));
            assert_eq!(
                due.iter().filter_map(|due| due.sent).collect::<Vec<_>>(),
                (0..frames.len()).collect::<Vec<_>>()
            );
        }
    }
}
