//! The programs under test, built in the profile of the tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The path of a program of the workspace. In a test the first call builds all of them, so that no stale program is tested,
/// and as `cargo test` (in release: `make build`) does, so that nothing is compiled twice. A program finds the others beside
/// itself.
///
/// # Panics
/// When they cannot be built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let path = FOLDER.get_or_init(|| beside().unwrap_or_else(build)).join(name);
    assert!(path.is_file(), "the workspace has no program {name}");
    path
}

/// The sample clip.
#[must_use]
pub fn clip() -> PathBuf {
    workspace().join("clips/big-buck-bunny.mp4")
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// The folder of the program that this is; tests and benchmarks lie in one of their own, `deps`.
fn beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.parent().filter(|folder| !folder.ends_with("deps")).map(Path::to_path_buf)
}

fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--workspace", "--bins"]).current_dir(workspace());
    cargo.arg(if cfg!(debug_assertions) { "--tests" } else { "--release" });
    // What cargo tells a test of its own package would reach build scripts, ring's for one, and build the world again.
    for (name, _) in std::env::vars_os() {
        let of_package =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if of_package {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().expect("cargo that runs this test can be started");
    assert!(status.success(), "the programs cannot be built");
    // .../target/PROFILE/deps/TEST
    let own = std::env::current_exe().expect("a test knows its own file");
    own.ancestors().nth(2).expect("tests lie two folders below target").to_path_buf()
}
