//! Puts the pictures and the sound of a file, which come in the order of its packets, into the order of their times.

use std::{collections::VecDeque, time::Duration};

use super::{AudioSamples, SourceItem};

/// The most that one kind waits for the other: a file whose sound ends early must not pile up pictures.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Interleave {
    video: VecDeque<(Duration, SourceItem)>,
    audio: VecDeque<(Duration, SourceItem)>,
    has_audio: bool,
    ended: bool,
}

impl Interleave {
    pub(super) fn new(has_audio: bool) -> Self {
        Self { video: VecDeque::new(), audio: VecDeque::new(), has_audio, ended: false }
    }

    pub(super) fn push_video(&mut self, item: SourceItem) {
        if let SourceItem::Video { at, .. } = item {
            self.video.push_back((at, item));
        }
    }

    pub(super) fn push_audio(&mut self, samples: AudioSamples) {
        self.audio.push_back((samples.at, SourceItem::Audio(samples)));
    }

    /// Nothing more comes: what waits goes out.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// The next item, once it is known that nothing earlier can come.
    pub(super) fn pop(&mut self) -> Option<SourceItem> {
        let queue = match (self.video.front(), self.audio.front()) {
            (Some((video, _)), Some((audio, _))) if audio <= video => &mut self.audio,
            (Some(_), Some(_)) => &mut self.video,
            (Some(_), None) if self.ended || !self.has_audio || waited(&self.video) => &mut self.video,
            (None, Some(_)) if self.ended || waited(&self.audio) => &mut self.audio,
            _ => return None,
        };
        queue.pop_front().map(|(_, item)| item)
    }
}

fn waited(queue: &VecDeque<(Duration, SourceItem)>) -> bool {
    match (queue.front(), queue.back()) {
        (Some((first, _)), Some((last, _))) => last.saturating_sub(*first) > LONGEST_WAIT,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use sr_net::Plane;

    use super::*;
    use crate::Picture;

    fn video(ms: u64) -> SourceItem {
        let dot = Plane::filled(2, 2, 0);
        let picture = Picture { y: dot.clone(), u: Plane::filled(1, 1, 0), v: Plane::filled(1, 1, 0) };
        SourceItem::Video { at: Duration::from_millis(ms), index: 0, picture }
    }

    fn audio(ms: u64) -> AudioSamples {
        AudioSamples { at: Duration::from_millis(ms), samples: Vec::new() }
    }

    fn times(queue: &mut Interleave) -> Vec<(char, u128)> {
        std::iter::from_fn(|| queue.pop())
            .map(|item| match item {
                SourceItem::Video { at, .. } => ('v', at.as_millis()),
                SourceItem::Audio(samples) => ('a', samples.at.as_millis()),
                SourceItem::NotYet => panic!("nothing waits in a queue"),
            })
            .collect()
    }

    #[test]
    fn items_come_out_in_the_order_of_their_times() {
        let mut queue = Interleave::new(true);
        for ms in [0, 40, 80] {
            queue.push_video(video(ms));
        }
        assert_eq!(times(&mut queue), []);
        for ms in [0, 21, 42] {
            queue.push_audio(audio(ms));
        }
        assert_eq!(times(&mut queue), [('a', 0), ('v', 0), ('a', 21), ('v', 40), ('a', 42)]);
        queue.end();
        assert_eq!(times(&mut queue), [('v', 80)]);
    }

    #[test]
    fn pictures_do_not_wait_for_sound_that_never_comes() {
        let mut queue = Interleave::new(true);
        for frame in 0..50 {
            queue.push_video(video(frame * 40));
        }
        assert_eq!(times(&mut queue).len(), 24);
        let mut silent = Interleave::new(false);
        silent.push_video(video(0));
        assert_eq!(times(&mut silent), [('v', 0)]);
    }
}
