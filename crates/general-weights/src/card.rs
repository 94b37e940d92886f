//! What is said of weights beside their file: how they were made, and how good they are on pairs they never saw.

use serde::{Deserialize, Serialize};

/// Lies beside `<name>.safetensors` as `<name>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Of the programs that made them.
    pub version: String,
    /// As it was typed, paths cut down to names.
    pub command: String,
    /// What they were trained on; of each, every fifth stretch of time was kept back.
    pub clips: Vec<CodedClip>,
    /// What they were only measured on.
    pub held_out_clips: Vec<CodedClip>,
    #[serde(flatten)]
    pub training: Training,
}

/// A clip and the rates of its LR video that pairs were cut from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodedClip {
    pub clip: String,
    pub kbps: Vec<u32>,
}

/// What the trainer says at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    pub steps: u64,
    pub seconds: f64,
    pub seed: u64,
    pub pairs: usize,
    /// Of the bytes as they were written, read again: over all held-out pairs, and by coding.
    pub held_out: Figure,
    pub held_out_by_coding: Vec<Figure>,
}

/// PSNR in dB of the mean squared error over so many held-out pairs, luma.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// `<clip>@<kbit/s>`, or `all`
    pub coding: String,
    pub pairs: usize,
    pub bicubic_psnr_db: f64,
    pub psnr_db: f64,
}

impl Training {
    /// The means over the codings of each clip, in which every rate counts alike.
    #[must_use]
    pub fn held_out_by_clip(&self) -> Vec<Figure> {
        let mut clips: Vec<(&str, Vec<&Figure>)> = Vec::new();
        for figure in &self.held_out_by_coding {
            let clip = figure.coding.rsplit_once('@').map_or(figure.coding.as_str(), |(clip, _)| clip);
            match clips.iter_mut().find(|(known, _)| *known == clip) {
                Some((_, figures)) => figures.push(figure),
                None => clips.push((clip, vec![figure])),
            }
        }
        let mean = |figures: &[&Figure], of: fn(&Figure) -> f64| {
            figures.iter().map(|figure| of(figure)).sum::<f64>() / figures.len() as f64
        };
        let figure = |(clip, figures): (&str, Vec<&Figure>)| Figure {
            coding: clip.to_owned(),
            pairs: figures.iter().map(|figure| figure.pairs).sum(),
            bicubic_psnr_db: mean(&figures, |figure| figure.bicubic_psnr_db),
            psnr_db: mean(&figures, |figure| figure.psnr_db),
        };
        clips.into_iter().map(figure).collect()
    }
}

impl Figure {
    #[must_use]
    pub fn gain_db(&self) -> f64 {
        self.psnr_db - self.bicubic_psnr_db
    }
}

/// A line of JSON that the trainer writes to its standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Said {
    Progress(Progress),
    Done(Training),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 1
    pub done: f64,
    pub step: u64,
    /// Mean since the last line.
    pub loss: f64,
    /// Mean over the codings of a sample of the held-out pairs.
    pub gain_db: f64,
}
