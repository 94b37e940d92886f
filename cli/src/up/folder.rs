//! The data folder: what is kept from run to run, and the secrets of one run.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use rand::Rng;

/// `$XDG_DATA_HOME/acuity`, by default `~/.local/share/acuity`, or a folder in it.
pub(crate) fn default_folder(inside: &str) -> anyhow::Result<PathBuf> {
    let data = env::var_os("XDG_DATA_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let data = data.or_else(|| env::home_dir().map(|home| home.join(".local/share")));
    Ok(data.context("neither XDG_DATA_HOME nor HOME is set: name a folder by --data-dir")?.join("acuity").join(inside))
}

/// A data folder that no other process uses.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl DataFolder {
    /// # Errors
    /// When another process uses the folder, or it cannot be written to.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("making the data folder {}", path.display()))?;
        let path = path.canonicalize()?;
        let lock = File::create(path.join("lock")).with_context(|| format!("writing to {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("another acuity uses {}: end it, or name another folder by --data-dir", path.display())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file only its owner can read, in place of what was there.
    pub(crate) fn write_secret(&self, name: &str, contents: &str) -> anyhow::Result<PathBuf> {
        let path = self.file(name);
        remove_if_there(&path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.as_mut()
            .map_err(|error| std::io::Error::new(error.kind(), error.to_string()))
            .and_then(|file| file.write_all(contents.as_bytes()))
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

pub(crate) fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// 256 random bits in hexadecimal digits.
pub(crate) fn new_secret() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_process_is_told_which_option_to_use() {
        let folder = tempfile::tempdir().unwrap();
        let _held = DataFolder::open(folder.path()).unwrap();
        let error = DataFolder::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("--data-dir"), "{error}");
    }

    #[test]
    fn a_secret_is_readable_by_its_owner_alone_also_when_an_open_file_was_there() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "old").unwrap();
        let path = DataFolder::open(folder.path()).unwrap().write_secret("token", "new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(path).unwrap(), "new");
    }

    #[test]
    fn secrets_are_long_and_differ() {
        assert_eq!(new_secret().len(), 64);
        assert_ne!(new_secret(), new_secret());
    }
}
