//! Dashboard and alerts speak of metrics that there are, and alerts of runbooks that there are.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use charts::chart;
use serde_json::Value;

use crate::helm::cached;

const PROGRAMS: [&str; 4] = ["operator", "media-node", "trainer", "enhancer"];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn repository() -> PathBuf {
    chart().join("../..")
}

/// `media_node_gain_decibels` and the like in PromQL.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let prefixes = PROGRAMS.map(|program| format!("{}_", program.replace('-', "_")));
    words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix))).map(str::to_owned).collect()
}

fn source_of(program: &str) -> String {
    fn collect(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, text);
            } else {
                text.push_str(&read(&path));
            }
        }
    }
    let mut text = String::new();
    collect(&repository().join(program).join("src"), &mut text);
    text
}

#[test]
fn every_metric_that_is_shown_or_alerted_on_is_registered() {
    let used = metrics(&(read(&chart().join("files/dashboard.json")) + &read(&chart().join("files/alerts.yaml"))));
    assert!(used.len() > 10, "{used:?}");
    for program in PROGRAMS {
        let (prefix, source) = (format!("{}_", program.replace('-', "_")), source_of(program));
        for metric in used.iter().filter_map(|metric| metric.strip_prefix(&prefix)) {
            // Counters and histograms get a suffix when they are written out.
            let plain = ["_total", "_bucket", "_sum", "_count"].iter().find_map(|suffix| metric.strip_suffix(suffix));
            let registered = source.contains(&format!("\"{}\"", plain.unwrap_or(metric)));
            assert!(registered, "{prefix}{metric}: {program} has no such metric");
        }
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let alerts: Value = serde_saphyr::from_str(&read(&chart().join("files/alerts.yaml"))).expect("alerts are YAML");
    let rules =
        alerts["groups"].as_array().expect("groups").iter().flat_map(|group| group["rules"].as_array().expect("rules"));
    let named: BTreeSet<String> = rules
        .map(|rule| {
            assert!(rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string(), "{rule}");
            rule["alert"].as_str().expect("a name").to_owned()
        })
        .collect();
    let runbooks = read(&repository().join("docs/runbooks.md"));
    let sections: BTreeSet<String> =
        runbooks.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    assert_eq!(named, sections);
}

#[test]
fn alerts_are_ones_that_prometheus_reads_and_come_when_they_should() {
    let program = std::env::var_os("ACUITY_PROMTOOL").map_or_else(|| cached("promtool"), PathBuf::from);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart/alerts.yaml");
    for (command, file) in [("check", chart().join("files/alerts.yaml")), ("test", tests)] {
        let output = Command::new(&program).args([command, "rules"]).arg(file).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}: `make setup-tests`", program.display()));
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_reads() {
    let dashboard: Value = serde_json::from_str(&read(&chart().join("files/dashboard.json"))).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let identities: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("a number")).collect();
    assert_eq!(identities.len(), panels.len(), "panels share an id");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(panel["title"].is_string() && panel["gridPos"]["w"].is_u64(), "{panel}");
        assert!(
            panel["targets"].as_array().is_some_and(|targets| targets.iter().all(|target| target["expr"].is_string())),
            "{panel}"
        );
    }
}
