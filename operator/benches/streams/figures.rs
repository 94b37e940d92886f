//! What a benchmark has found: a line for each figure as it comes, and a file that `scripts/bench.sh` makes a table of.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

pub(crate) struct Figures {
    file: PathBuf,
    found: Vec<Value>,
}

impl Figures {
    pub(crate) fn of(benchmark: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        fs::create_dir_all(&folder).unwrap();
        Self { file: folder.join(format!("{benchmark}.json")), found: Vec::new() }
    }

    /// Also says how busy the machine was in the last minute: what is measured shares it with everything else.
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &str, goal: &str, compared_with: String) {
        let load = fs::read_to_string("/proc/loadavg").unwrap();
        let load = load.split(' ').next().unwrap();
        let machine = format!("{} cores, load {load}", std::thread::available_parallelism().unwrap());
        println!("{name}: {value:.2} {unit} (goal: {goal}; {compared_with}; {machine})");
        self.found.push(json!({
            "name": name, "value": value, "unit": unit, "goal": goal, "machine": machine, "compared_with": compared_with,
        }));
        fs::write(&self.file, serde_json::to_string_pretty(&self.found).unwrap()).unwrap();
    }
}
