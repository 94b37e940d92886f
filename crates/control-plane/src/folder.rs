//! The folder that everything of one control plane lies in, and that cannot outlive the process, not even when it is killed.

use std::{
    fs::Permissions,
    io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const GUARD: &str = include_str!("guard.sh");

/// A new folder. When this is dropped, or the process ends in whatever way, the processes that work in the folder are
/// killed and it is removed.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    guard: Child,
}

impl Folder {
    /// # Errors
    /// When it cannot be made, or there is no `sh`.
    pub(crate) fn create() -> io::Result<Self> {
        let only_us = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("acuity-control-plane-").permissions(only_us).tempdir()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder.path())
            .current_dir("/")
            // Ctrl-C must not reach it: it has work to do then.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { path: folder.keep(), guard })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Fails only when somebody killed the guard.
        let _ = self.guard.wait();
    }
}
