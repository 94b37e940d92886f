//! The thread that encodes, while the network is at the next frame.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
    mpsc as threads,
};

use media::AccessUnit;
use tokio::sync::mpsc;

use crate::{
    coder::Coder,
    metrics::{EnhancerMetrics, Outcome},
    pipeline::Enlarged,
};

pub(crate) struct Encode {
    pub(crate) coder: Coder,
    pub(crate) frames: threads::Receiver<Enlarged>,
    pub(crate) units: mpsc::Sender<AccessUnit>,
    /// Somebody cannot go on without a key frame.
    pub(crate) keyframe_wanted: Arc<AtomicBool>,
    pub(crate) metrics: EnhancerMetrics,
}

/// Sizes of frames that could not be coded, so that each is complained of once.
#[derive(Debug, Default)]
struct Uncodable(Vec<(usize, usize)>);

/// A source that changes its size for ever fills neither memory nor logs.
const MOST_UNCODABLE: usize = 16;

impl Encode {
    /// Runs until nobody enhances any more.
    pub(crate) fn run(mut self) {
        let mut uncodable = Uncodable::default();
        while let Ok(enlarged) = self.frames.recv() {
            self.encode(enlarged, &mut uncodable);
        }
    }

    fn encode(&mut self, enlarged: Enlarged, uncodable: &mut Uncodable) {
        if self.units.capacity() == 0 {
            self.drop_frame();
            return;
        }
        let (arrived, network_time) = (enlarged.lr.arrived, enlarged.network_time);
        let (width, height) = (enlarged.luma.width(), enlarged.luma.height());
        match self.coder.code(enlarged, self.keyframe_wanted.swap(false, Relaxed)) {
            Ok(Some(unit)) => {
                if let Some(took) = network_time {
                    self.metrics.record_network(took);
                }
                self.metrics.record_delay(arrived.elapsed());
                self.metrics.count(network_time.map_or(Outcome::Bicubic, |_| Outcome::Enhanced));
                if self.units.try_send(unit).is_err() {
                    self.drop_frame();
                }
            }
            Ok(None) => {}
            Err(error) => {
                if uncodable.is_new((width, height)) {
                    tracing::warn!(width, height, %error, "pictures of this size cannot be coded");
                }
                self.drop_frame();
            }
        }
    }

    fn drop_frame(&self) {
        self.metrics.count(Outcome::Dropped);
        self.keyframe_wanted.store(true, Relaxed);
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
