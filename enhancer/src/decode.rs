//! The thread that decodes: every frame, so that the next one can be.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use media::Decoder;
use tokio::sync::{Notify, mpsc};

use crate::{
    frame_rate::FrameRate,
    metrics::{EnhancerMetrics, Outcome},
    pipeline::LrFrame,
    queue::Giver,
};

/// What came over the network.
#[derive(Debug)]
pub(crate) enum Coded {
    Frame {
        arrived: Instant,
        timestamp: u64,
        data: Bytes,
    },
    /// Frames are missing: what follows may hang on them.
    Lost,
}

/// Runs until `coded` ends. Asks for a key frame through `keyframe_wanted` as long as it needs one.
pub(crate) fn run(
    mut decoder: Decoder,
    mut coded: mpsc::Receiver<Coded>,
    frames: &Giver<LrFrame>,
    keyframe_wanted: &Arc<Notify>,
    metrics: &EnhancerMetrics,
) {
    let mut rate = FrameRate::default();
    while let Some(coded) = coded.blocking_recv() {
        let Coded::Frame { arrived, timestamp, data } = coded else {
            decoder.lost();
            keyframe_wanted.notify_one();
            continue;
        };
        match decoder.decode(&data, timestamp) {
            Ok(decoded) => {
                for frame in decoded {
                    rate.record(frame.timestamp);
                    let interval = rate.interval();
                    let frame = LrFrame { arrived, timestamp: frame.timestamp, interval, picture: frame.picture };
                    if frames.give(frame).is_some() {
                        metrics.count(Outcome::Dropped);
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, timestamp, "a frame is not decoded");
                metrics.count_damaged();
                keyframe_wanted.notify_one();
            }
        }
    }
}
