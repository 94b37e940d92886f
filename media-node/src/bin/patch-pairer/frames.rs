//! The last 2 s of decoded LR luma.

use std::collections::VecDeque;

use sr_net::Plane;

use crate::scenes::{Marks, Scenes};

/// How long a frame is kept, in 90 kHz ticks: 2 s.
const KEPT_TICKS: u64 = 180_000;
/// The most samples kept, whatever the size of the frames: 2 s of 640x360 at 60 frames a second.
const KEPT_SAMPLES: usize = 28 << 20;

/// One decoded LR frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) stream_time: u64,
    pub(crate) luma: Plane,
    pub(crate) phash: u64,
    /// Counted from 0.
    pub(crate) scene: u64,
}

/// Oldest first, stream times rising.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    frames: VecDeque<Frame>,
    samples: usize,
    scenes: Scenes,
}

/// A frame with those decoded just before and after it.
pub(crate) struct Neighbours<'a> {
    pub(crate) before: Option<&'a Frame>,
    pub(crate) after: Option<&'a Frame>,
}

impl Frames {
    pub(crate) fn push(&mut self, stream_time: u64, luma: Plane) {
        if self.newest().is_some_and(|newest| newest >= stream_time) {
            return;
        }
        self.samples += luma.samples().len();
        let marks = Marks::of(&luma);
        let scene = self.scenes.next(stream_time, marks);
        self.frames.push_back(Frame { stream_time, luma, phash: marks.phash, scene });
        while let Some(oldest) = self.frames.front() {
            let young = oldest.stream_time + KEPT_TICKS >= stream_time;
            if self.frames.len() <= 2 || (young && self.samples <= KEPT_SAMPLES) {
                break;
            }
            self.samples -= oldest.luma.samples().len();
            self.frames.pop_front();
        }
    }

    pub(crate) fn newest(&self) -> Option<u64> {
        self.frames.back().map(|frame| frame.stream_time)
    }

    pub(crate) fn position(&self, stream_time: u64) -> Option<usize> {
        self.frames.binary_search_by_key(&stream_time, |frame| frame.stream_time).ok()
    }

    pub(crate) fn get(&self, position: usize) -> (&Frame, Neighbours<'_>) {
        let before = position.checked_sub(1).and_then(|before| self.frames.get(before));
        (&self.frames[position], Neighbours { before, after: self.frames.get(position + 1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_are_kept() {
        let mut frames = Frames::default();
        for index in 0..100 {
            frames.push(index * 3000, Plane::filled(16, 8, index as u8));
        }
        assert_eq!(frames.frames.front().map(|frame| frame.stream_time), Some(99 * 3000 - KEPT_TICKS));
        assert_eq!(frames.position(99 * 3000), Some(frames.frames.len() - 1));
        assert_eq!(frames.position(1), None);
    }

    #[test]
    fn large_frames_are_kept_for_less() {
        let mut frames = Frames::default();
        for index in 0..40 {
            frames.push(index * 3000, Plane::filled(1920, 1080, 0));
        }
        assert!(frames.samples <= KEPT_SAMPLES, "{}", frames.samples);
    }

    #[test]
    fn each_frame_has_its_scene() {
        let mut frames = Frames::default();
        for (index, luma) in [20, 22, 200, 202].into_iter().enumerate() {
            frames.push(index as u64 * 3000, Plane::filled(16, 8, luma));
        }
        assert_eq!([0, 1, 2, 3].map(|position| frames.get(position).0.scene), [0, 0, 1, 1]);
    }

    #[test]
    fn a_frame_that_is_no_newer_is_left_out() {
        let mut frames = Frames::default();
        frames.push(3000, Plane::filled(16, 8, 1));
        frames.push(3000, Plane::filled(16, 8, 2));
        assert_eq!((frames.frames.len(), frames.samples), (1, 128));
        assert_eq!(frames.get(0).0.luma.samples()[0], 1);
    }
}
