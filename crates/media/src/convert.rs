//! Frames of any pixel format and colour range to 8-bit 4:2:0 in limited range.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::{color::Range, ffi, format::Pixel, software::scaling::Flags};

use crate::{
    MediaError, Picture,
    error::Doing,
    ffi::{Scaler, Side},
    frame,
};

/// Converts frame after frame; keeps what it needs while they are alike.
#[derive(Default)]
pub(crate) struct Converter {
    scaler: Option<(Side, Scaler)>,
}

impl Converter {
    /// The samples of `frame`; no matrix is applied where they are YUV already.
    pub(crate) fn convert(&mut self, frame: &ffmpeg::frame::Video) -> Result<Picture, MediaError> {
        let from = side_of(frame);
        if from.format == Pixel::YUV420P && !from.full_range {
            return Ok(frame::read_picture(frame));
        }
        let to = Side { format: Pixel::YUV420P, full_range: false, ..from };
        if !matches!(&self.scaler, Some((side, _)) if *side == from) {
            let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INT;
            let scaler = Scaler::new(from, to, flags).ok_or_else(|| {
                MediaError::Unsupported(format!("pictures in pixel format {:?} cannot be converted", from.format))
            })?;
            self.scaler = Some((from, scaler));
        }
        let (_, scaler) = self.scaler.as_mut().expect("made above");
        let mut converted = ffmpeg::frame::Video::new(to.format, to.width, to.height);
        scaler.run(frame, &mut converted).doing("converting a picture to 8-bit 4:2:0")?;
        Ok(frame::read_picture(&converted))
    }
}

fn side_of(frame: &ffmpeg::frame::Video) -> Side {
    let (format, full_by_format) = without_range(frame.format());
    Side {
        format,
        width: frame.width(),
        height: frame.height(),
        full_range: full_by_format || frame.color_range() == Range::JPEG,
        // RGB becomes what players take pictures of this size for.
        matrix: if frame.height() >= 720 { ffi::SWS_CS_ITU709 } else { ffi::SWS_CS_ITU601 },
    }
}

/// The old names that mean full range, as today's name and that range.
fn without_range(format: Pixel) -> (Pixel, bool) {
    match format {
        Pixel::YUVJ420P => (Pixel::YUV420P, true),
        Pixel::YUVJ422P => (Pixel::YUV422P, true),
        Pixel::YUVJ444P => (Pixel::YUV444P, true),
        Pixel::YUVJ440P => (Pixel::YUV440P, true),
        Pixel::YUVJ411P => (Pixel::YUV411P, true),
        other => (other, false),
    }
}
