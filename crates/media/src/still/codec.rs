//! PNG, JPEG and WebP through FFmpeg.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::{Rational, codec::Id, format::Pixel};
use proto::v1::PixelCoding;
use sr_net::Plane;

use super::{MAX_PIXELS, MediaError};
use crate::{error::Doing, ffi, frame};

pub(super) fn encode_png(plane: &Plane) -> Result<Vec<u8>, MediaError> {
    encode(plane, "png", Pixel::GRAY8, &[], None)
}

/// FFmpeg's JPEG encoder knows no grey: two planes of the middle grey cost a few bytes.
pub(super) fn encode_jpeg(plane: &Plane, quality: u32) -> Result<Vec<u8>, MediaError> {
    // quantiser scale 1 (best) to 31
    let scale = 1 + (100 - quality) as i32 * 30 / 99;
    encode(plane, "mjpeg", Pixel::YUVJ420P, &[("flags", "+qscale"), ("qmin", "1")], Some(scale))
}

/// libwebp takes the planes as they are: VP8's luma is what goes in.
pub(super) fn encode_webp(plane: &Plane, quality: u32) -> Result<Vec<u8>, MediaError> {
    encode(plane, "libwebp", Pixel::YUV420P, &[("quality", quality.to_string().as_str())], None)
}

fn encode(
    plane: &Plane,
    encoder: &str,
    format: Pixel,
    options: &[(&str, &str)],
    quantiser_scale: Option<i32>,
) -> Result<Vec<u8>, MediaError> {
    let doing = format!("coding a picture with {encoder}");
    let codec = ffmpeg::encoder::find_by_name(encoder)
        .ok_or_else(|| MediaError::Unsupported(format!("this FFmpeg has no encoder {encoder}")))?;
    let mut context = ffmpeg::codec::Context::new_with_codec(codec).encoder().video().doing(&doing)?;
    let (width, height) = (plane.width() as u32, plane.height() as u32);
    context.set_width(width);
    context.set_height(height);
    context.set_format(format);
    context.set_time_base(Rational(1, 1));
    let options = options.iter().copied().chain([("threads", "1")]).collect();
    let mut context = context.open_as_with(codec, options).doing(&doing)?;

    let mut picture = ffmpeg::frame::Video::new(format, width, height);
    picture.set_pts(Some(0));
    if let Some(scale) = quantiser_scale {
        ffi::set_quantiser_scale(&mut picture, scale);
    }
    frame::write_plane(&mut picture, 0, plane);
    for chroma in 1..picture.planes() {
        picture.data_mut(chroma).fill(128);
    }
    let mut packet = ffmpeg::Packet::empty();
    context.send_frame(&picture).doing(&doing)?;
    context.send_eof().doing(&doing)?;
    context.receive_packet(&mut packet).doing(&doing)?;
    Ok(packet.data().unwrap_or_default().to_vec())
}

pub(super) fn decode(bytes: &[u8], coding: PixelCoding) -> Result<Plane, MediaError> {
    let id = match coding {
        PixelCoding::Png => Id::PNG,
        PixelCoding::Jpeg => Id::MJPEG,
        _ => Id::WEBP,
    };
    let codec = ffmpeg::decoder::find(id)
        .ok_or_else(|| MediaError::Unsupported(format!("this FFmpeg has no decoder for {id:?}")))?;
    let max_pixels = MAX_PIXELS.to_string();
    let options = [("threads", "1"), ("err_detect", "crccheck+explode"), ("max_pixels", max_pixels.as_str())];
    let damaged = |error| MediaError::Damaged(format!("decoding a picture: {error}"));
    let mut decoder = ffmpeg::codec::Context::new_with_codec(codec)
        .decoder()
        .open_as_with(codec, options.into_iter().collect())
        .and_then(ffmpeg::decoder::Opened::video)
        .doing("opening a picture decoder")?;
    let mut picture = ffmpeg::frame::Video::empty();
    decoder.send_packet(&ffmpeg::Packet::copy(bytes)).map_err(damaged)?;
    decoder.send_eof().map_err(damaged)?;
    decoder.receive_frame(&mut picture).map_err(damaged)?;
    let has_luma_plane = matches!(
        picture.format(),
        Pixel::GRAY8
            | Pixel::YUV420P
            | Pixel::YUVJ420P
            | Pixel::YUV422P
            | Pixel::YUVJ422P
            | Pixel::YUV444P
            | Pixel::YUVJ444P
            | Pixel::YUV440P
            | Pixel::YUVJ440P
    );
    if !has_luma_plane || picture.is_corrupt() {
        return Err(MediaError::Damaged(format!("a picture in pixel format {:?}", picture.format())));
    }
    Ok(frame::read_plane(&picture, 0))
}
