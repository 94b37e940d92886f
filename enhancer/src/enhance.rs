//! The thread that enhances and encodes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc as threads,
    },
    time::{Duration, Instant},
};

use media::AccessUnit;
use tokio::sync::{mpsc, watch};

use crate::{
    metrics::{EnhancerMetrics, Outcome},
    pipeline::{LrFrame, Pipeline},
    prepare::Prepared,
    slot::{Taken, Taker},
};

/// What the thread shares with others.
pub(crate) struct Surroundings {
    pub(crate) changes: threads::Receiver<Prepared>,
    pub(crate) units: mpsc::Sender<AccessUnit>,
    /// Somebody cannot go on without a key frame.
    pub(crate) keyframe_wanted: Arc<AtomicBool>,
    /// Size of the frames, for those who prepare models.
    pub(crate) frame_size: watch::Sender<Option<(usize, usize)>>,
    pub(crate) state: watch::Sender<EnhancerState>,
    pub(crate) metrics: EnhancerMetrics,
}

/// What reports say of the thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EnhancerState {
    pub(crate) version: u64,
    pub(crate) p95: Duration,
    pub(crate) refused: String,
}

/// Weights change hands within this even where no frames come.
const IDLE: Duration = Duration::from_millis(50);

/// Sizes of frames that could not be coded, so that each is complained of once.
#[derive(Debug, Default)]
struct Uncodable(Vec<(usize, usize)>);

/// A source that changes its size for ever fills neither memory nor logs.
const MOST_UNCODABLE: usize = 16;

/// Runs until the decoder is gone.
pub(crate) fn run(mut pipeline: Pipeline, frames: &Taker<LrFrame>, surroundings: &Surroundings) {
    let mut uncodable = Uncodable::default();
    loop {
        let frame = match frames.take(IDLE) {
            Taken::Item(frame) => Some(frame),
            Taken::Nothing => None,
            Taken::Closed => return,
        };
        surroundings.take_changes(&mut pipeline);
        if let Some(frame) = frame {
            surroundings.enhance(&mut pipeline, &frame, &mut uncodable);
        }
        surroundings.tell(&pipeline);
    }
}

impl Surroundings {
    fn take_changes(&self, pipeline: &mut Pipeline) {
        for Prepared { change, received } in self.changes.try_iter() {
            tracing::info!(?change, "weights");
            pipeline.handle_change(Instant::now(), change);
            self.metrics.record_swap(received.elapsed());
        }
    }

    fn enhance(&self, pipeline: &mut Pipeline, frame: &LrFrame, uncodable: &mut Uncodable) {
        let size = (frame.picture.width(), frame.picture.height());
        self.frame_size.send_if_modified(|known| known.replace(size) != Some(size));
        if self.units.capacity() == 0 {
            self.drop_frame();
            return;
        }
        match pipeline.enhance(frame, self.keyframe_wanted.swap(false, Relaxed)) {
            Ok(Some(enhanced)) => {
                if let Some(took) = enhanced.network_time {
                    self.metrics.record_network(took);
                }
                self.metrics.record_delay(frame.arrived.elapsed());
                self.metrics.count(enhanced.network_time.map_or(Outcome::Bicubic, |_| Outcome::Enhanced));
                if self.units.try_send(enhanced.unit).is_err() {
                    self.drop_frame();
                }
            }
            Ok(None) => {}
            Err(error) => {
                if uncodable.is_new(size) {
                    tracing::warn!(width = size.0, height = size.1, %error, "frames of this size cannot be coded");
                }
                self.drop_frame();
            }
        }
    }

    fn drop_frame(&self) {
        self.metrics.count(Outcome::Dropped);
        self.keyframe_wanted.store(true, Relaxed);
    }

    fn tell(&self, pipeline: &Pipeline) {
        let live = pipeline.live();
        self.metrics.set_version(live.version());
        let state = EnhancerState { version: live.version(), p95: pipeline.p95(), refused: live.refused().to_owned() };
        self.state.send_if_modified(|known| {
            let changed = *known != state;
            *known = state;
            changed
        });
    }
}

impl Uncodable {
    fn is_new(&mut self, size: (usize, usize)) -> bool {
        let new = self.0.len() < MOST_UNCODABLE && !self.0.contains(&size);
        if new {
            self.0.push(size);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_is_complained_of_once_and_only_so_many() {
        let mut uncodable = Uncodable::default();
        let sizes = [(2, 2), (2, 2), (4, 2), (2, 2), (4, 2)];
        assert_eq!(sizes.map(|size| uncodable.is_new(size)), [true, false, true, false, false]);
        let complaints = (0..1_000).filter(|&width| uncodable.is_new((width, 6))).count();
        assert_eq!(complaints, MOST_UNCODABLE - 2);
    }
}
