//! Pairs and checkpoints for the tests of this module.

use std::sync::Arc;

use proto::{
    StreamName,
    v1::{Checkpoint, PixelCoding, Rect, Selection, TrainingPatch},
};
use sha2::{Digest, Sha256};
use sr_net::{Convolution, Network, Plane, Precision, Weights};

use super::pair::Pair;

pub(super) const NETWORK: Network = Network { scale: 2, unshuffle: 1, features: 2, layers: 2 };

pub(super) fn stream() -> StreamName {
    StreamName::new("default", "demo").expect("two labels")
}

/// LR texture of 16x16 and its HR picture: bicubic and `detail` times what [`sharpening`] adds.
pub(super) fn training_patch(stream_time: u64, detail: f32) -> TrainingPatch {
    let luma =
        |x: u64, y: u64| 128.0 + 60.0 * (((x * 7 + stream_time % 97) as f64) / 5.0).sin() * ((y as f64) / 2.0).cos();
    let lr: Vec<u8> = (0..256).map(|index| luma(index % 16, index / 16) as u8).collect();
    let plane = Plane::new(16, 16, lr.clone()).expect("16x16 samples");
    let hr = sr_net::enhance(&sharpening(detail), &plane);
    TrainingPatch {
        stream: Some(stream().to_id()),
        stream_time,
        rect: Some(Rect { x: 0, y: 0, width: 32, height: 32 }),
        scale: 2,
        lr_coding: PixelCoding::Raw.into(),
        lr_luma: lr.into(),
        hr_coding: PixelCoding::Raw.into(),
        hr_luma: hr.into_samples().into(),
        selection: Selection::Random.into(),
        ..Default::default()
    }
}

pub(super) fn pair(stream_time: u64, detail: f32) -> Arc<Pair> {
    Arc::new(Pair::new(&training_patch(stream_time, detail)).expect("a raw pair"))
}

/// Bicubic and `strength` times a Laplacian of the LR samples, on all four samples of an LR one.
pub(super) fn sharpening(strength: f32) -> Weights {
    let mut weights = Weights::zero(NETWORK);
    let laplacian = [0.0, -1.0, 0.0, -1.0, 4.0, -1.0, 0.0, -1.0, 0.0];
    let [first, last] = weights.convolutions.as_mut_slice() else { unreachable!("the network has two layers") };
    // The ReLU between them keeps the positive half in one channel, the negative half in the other.
    first.weight = laplacian.iter().copied().chain(laplacian.map(|tap| -tap)).collect();
    *last = Convolution { weight: vec![0.0; 4 * 2 * 9], bias: vec![0.0; 4] };
    for output in 0..4 {
        last.weight[output * 18 + 4] = strength;
        last.weight[output * 18 + 9 + 4] = -strength;
    }
    weights
}

pub(super) fn checkpoint(version: u64, weights: &Weights) -> Checkpoint {
    let safetensors = weights.to_safetensors(Precision::F32);
    Checkpoint {
        stream: Some(stream().to_id()),
        version,
        network: Some(weights.network.to_proto()),
        sha256: Sha256::digest(&safetensors).to_vec().into(),
        safetensors: safetensors.into(),
        ..Default::default()
    }
}
