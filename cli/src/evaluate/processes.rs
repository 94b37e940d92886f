//! What each process of a run uses, and of what machine, as /proc tells it.

use std::{collections::BTreeMap, fs, path::PathBuf, thread};

use super::recording::{Machine, ProcessUse};

/// The processes of a run, by name and id. One that is gone keeps what was last seen of it.
#[derive(Debug, Default)]
pub(crate) struct Processes(BTreeMap<(String, u32), Use>);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Use {
    /// At the beginning of the run
    cpu_seconds_before: f64,
    /// Since the start of the process
    cpu_seconds: f64,
    peak_memory_bytes: u64,
}

/// What /proc/PID/stat says.
#[derive(Debug, PartialEq)]
struct Stat<'a> {
    name: &'a str,
    parent: u32,
    /// In user and kernel mode
    cpu_ticks: u64,
}

/// The media-node starts it when it has something to do.
const PAIRER: &str = "patch-pairer";
const MEDIA_NODE: &str = "media-node";

impl Processes {
    pub(crate) fn handle_started(&mut self, name: &str, id: u32) {
        self.0.entry((name.to_owned(), id)).or_default();
    }

    /// The run begins: what was used until now is not its.
    pub(crate) fn begin(&mut self) {
        self.look();
        for seen in self.0.values_mut() {
            seen.cpu_seconds_before = seen.cpu_seconds;
        }
    }

    pub(crate) fn look(&mut self) {
        for id in self.pairers() {
            self.handle_started(PAIRER, id);
        }
        for ((_, id), seen) in &mut self.0 {
            if let Some((cpu_seconds, peak_memory_bytes)) = read_use(*id) {
                *seen = Use { cpu_seconds, peak_memory_bytes, ..*seen };
            }
        }
    }

    /// Processes of one name, one after the other, are one.
    pub(crate) fn uses(&self) -> Vec<ProcessUse> {
        let mut uses: BTreeMap<&str, ProcessUse> = BTreeMap::new();
        for ((name, _), seen) in &self.0 {
            let sum = uses.entry(name).or_insert_with(|| ProcessUse {
                name: name.clone(),
                cpu_seconds: 0.0,
                peak_memory_bytes: 0,
            });
            sum.cpu_seconds += seen.cpu_seconds - seen.cpu_seconds_before;
            sum.peak_memory_bytes = sum.peak_memory_bytes.max(seen.peak_memory_bytes);
        }
        uses.into_values().collect()
    }

    /// Children of the media-nodes.
    fn pairers(&self) -> Vec<u32> {
        let parents: Vec<u32> = self.0.keys().filter(|(name, _)| name == MEDIA_NODE).map(|(_, id)| *id).collect();
        let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|id| {
            let text = read(*id, "stat").unwrap_or_default();
            parse_stat(&text).is_some_and(|stat| stat.name == PAIRER && parents.contains(&stat.parent))
        })
        .collect()
    }
}

pub(crate) fn read_machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    Machine {
        cpu: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
        cores: thread::available_parallelism().map_or(0, usize::from),
        memory_bytes: field(&memory, "MemTotal").and_then(kibibytes).unwrap_or(0),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

fn read_use(id: u32) -> Option<(f64, u64)> {
    let (stat, status) = (read(id, "stat")?, read(id, "status")?);
    let ticks_a_second = rustix::param::clock_ticks_per_second();
    let cpu_seconds = parse_stat(&stat)?.cpu_ticks as f64 / ticks_a_second as f64;
    // A process that has ended and was not yet waited for has no memory, but its time.
    Some((cpu_seconds, field(&status, "VmHWM").and_then(kibibytes)?))
}

fn read(id: u32, file: &str) -> Option<String> {
    fs::read_to_string(PathBuf::from("/proc").join(id.to_string()).join(file)).ok()
}

/// `1234 (name of the program) S 1 …`: the name may hold anything, and the last parenthesis ends it (proc(5)).
fn parse_stat(text: &str) -> Option<Stat<'_>> {
    let (head, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        name: head.split_once('(')?.1,
        parent: u32::try_from(number(1)?).ok()?,
        cpu_ticks: number(11)? + number(12)?,
    })
}

/// `name : value`
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// `1234 kB`
fn kibibytes(text: &str) -> Option<u64> {
    Some(text.strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_whatever_the_program_is_called() {
        let text = "7 (a) (b) c) S 3 7 7 0 -1 4194304 900 0 0 0 150 50 0 0 20 0 4 0 999 1000 200";
        assert_eq!(parse_stat(text), Some(Stat { name: "a) (b) c", parent: 3, cpu_ticks: 200 }));
        assert_eq!(parse_stat("7 (cut"), None);
    }

    #[test]
    fn what_was_used_before_the_run_does_not_count_and_successors_add_up() {
        let mut processes = Processes::default();
        for (id, cpu_seconds_before, cpu_seconds, peak_memory_bytes) in [(1, 2.0, 5.0, 10), (2, 0.0, 1.0, 30)] {
            let seen = Use { cpu_seconds_before, cpu_seconds, peak_memory_bytes };
            processes.0.insert(("patch-pairer".to_owned(), id), seen);
        }
        let expected = ProcessUse { name: "patch-pairer".to_owned(), cpu_seconds: 4.0, peak_memory_bytes: 30 };
        assert_eq!(processes.uses(), [expected]);
    }

    #[test]
    fn this_process_uses_memory_and_this_machine_has_some() {
        let mut processes = Processes::default();
        processes.handle_started("test", std::process::id());
        processes.look();
        let uses = processes.uses();
        let machine = read_machine();
        assert!(uses[0].peak_memory_bytes > 100_000 && uses[0].peak_memory_bytes < machine.memory_bytes, "{uses:?}");
        assert!(machine.cores > 0 && !machine.kernel.is_empty());
    }
}
