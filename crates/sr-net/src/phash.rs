//! A 64-bit perceptual hash: tells a scene from another.

use crate::Plane;

/// 32×32 area mean, 2-D DCT-II, the 8×8 lowest frequencies without the constant one against their median.
#[must_use]
pub fn phash(_plane: &Plane) -> u64 {
    todo!()
}

/// Bits that differ, 0 to 64.
#[must_use]
pub fn hamming(a: u64, b: u64) -> u32 {
    (a ^ b).count_ones()
}
