//! Pairs from a file, by the coding they were cut from.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use bytes::{Buf, Bytes};
use prost::Message;
use proto::v1::TrainingPatch;

use crate::example::Example;

/// Examples by coding, `<clip>@<kbit/s>`.
#[derive(Debug, Default)]
pub(super) struct Codings(pub(super) BTreeMap<String, Vec<Example>>);

impl Codings {
    pub(super) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    pub(super) fn examples(&self) -> impl Iterator<Item = &Example> {
        self.0.values().flatten()
    }

    /// About `most` of each coding, evenly spread.
    pub(super) fn sample(&self, most: usize) -> Self {
        let thin = |examples: &Vec<Example>| {
            let step = examples.len().div_ceil(most).max(1);
            examples.iter().step_by(step).cloned().collect()
        };
        Self(self.0.iter().map(|(coding, examples)| (coding.clone(), thin(examples))).collect())
    }
}

/// # Errors
/// When the file cannot be read, holds something else, or pairs of another scale.
pub(super) fn read_pairs(path: &Path, scale: usize) -> anyhow::Result<Codings> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let (mut bytes, mut codings) = (Bytes::from(bytes), Codings::default());
    while bytes.has_remaining() {
        let patch = TrainingPatch::decode_length_delimited(&mut bytes)
            .with_context(|| format!("{} does not hold TrainingPatch messages", path.display()))?;
        let example = Example::new(&patch, scale)
            .with_context(|| format!("{} holds a pair that does not fit", path.display()))?;
        codings.0.entry(patch.publisher_session).or_default().push(example);
    }
    Ok(codings)
}
