//! Pairs on their way to the trainer: two files, what is learned from and what is measured on.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use prost::Message;
use proto::v1::TrainingPatch;
use tempfile::TempDir;

pub(super) struct Spool {
    files: SpoolFiles,
    /// With how many pairs each holds.
    pairs: (BufWriter<File>, usize),
    held_out: (BufWriter<File>, usize),
}

/// Removed with the last clone, unless they are to be kept.
#[derive(Clone, Debug)]
pub(super) struct SpoolFiles {
    pub(super) pairs: PathBuf,
    pub(super) held_out: PathBuf,
    _folder: Option<Arc<TempDir>>,
}

impl Spool {
    pub(super) fn create(keep: Option<&Path>) -> anyhow::Result<Self> {
        let (folder, temporary) = match keep {
            Some(folder) => {
                std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
                (folder.to_path_buf(), None)
            }
            None => {
                let temporary = tempfile::tempdir().context("creating a folder for the pairs")?;
                (temporary.path().to_path_buf(), Some(Arc::new(temporary)))
            }
        };
        let files = SpoolFiles {
            pairs: folder.join("train.pairs"),
            held_out: folder.join("held-out.pairs"),
            _folder: temporary,
        };
        let open = |path: &Path| -> anyhow::Result<_> {
            let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
            Ok((BufWriter::new(file), 0))
        };
        Ok(Self { pairs: open(&files.pairs)?, held_out: open(&files.held_out)?, files })
    }

    pub(super) fn files(&self) -> SpoolFiles {
        self.files.clone()
    }

    pub(super) fn write(&mut self, patch: &TrainingPatch, held_out: bool) -> anyhow::Result<()> {
        let (file, count) = if held_out { &mut self.held_out } else { &mut self.pairs };
        *count += 1;
        file.write_all(&patch.encode_length_delimited_to_vec()).context("writing a pair")
    }

    /// How many pairs are learned from, and how many measured on.
    pub(super) fn finish(mut self) -> anyhow::Result<(usize, usize)> {
        self.pairs.0.flush().and_then(|()| self.held_out.0.flush()).context("writing the pairs")?;
        Ok((self.pairs.1, self.held_out.1))
    }
}
