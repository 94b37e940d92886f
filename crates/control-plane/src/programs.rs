//! Where the programs are that `make setup-tests` builds.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Names a folder with the programs to use instead.
pub const PROGRAMS_VARIABLE: &str = "ACUITY_KUBERNETES";

/// What the programs are built from. `scripts/setup/go-programs.sh` names their folder by the hash of these files, too.
const RECIPE: [&[u8]; 3] = [
    include_bytes!("../../../tools/kubernetes/build.sh"),
    include_bytes!("../../../tools/kubernetes/go.mod"),
    include_bytes!("../../../tools/kubernetes/go.sum"),
];

/// A Kubernetes program, for example `kubectl`.
///
/// # Errors
/// Where it should be, when it is not there.
pub fn find_program(name: &str) -> Result<PathBuf, PathBuf> {
    let program = folder().join(name);
    if program.is_file() { Ok(program) } else { Err(program) }
}

fn folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = variable(PROGRAMS_VARIABLE) {
        return folder.into();
    }
    let caches = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || variable("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    caches.unwrap_or_else(|| home().join(".cache")).join(Path::new("acuity/kubernetes")).join(key())
}

/// The first 16 hexadecimal digits of the hash of the recipe.
fn key() -> String {
    let mut hash = Sha256::new();
    for file in RECIPE {
        hash.update(file);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
