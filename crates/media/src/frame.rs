//! Between FFmpeg's padded frames and packed planes.

use ffmpeg_next as ffmpeg;
use sr_net::Plane;

use crate::Picture;

/// Plane `index` of `frame` without its padding.
pub(crate) fn read_plane(frame: &ffmpeg::frame::Video, index: usize) -> Plane {
    let (width, height) = (frame.plane_width(index) as usize, frame.plane_height(index) as usize);
    let mut samples = Vec::with_capacity(width * height);
    for row in frame.data(index).chunks(frame.stride(index)).take(height) {
        samples.extend_from_slice(&row[..width]);
    }
    Plane::new(width, height, samples).expect("each row has the plane's width")
}

/// Writes `plane` into plane `index` of `frame`, which has its size.
pub(crate) fn write_plane(frame: &mut ffmpeg::frame::Video, index: usize, plane: &Plane) {
    let stride = frame.stride(index);
    let rows = frame.data_mut(index).chunks_mut(stride);
    for (row, samples) in rows.zip(plane.samples().chunks(plane.width())) {
        row[..samples.len()].copy_from_slice(samples);
    }
}

/// A frame in 8-bit 4:2:0 as a picture.
pub(crate) fn read_picture(frame: &ffmpeg::frame::Video) -> Picture {
    Picture { y: read_plane(frame, 0), u: read_plane(frame, 1), v: read_plane(frame, 2) }
}

/// Writes `picture` into a frame in 8-bit 4:2:0 of its size.
pub(crate) fn write_picture(frame: &mut ffmpeg::frame::Video, picture: &Picture) {
    for (index, plane) in [&picture.y, &picture.u, &picture.v].into_iter().enumerate() {
        write_plane(frame, index, plane);
    }
}
