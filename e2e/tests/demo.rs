//! `acuity demo` without a terminal: what `make demo RUN_SECONDS=…` runs.

use std::{path::Path, process::Stdio};

use e2e::{alone, clip, program};
use tokio::process::Command;

/// What it prints at its end, and whether it calls itself a success.
async fn demo(data_dir: &Path, seconds: u32) -> (String, bool) {
    let output = Command::new(program("acuity"))
        .args(["demo", "--listen", "127.0.0.1:0", "--media-listen", "127.0.0.1:0", "--seconds", &seconds.to_string()])
        .arg("--data-dir")
        .arg(data_dir)
        .arg("--clip")
        .arg(clip())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .expect("acuity can be started");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

/// The numbers of one line of the summary.
fn numbers(summary: &str, head: &str) -> Vec<f64> {
    let line = summary.lines().find(|line| line.trim_start().starts_with(head)).unwrap_or_default();
    line.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|word| word.parse().ok()).collect()
}

#[tokio::test]
async fn the_demo_learns_without_a_terminal_and_a_second_run_goes_on_where_it_ended() {
    let _alone = alone().await;
    let data_dir = tempfile::tempdir().unwrap();
    let (summary, success) = demo(data_dir.path(), 60).await;
    assert!(numbers(&summary, "in use with gain")[0] >= 10.0, "{summary}");
    // A busy machine shows fewer frames, and then the demo may not call itself a success.
    let [shown, expected, ..] = numbers(&summary, "frames shown")[..] else { panic!("{summary}") };
    assert!(shown > 0.0 && shown <= expected, "{summary}");
    assert_eq!(success, shown >= 0.95 * expected, "{summary}");

    let (summary, _) = demo(data_dir.path(), 20).await;
    let [_, newest] = numbers(&summary, "checkpoints accepted")[..] else { panic!("{summary}") };
    assert!(newest > 0.0, "{summary}");
    assert!(!numbers(&summary, "first enhanced frame").is_empty(), "{summary}");
}

#[tokio::test]
async fn a_demo_too_short_to_learn_anything_is_no_success() {
    let _alone = alone().await;
    let data_dir = tempfile::tempdir().unwrap();
    let (summary, success) = demo(data_dir.path(), 3).await;
    assert!(!success, "{summary}");
}
