//! Processes of this machine, as /proc tells them.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

/// A process that was there when it was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub id: u32,
    pub name: String,
    parent: u32,
    /// With the id it names a process for ever: ids are used again.
    started: u64,
}

impl Process {
    /// `None`: there is none.
    #[must_use]
    pub fn find(id: u32) -> Option<Self> {
        read(id)
    }

    #[must_use]
    pub fn is_alive(&self) -> bool {
        read(self.id).is_some_and(|now| now.started == self.started)
    }

    /// Who started it, as far as it still runs.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        read(self.parent)
    }

    /// `kill -9`.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// What Kubernetes sends to a pod that is to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// What Ctrl-C in a terminal sends.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.id.cast_signed()).filter(|_| self.is_alive()) {
            // It may end between the look and the signal.
            kill_process(pid, signal).ok();
        }
    }
}

/// All processes below `id`, without itself.
#[must_use]
pub fn descendants(id: u32) -> Vec<Process> {
    let all: Vec<Process> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| read(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![id];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.id);
            found.push(process.clone());
        }
    }
    found
}

/// `None`: there is none, or it has ended and only waits to be noticed.
pub(crate) fn read(id: u32) -> Option<Process> {
    let stat = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).ok()?;
    // `1234 (name of the program) S 1 …`: the name may hold anything but is followed by the last parenthesis.
    let (head, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let name = head.split_once('(')?.1.to_owned();
    let process = Process { id, name, parent: fields.get(1)?.parse().ok()?, started: fields.get(19)?.parse().ok()? };
    (fields[0] != "Z").then_some(process)
}
