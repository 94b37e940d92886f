//! Small grey pictures as patches carry them.
//!
//! Samples are stored as they are, 0 to 255, in every coding: no range conversion. Bytes to decode come from a peer:
//! they may be anything, and cost at most [`MAX_BYTES`] and [`MAX_PIXELS`].

mod codec;
mod header;

use proto::v1::PixelCoding;
use sr_net::Plane;

use crate::MediaError;

/// The most pixels of one patch that are coded or decoded.
pub const MAX_PIXELS: usize = 512 * 512;

/// The most bytes of one coded patch.
pub const MAX_BYTES: usize = 1 << 20;

/// Codes luma samples as they are (no range conversion). `quality` 1 to 100 for JPEG and WebP.
///
/// # Errors
/// When the picture is too large, or FFmpeg lacks the encoder.
pub fn encode(plane: &Plane, coding: PixelCoding, quality: u32) -> Result<Vec<u8>, MediaError> {
    check_size(plane.width(), plane.height())?;
    match coding {
        PixelCoding::Raw => Ok(plane.samples().to_vec()),
        PixelCoding::RawZstd => zstd::bulk::compress(plane.samples(), 3)
            .map_err(|error| MediaError::Unsupported(format!("compressing a picture: {error}"))),
        PixelCoding::Png => codec::encode_png(plane),
        PixelCoding::Jpeg => codec::encode_jpeg(plane, quality.clamp(1, 100)),
        PixelCoding::Webp => codec::encode_webp(plane, quality.clamp(1, 100)),
        PixelCoding::Unspecified => Err(unspecified()),
    }
}

/// Decodes `width * height` luma samples.
///
/// # Errors
/// When the bytes are damaged or hold a picture of another size: checked in the header, before memory is taken for it.
pub fn decode(bytes: &[u8], coding: PixelCoding, width: usize, height: usize) -> Result<Plane, MediaError> {
    check_size(width, height)?;
    if bytes.len() > MAX_BYTES {
        return Err(MediaError::Damaged(format!("a coded picture of {} bytes: at most {MAX_BYTES}", bytes.len())));
    }
    match coding {
        PixelCoding::Raw => plane(width, height, bytes.to_vec()),
        PixelCoding::RawZstd => {
            let samples = zstd::bulk::decompress(bytes, width * height)
                .map_err(|error| MediaError::Damaged(format!("decompressing a picture: {error}")))?;
            plane(width, height, samples)
        }
        PixelCoding::Png => codec::decode(checked(bytes, header::png_size(bytes), width, height)?, coding),
        PixelCoding::Jpeg => codec::decode(checked(bytes, header::jpeg_size(bytes), width, height)?, coding),
        PixelCoding::Webp => codec::decode(checked(bytes, header::webp_size(bytes), width, height)?, coding),
        PixelCoding::Unspecified => Err(unspecified()),
    }
    .and_then(|decoded| {
        let size = (decoded.width(), decoded.height());
        if size == (width, height) { Ok(decoded) } else { Err(wrong_size(size, width, height)) }
    })
}

fn check_size(width: usize, height: usize) -> Result<(), MediaError> {
    match width.checked_mul(height) {
        Some(1..=MAX_PIXELS) => Ok(()),
        _ => Err(MediaError::Unsupported(format!("a patch of {width}x{height} pixels: use 1 to {MAX_PIXELS} in all"))),
    }
}

fn plane(width: usize, height: usize, samples: Vec<u8>) -> Result<Plane, MediaError> {
    let length = samples.len();
    Plane::new(width, height, samples)
        .ok_or_else(|| MediaError::Damaged(format!("{length} samples for a picture of {width}x{height}")))
}

/// `bytes` when their header names the size that is expected.
fn checked(bytes: &[u8], named: Option<(usize, usize)>, width: usize, height: usize) -> Result<&[u8], MediaError> {
    match named {
        Some(size) if size == (width, height) => Ok(bytes),
        Some(size) => Err(wrong_size(size, width, height)),
        None => Err(MediaError::Damaged("a picture without a whole header or end".to_owned())),
    }
}

fn wrong_size(size: (usize, usize), width: usize, height: usize) -> MediaError {
    MediaError::Damaged(format!("a picture of {}x{} where {width}x{height} is due", size.0, size.1))
}

fn unspecified() -> MediaError {
    MediaError::Unsupported("the coding of a picture is not specified".to_owned())
}
