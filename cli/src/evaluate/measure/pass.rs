//! One pass over a run: all systems' pictures of a frame at once, frame after frame, to those who compare them.

use std::{
    path::Path,
    sync::{Arc, mpsc::SyncSender},
    vec,
};

use anyhow::{Context, ensure};
use media::{AccessUnit, Decoder, Picture};
use sr_net::{Plane, bicubic};

use super::{
    super::{
        recording::{ENHANCED, Recording, SOURCE, SentFrame},
        report::{Renditions, Systems},
        rivals::BothRivals,
    },
    clip::Clip,
    delivery::Shown,
    keep::Kept,
    own_encoder::OwnEncoder,
    progress::Progress,
    received::{Received, ReceivedFrame},
    scoring::{Compared, Job},
    timeline::{self, DueFrame},
    vmaf::{self, Vmaf},
};

/// What a pass reads.
#[derive(Debug)]
pub(crate) struct Pass {
    scale: usize,
    clip: Clip,
    source: Received,
    enhanced: Received,
    own_encoder: OwnEncoder,
    direct: RivalPictures,
    bicubic_full: RivalPictures,
    kept: Option<Kept>,
    vmaf: Option<Vmaf>,
    /// VMAF is of the seconds from this one on only: it is slow.
    first_second: usize,
    on_screen: Renditions<Option<Arc<Plane>>>,
    shown: Renditions<Vec<Shown>>,
}

/// What a pass found besides the pictures.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) shown: Renditions<Vec<Shown>>,
    pub(crate) vmaf: Option<Systems<f64>>,
}

impl Pass {
    pub(crate) fn open(
        recording: &Recording,
        folder: &Path,
        sent: &[SentFrame],
        rivals: BothRivals,
        keep: bool,
    ) -> anyhow::Result<Self> {
        let conditions = &recording.conditions;
        let clip = Clip::open(conditions)?;
        let (width, height) = clip.size();
        let scale = usize::from(conditions.scale);
        let kept = keep.then(|| Kept::create(folder, (width, height), (width / scale, height / scale))).transpose()?;
        Ok(Self {
            scale,
            source: Received::open(&folder.join(SOURCE), sent)?,
            enhanced: Received::open(&folder.join(ENHANCED), sent)?,
            own_encoder: OwnEncoder::open(conditions, (width, height), timeline::usual_interval(sent))?,
            direct: RivalPictures::new(rivals.direct.units)?,
            bicubic_full: RivalPictures::new(rivals.bicubic_full.units)?,
            kept,
            vmaf: vmaf::is_available().then(|| Vmaf::create((width, height))).transpose()?,
            first_second: conditions.warmup_seconds as usize,
            on_screen: Renditions::default(),
            shown: Renditions::default(),
            clip,
        })
    }

    /// Of the clip's frames.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.clip.size()
    }

    /// Gives every frame that was due, in order.
    pub(crate) fn run(
        mut self,
        due: &[DueFrame],
        jobs: &SyncSender<Job>,
        progress: &Progress,
    ) -> anyhow::Result<Passed> {
        progress.expect(due.len());
        for (index, frame) in due.iter().enumerate() {
            progress.step();
            let reference = self.clip.frame(frame.clip_frame_index)?;
            let compared = match frame.sent {
                Some(sent) => self.handle_sent(sent, frame.ticks, &reference)?,
                None => None,
            };
            if let (Some(vmaf), Some(compared)) = (&mut self.vmaf, &compared)
                && frame.second() >= self.first_second
            {
                let planes = compared.systems.each_ref().map(|plane| &**plane);
                vmaf.write(&reference.y, planes, frame.ticks, frame.second())?;
            }
            let job = Job { due: index, reference: reference.y, compared, on_screen: self.on_screen.clone() };
            jobs.send(job).context("comparing pictures")?;
        }
        if let Some(kept) = self.kept {
            kept.finish()?;
        }
        let vmaf = self.vmaf.map(Vmaf::finish).transpose()?.flatten();
        Ok(Passed { shown: self.shown, vmaf })
    }

    fn handle_sent(&mut self, sent: usize, ticks: u64, reference: &Picture) -> anyhow::Result<Option<Compared>> {
        let (direct, full) = (self.direct.next(ticks)?, self.bicubic_full.next(ticks)?);
        let (source, enhanced) = (self.source.take(sent), self.enhanced.take(sent));
        if let Some(kept) = &mut self.kept {
            kept.reference.write(reference, ticks)?;
            kept.direct.write(&direct, ticks)?;
            kept.bicubic_full.write(&full, ticks)?;
            source.iter().try_for_each(|frame| kept.source.write(&frame.picture, ticks))?;
            enhanced.iter().try_for_each(|frame| kept.enhanced.write(&frame.picture, ticks))?;
        }
        let enlarged = source.as_ref().map(|frame| self.enlarge(&frame.picture));
        if let (Some(source), Some(enlarged)) = (&source, &enlarged) {
            self.on_screen.source = Some(Arc::new(enlarged.y.clone()));
            self.shown.source.push(shown(source));
        }
        if let Some(enhanced) = &enhanced {
            self.on_screen.enhanced = Some(Arc::new(enhanced.picture.y.clone()));
            self.shown.enhanced.push(shown(enhanced));
        }
        let (Some(source), Some(enlarged), Some(enhanced)) = (source, enlarged, enhanced) else { return Ok(None) };
        let encoded = self.own_encoder.pass(&enlarged, ticks, enhanced.keyframe)?;
        if let Some(kept) = &mut self.kept {
            kept.bicubic_encoded.write(&encoded, ticks)?;
        }
        let systems = Systems {
            bicubic: enlarged.y,
            enhanced: enhanced.picture.y,
            bicubic_encoded: encoded.y,
            direct: direct.y,
            bicubic_full: bicubic(&full.y, self.scale),
        };
        for plane in [&systems.bicubic, &systems.enhanced] {
            let (width, height) = (plane.width(), plane.height());
            ensure!((width, height) == self.clip.size(), "a picture of {width}x{height} pixels is none of this clip");
        }
        Ok(Some(Compared { systems: systems.map(Arc::new), lr: source.picture.y }))
    }

    fn enlarge(&self, picture: &Picture) -> Picture {
        let enlarge = |plane: &Plane| bicubic(plane, self.scale);
        Picture { y: enlarge(&picture.y), u: enlarge(&picture.u), v: enlarge(&picture.v) }
    }
}

fn shown(frame: &ReceivedFrame) -> Shown {
    Shown { sent: frame.sent, arrived_unix_us: frame.arrived_unix_us }
}

/// A rival's pictures, one for each frame sent.
#[derive(Debug)]
struct RivalPictures {
    units: vec::IntoIter<AccessUnit>,
    decoder: Decoder,
}

impl RivalPictures {
    fn new(units: Vec<AccessUnit>) -> anyhow::Result<Self> {
        Ok(Self { units: units.into_iter(), decoder: Decoder::h264(1)? })
    }

    fn next(&mut self, ticks: u64) -> anyhow::Result<Picture> {
        let unit = self.units.next().context("a rival has a picture for each frame sent")?;
        let decoded = self.decoder.decode(&unit.data, ticks)?;
        Ok(decoded.into_iter().next().context("the decoder keeps frames back")?.picture)
    }
}
