//! Exact bicubic: Keys' kernel with a = −0.5, half-pixel centres, edges replicated, f32, clamped, rounded half up.

use crate::Plane;

/// The weights of the 4 source samples around an output sample, for each of the `scale` phases, with the offset of
/// the first of them from the source sample `floor(output / scale)`.
#[must_use]
pub fn bicubic_kernel(_scale: usize) -> Vec<(isize, [f32; 4])> {
    todo!()
}

/// `src` (`width * height`, any range) to `scale` times its size, neither clamped nor rounded.
#[must_use]
pub fn upsample(_src: &[f32], _width: usize, _height: usize, _scale: usize) -> Vec<f32> {
    todo!()
}

/// `src` to `scale` times its size.
#[must_use]
pub fn bicubic(_src: &Plane, _scale: usize) -> Plane {
    todo!()
}
