//! The thread that enhances.

use std::{sync::mpsc as threads, time::Duration};

use tokio::sync::watch;

use crate::{
    metrics::EnhancerMetrics,
    pipeline::{Enlarged, LrFrame, Pipeline},
    prepare::Prepared,
    queue::{Taken, Taker},
};

/// What the thread shares with others.
pub(crate) struct Surroundings {
    pub(crate) changes: threads::Receiver<Prepared>,
    /// To those who encode.
    pub(crate) enlarged: threads::SyncSender<Enlarged>,
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

/// Runs until the decoder is gone, or nobody encodes any more.
pub(crate) fn run(mut pipeline: Pipeline, frames: &Taker<LrFrame>, surroundings: &Surroundings) {
    loop {
        let frame = match frames.take(IDLE) {
            Taken::Item(frame) => Some(frame),
            Taken::Nothing => None,
            Taken::Closed => return,
        };
        surroundings.take_changes(&mut pipeline);
        if let Some(frame) = frame {
            surroundings.tell_size(&frame);
            if surroundings.enlarged.send(pipeline.enlarge(frame)).is_err() {
                return;
            }
        }
        surroundings.tell(&pipeline);
    }
}

impl Surroundings {
    fn take_changes(&self, pipeline: &mut Pipeline) {
        for Prepared { change, received } in self.changes.try_iter() {
            tracing::info!("weights: {change}");
            pipeline.handle_change(change);
            self.metrics.record_swap(received.elapsed());
        }
    }

    fn tell_size(&self, frame: &LrFrame) {
        let size = (frame.picture.width(), frame.picture.height());
        self.frame_size.send_if_modified(|known| known.replace(size) != Some(size));
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
