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

#[tokio::test]
async fn the_demo_succeeds_without_a_terminal_and_a_second_run_goes_on_where_it_ended() {
    let _alone = alone().await;
    let data_dir = tempfile::tempdir().unwrap();
    let (summary, success) = demo(data_dir.path(), 60).await;
    assert!(success, "{summary}");

    let (summary, _) = demo(data_dir.path(), 12).await;
    let first_version = summary.lines().find(|line| line.contains("newest in use")).unwrap_or_default();
    assert!(!first_version.ends_with("is 0"), "{summary}");
    assert!(!summary.contains("first enhanced frame   never"), "{summary}");
}

#[tokio::test]
async fn a_demo_too_short_to_learn_anything_is_no_success() {
    let _alone = alone().await;
    let data_dir = tempfile::tempdir().unwrap();
    let (summary, success) = demo(data_dir.path(), 3).await;
    assert!(!success, "{summary}");
}
