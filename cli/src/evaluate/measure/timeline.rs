//! The frames that were due: those sent, and those of the clip between them that were not.

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

/// All frames that viewers should have seen from the first one sent to the last.
pub(crate) fn due_frames(sent: &[SentFrame]) -> Vec<DueFrame> {
    let interval = usual_interval(sent);
    let clip_frames = sent.iter().map(|frame| frame.clip_frame_index + 1).max().unwrap_or(1);
    let mut due = Vec::with_capacity(sent.len());
    for (index, frame) in sent.iter().enumerate() {
        if let Some(before) = index.checked_sub(1).map(|before| &sent[before]) {
            due.extend(left_out(before, frame, interval, clip_frames));
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
fn left_out(
    before: &SentFrame,
    after: &SentFrame,
    interval: u64,
    clip_frames: u64,
) -> impl Iterator<Item = DueFrame> + use<> {
    let ticks = after.ticks.saturating_sub(before.ticks);
    // the clip began again where its index falls
    let lap = if after.clip_frame_index <= before.clip_frame_index { clip_frames } else { 0 };
    let steps = after.clip_frame_index + lap - before.clip_frame_index;
    let parts = ((ticks + interval / 2) / interval).min(steps).max(1);
    let before = *before;
    (1..parts).map(move |part| DueFrame {
        ticks: before.ticks + ticks * part / parts,
        clip_frame_index: (before.clip_frame_index + steps * part / parts) % clip_frames,
        sent: None,
    })
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
    fn frames_left_out_are_due_at_their_time() {
        for (frames, expected) in [
            (vec![(0, 0), (1, 1), (2, 2)], vec![]),
            (vec![(0, 0), (1, 1), (4, 4), (5, 5)], vec![(2, 2), (3, 3)]),
            // a clip of its own pace: nothing is there between
            (vec![(0, 0), (1, 1), (4, 2), (5, 3)], vec![]),
            // every other frame is what was asked for
            (vec![(0, 0), (1, 2), (2, 4), (4, 8)], vec![(3, 6)]),
            // three of four
            (vec![(0, 0), (1, 1), (2, 3), (3, 4), (4, 5), (5, 7)], vec![]),
            // over the end of a clip of six
            (vec![(0, 4), (1, 5), (2, 0), (3, 1), (4, 2), (5, 3), (6, 4), (8, 0)], vec![(7, 5)]),
            (vec![(0, 5), (1, 6), (2, 7), (4, 1)], vec![(3, 0)]),
            (vec![(0, 0)], vec![]),
            (vec![], vec![]),
        ] {
            let due = due_frames(&sent(&frames));
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
