//! Where the programs of the system are: beside this one, then on PATH. All of one version.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use tokio::process::Command;

/// The version of this program, and so of all.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The oldest nats-server with everything the bus uses.
const OLDEST_NATS_SERVER: (u32, u32) = (2, 11);

/// Finds one of our own programs and checks that it is of this version.
pub(crate) async fn find_program(name: &str) -> anyhow::Result<PathBuf> {
    let own_folder = env::current_exe().context("finding the own executable")?;
    let folders = own_folder.parent().map(Path::to_path_buf).into_iter().chain(search_path());
    let program = first_executable(folders, name).with_context(|| {
        format!("{name} is neither beside acuity nor on PATH: `make build` puts all programs into one folder")
    })?;
    let version = version_of(&program).await?;
    if version != VERSION {
        bail!("{} is of version {version}, acuity of {VERSION}: install one version of both", program.display());
    }
    Ok(program)
}

/// Finds nats-server where the bus looks for it, and checks that it is new enough.
pub(crate) async fn find_nats_server() -> anyhow::Result<PathBuf> {
    let program = bus::server::find_program()?;
    let version = version_of(&program).await?;
    let (major, minor) = OLDEST_NATS_SERVER;
    match major_and_minor(&version) {
        Some(found) if found >= OLDEST_NATS_SERVER => Ok(program),
        _ => bail!("{} is of version {version}: at least {major}.{minor} is needed", program.display()),
    }
}

fn search_path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

fn first_executable(folders: impl IntoIterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let is_executable =
        |path: &PathBuf| path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    folders.into_iter().map(|folder| folder.join(name)).find(is_executable)
}

/// The last word of what `--version` prints, without a leading `v`.
async fn version_of(program: &Path) -> anyhow::Result<String> {
    let answer = Command::new(program)
        .arg("--version")
        .env_remove(settings::ENVIRONMENT_VARIABLE)
        .output()
        .await
        .with_context(|| format!("starting {}", program.display()))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    match text.split_whitespace().last() {
        Some(word) if answer.status.success() => Ok(word.trim_start_matches('v').to_owned()),
        _ => bail!("{} --version says nothing of a version", program.display()),
    }
}

fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_with_an_executable_of_the_name_wins() {
        let (with_text, with_program) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(with_text.path().join("trainer"), "no program").unwrap();
        std::os::unix::fs::symlink("/bin/true", with_program.path().join("trainer")).unwrap();
        let folders = [with_text.path().to_path_buf(), with_program.path().to_path_buf()];
        assert_eq!(first_executable(folders.clone(), "trainer"), Some(with_program.path().join("trainer")));
        assert_eq!(first_executable(folders, "enhancer"), None);
    }

    #[test]
    fn versions_compare_by_major_and_minor() {
        assert_eq!(major_and_minor("2.15.1"), Some((2, 15)));
        assert_eq!(major_and_minor("2.9.10-beta"), Some((2, 9)));
        assert_eq!(major_and_minor("unknown"), None);
    }
}
