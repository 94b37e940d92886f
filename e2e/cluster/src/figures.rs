//! What was measured: printed, and kept for `scripts/bench-table.py`.

use std::{fs, path::Path, sync::Mutex};

use anyhow::Context;
use serde_json::{Value, json};

use crate::bed::OUTPUT;

#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<Vec<Value>>);

impl Figures {
    pub(crate) fn add(&self, name: &str, value: f64, unit: &str, goal: &str) {
        println!("e2e: {name}: {value:.1} {unit} (goal {goal})");
        let figure = json!({"name": name, "value": value, "unit": unit, "goal": goal, "compared_with": null});
        self.0.lock().expect("nobody panics with the lock").push(figure);
    }

    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let figures = Value::from(self.0.lock().expect("nobody panics with the lock").clone());
        fs::create_dir_all(OUTPUT)?;
        fs::write(Path::new(OUTPUT).join("figures.json"), figures.to_string()).context("writing the figures")
    }
}
