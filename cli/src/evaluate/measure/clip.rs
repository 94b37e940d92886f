//! The clip again, as the publisher read it: what every measurement refers to.

use std::{ops::Range, time::Duration};

use anyhow::{Context, bail, ensure};
use media::{Picture, Source, SourceItem, SourceOptions};

use super::super::recording::Conditions;

/// Gives the cropped frames of a repeated clip by their index, forwards only.
#[derive(Debug)]
pub(crate) struct Clip {
    source: Source,
    scale: usize,
    size: (usize, usize),
    first_index: Option<u64>,
    last_index: Option<u64>,
    lap: Option<Range<u64>>,
}

impl Clip {
    pub(crate) fn open(conditions: &Conditions) -> anyhow::Result<Self> {
        // Every frame: what `fps` leaves out keeps its place in the count.
        let source = open(conditions, None, true)?;
        let scale = usize::from(conditions.scale);
        let unit = 2 * scale;
        let (width, height) = source.size();
        Ok(Self {
            source,
            scale,
            size: (width / unit * unit, height / unit * unit),
            first_index: None,
            last_index: None,
            lap: None,
        })
    }

    /// Of the frames that are given.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.size
    }

    /// The indices that are repeated; known once the clip has begun again.
    pub(crate) fn lap(&self) -> Option<Range<u64>> {
        self.lap.clone()
    }

    /// The next frame of this index; the clip begins again at its end.
    pub(crate) fn frame(&mut self, index: u64) -> anyhow::Result<Picture> {
        let mut beginnings = 0;
        loop {
            let Some(item) = self.source.next_item().context("reading the clip")? else {
                bail!("the clip has no frame {index}")
            };
            let SourceItem::Video { index: read, picture, .. } = item else { continue };
            let first = *self.first_index.get_or_insert(read);
            if let Some(last) = self.last_index.replace(read).filter(|last| read <= *last) {
                self.lap = Some(first..last + 1);
                beginnings += 1;
                ensure!(beginnings < 2, "the clip has no frame {index}");
            }
            if read == index {
                let picture = picture.crop_for_scale(self.scale);
                let size = (picture.width(), picture.height());
                ensure!(size == self.size, "frame {index} of the clip has {}x{} pixels after its crop", size.0, size.1);
                return Ok(picture);
            }
        }
    }
}

/// What the publisher's encoder was told of the frame rate.
pub(crate) fn published_frame_rate(conditions: &Conditions) -> anyhow::Result<(u32, u32)> {
    Ok(open(conditions, conditions.fps, false)?.frame_rate())
}

fn open(conditions: &Conditions, frames_per_second: Option<f64>, repeat: bool) -> anyhow::Result<Source> {
    let options = SourceOptions {
        format: conditions.format.clone(),
        frames_per_second,
        start: Duration::from_secs_f64(conditions.clip_start),
        repeat,
    };
    Ok(Source::open(&conditions.clip, options)?)
}
