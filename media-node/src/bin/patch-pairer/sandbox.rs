//! What is given up before the first byte of a stranger is read.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

/// Address space in bytes: FFmpeg's libraries are mapped into it too.
const MEMORY_LIMIT: u64 = 768 << 20;
/// Standard input, output and error, and none after them: no socket and no file is opened any more.
const FILE_LIMIT: u64 = 3;

/// The end of the media-node ends this process, also when it hangs. (The closed standard input says the same to one
/// that reads.)
pub(crate) fn die_with_parent() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("tying the pairer to the media-node")
}

pub(crate) fn enter() -> anyhow::Result<()> {
    for (resource, limit) in [(Resource::As, MEMORY_LIMIT), (Resource::Nofile, FILE_LIMIT), (Resource::Core, 0)] {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit).with_context(|| format!("limiting {resource:?}"))?;
    }
    Ok(())
}
