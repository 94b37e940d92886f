//! `--keep`: the pictures that were compared, without loss and with their capture times, so that anyone can measure them
//! again.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use ffmpeg_next::{
    self as ffmpeg, Rational, codec, encoder,
    format::{Pixel, context::Output},
};
use media::Picture;
use sr_net::Plane;

use super::super::recording::VIDEO_CLOCK_RATE;

/// The files of a run.
pub(crate) struct Kept {
    /// The clip after its crop
    pub(crate) reference: LosslessFile,
    /// As received, of its own size
    pub(crate) source: LosslessFile,
    pub(crate) enhanced: LosslessFile,
    pub(crate) bicubic_encoded: LosslessFile,
    pub(crate) direct: LosslessFile,
    /// Not yet enlarged
    pub(crate) bicubic_full: LosslessFile,
}

/// H264 without loss in Matroska, which knows milliseconds: times are rounded to them.
pub(crate) struct LosslessFile {
    output: Output,
    encoder: encoder::video::Encoder,
    frame: ffmpeg::frame::Video,
}

impl Kept {
    /// `size` of the clip, `lr_size` of the source.
    pub(crate) fn create(folder: &Path, size: (usize, usize), lr_size: (usize, usize)) -> anyhow::Result<Self> {
        let file = |name: &str, size| LosslessFile::create(&folder.join(name), size);
        Ok(Self {
            reference: file("reference.mkv", size)?,
            source: file("source.mkv", lr_size)?,
            enhanced: file("enhanced.mkv", size)?,
            bicubic_encoded: file("bicubic_encoded.mkv", size)?,
            direct: file("direct.mkv", size)?,
            bicubic_full: file("bicubic_full.mkv", lr_size)?,
        })
    }

    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Self { reference, source, enhanced, bicubic_encoded, direct, bicubic_full } = self;
        let files = [reference, source, enhanced, bicubic_encoded, direct, bicubic_full];
        files.into_iter().try_for_each(LosslessFile::finish)
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl LosslessFile {
    pub(crate) fn create(path: &Path, (width, height): (usize, usize)) -> anyhow::Result<Self> {
        Self::open(path, u32::try_from(width)?, u32::try_from(height)?)
            .with_context(|| format!("writing pictures to {}", path.display()))
    }

    fn open(path: &Path, width: u32, height: u32) -> anyhow::Result<Self> {
        let mut output = ffmpeg::format::output(path)?;
        let Some(codec) = encoder::find_by_name("libx264") else { bail!("this FFmpeg has no encoder libx264") };
        let mut encoder = codec::Context::new_with_codec(codec).encoder().video()?;
        encoder.set_width(width);
        encoder.set_height(height);
        encoder.set_format(Pixel::YUV420P);
        encoder.set_time_base(Rational(1, i32::try_from(VIDEO_CLOCK_RATE)?));
        encoder.set_flags(codec::Flags::GLOBAL_HEADER);
        let options = [("qp", "0"), ("preset", "ultrafast"), ("threads", "1")];
        let encoder = encoder.open_as_with(codec, options.into_iter().collect())?;
        let mut stream = output.add_stream(codec)?;
        stream.set_parameters(codec::Parameters::from(&encoder));
        stream.set_time_base(encoder_time_base());
        output.write_header()?;
        Ok(Self { output, encoder, frame: ffmpeg::frame::Video::new(Pixel::YUV420P, width, height) })
    }

    /// `ticks`: its capture time.
    pub(crate) fn write(&mut self, picture: &Picture, ticks: u64) -> anyhow::Result<()> {
        let size = (self.frame.width() as usize, self.frame.height() as usize);
        ensure!((picture.width(), picture.height()) == size, "a picture of another size cannot be kept");
        // The encoder may still hold the samples of the frame before.
        self.frame = ffmpeg::frame::Video::new(Pixel::YUV420P, self.frame.width(), self.frame.height());
        for (index, plane) in [&picture.y, &picture.u, &picture.v].into_iter().enumerate() {
            write_plane(&mut self.frame, index, plane);
        }
        self.frame.set_pts(Some(i64::try_from(ticks)?));
        self.encoder.send_frame(&self.frame).context("coding a picture to keep")?;
        self.take_packets()
    }

    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.encoder.send_eof().context("coding pictures to keep")?;
        self.take_packets()?;
        self.output.write_trailer().context("completing kept pictures")
    }

    fn take_packets(&mut self) -> anyhow::Result<()> {
        let mut packet = ffmpeg::Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            packet.set_stream(0);
            if let Some(stream) = self.output.stream(0) {
                packet.rescale_ts(encoder_time_base(), stream.time_base());
            }
            packet.write_interleaved(&mut self.output).context("writing kept pictures")?;
        }
        Ok(())
    }
}

fn encoder_time_base() -> Rational {
    Rational(1, i32::try_from(VIDEO_CLOCK_RATE).unwrap_or(i32::MAX))
}

fn write_plane(frame: &mut ffmpeg::frame::Video, index: usize, plane: &Plane) {
    let stride = frame.stride(index);
    let rows = frame.data_mut(index).chunks_mut(stride);
    for (row, samples) in rows.zip(plane.samples().chunks(plane.width())) {
        row[..samples.len()].copy_from_slice(samples);
    }
}
