//! Decoded frames in, enlarged luma out.

use std::time::{Duration, Instant};

use media::Picture;
use sr_model::Inference;
use sr_net::Plane;

use crate::{
    deadline::Deadline,
    live::{Change, Live},
};

/// A decoded frame.
#[derive(Debug)]
pub struct LrFrame {
    /// When its last packet came.
    pub arrived: Instant,
    /// RTP time, unwrapped.
    pub timestamp: u64,
    /// From one frame of the source to the next.
    pub interval: Duration,
    pub picture: Picture,
}

/// A frame whose luma is enlarged; its chroma is left to those who code it, who have more time.
#[derive(Debug)]
pub struct Enlarged {
    pub lr: LrFrame,
    pub luma: Plane,
    /// What the network took; `None`: it is bicubic.
    pub network_time: Option<Duration>,
}

#[derive(Debug)]
pub struct Pipeline {
    scale: usize,
    live: Live<Inference>,
    deadline: Deadline,
}

impl Pipeline {
    #[must_use]
    pub fn new(scale: usize) -> Self {
        Self { scale, live: Live::default(), deadline: Deadline::default() }
    }

    pub fn handle_change(&mut self, change: Change<Inference>) {
        self.live.handle_change(change);
    }

    #[must_use]
    pub fn live(&self) -> &Live<Inference> {
        &self.live
    }

    /// The time within which 95 of 100 frames are through the network.
    #[must_use]
    pub fn p95(&self) -> Duration {
        self.deadline.p95()
    }

    pub fn enlarge(&mut self, lr: LrFrame) -> Enlarged {
        let (luma, network_time) = self.enlarge_luma(&lr);
        Enlarged { lr, luma, network_time }
    }

    /// Luma through the network where there are weights and time, else bicubic.
    fn enlarge_luma(&mut self, frame: &LrFrame) -> (Plane, Option<Duration>) {
        let luma = &frame.picture.y;
        let begun = Instant::now();
        let in_time = self.deadline.allows(begun, frame.arrived, frame.interval);
        if let Some(model) = self.live.model().filter(|_| in_time) {
            match model.run(luma) {
                Ok(enhanced) => {
                    let took = begun.elapsed();
                    self.deadline.record(Instant::now(), took);
                    return (enhanced, Some(took));
                }
                Err(error) => tracing::warn!(%error, "this frame is bicubic"),
            }
        }
        (sr_net::bicubic(luma, self.scale), None)
    }
}
