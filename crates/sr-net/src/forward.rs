//! The forward pass in f32.

use crate::{Plane, Weights};

/// `lr` through the network: `scale` times its size, luma/255 inside, clamped, rounded half up.
/// With unshuffle 2 an odd side is replicated by one sample for the network and cut off again.
#[must_use]
pub fn enhance(_weights: &Weights, _lr: &Plane) -> Plane {
    todo!()
}

/// The same without clamp and rounding; input and output are luma/255.
#[must_use]
pub fn forward(_weights: &Weights, _lr: &[f32], _width: usize, _height: usize) -> Vec<f32> {
    todo!()
}
