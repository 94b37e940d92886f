//! Small grey pictures as patches carry them.

use proto::v1::PixelCoding;
use sr_net::Plane;

use crate::MediaError;

/// The most pixels of one patch that are decoded.
pub const MAX_PIXELS: usize = 512 * 512;

/// Codes luma samples as they are (no range conversion). `quality` 1 to 100 for JPEG and WebP.
///
/// # Errors
/// When FFmpeg lacks the encoder.
pub fn encode(_plane: &Plane, _coding: PixelCoding, _quality: u32) -> Result<Vec<u8>, MediaError> {
    todo!()
}

/// Decodes `width * height` luma samples.
///
/// # Errors
/// When the bytes are damaged or hold a picture of another size: checked in the header, before memory is taken for it.
pub fn decode(_bytes: &[u8], _coding: PixelCoding, _width: usize, _height: usize) -> Result<Plane, MediaError> {
    todo!()
}
