use proto::v1::PublisherPatch;

use super::*;

/// A program that does this instead of pairing. Another process writes it: a file this one has open for writing could
/// be inherited by a child of another test, and would then not run.
fn program(folder: &tempfile::TempDir, script: &str) -> PathBuf {
    let path = folder.path().join("patch-pairer");
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod +x "$0""#;
    let status = std::process::Command::new("sh").arg("-c").arg(write).arg(&path).arg(script).status();
    assert!(status.unwrap().success());
    path
}

fn patch() -> ReceivedPatch {
    ReceivedPatch { patch: Some(PublisherPatch::default()), ..Default::default() }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

async fn death(pairer: &mut Pairer, at: Duration) -> String {
    let answer = tokio::time::timeout(Duration::from_secs(20), pairer.next_answer(|| at)).await;
    answer.expect("it dies in time").expect_err("it says nothing").reason
}

#[tokio::test]
async fn one_that_dies_at_its_start_is_started_again_ever_more_slowly() {
    let folder = tempfile::tempdir().unwrap();
    let mut pairer = Pairer::new(program(&folder, "exit 3"));
    let mut at = Duration::ZERO;
    for pause in [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0] {
        assert_eq!(pairer.handle_patch(at, patch()), Ok(true));
        assert_eq!(death(&mut pairer, at).await, "exit status: 3");
        assert_eq!(pairer.handle_patch(at + seconds(pause - 0.01), patch()), Err("pairer_away"));
        at += seconds(pause);
    }
    assert_eq!(pairer.handle_patch(at, patch()), Ok(true));
    assert_eq!(death(&mut pairer, at + seconds(11.0)).await, "exit status: 3");
    assert_eq!(pairer.handle_patch(at + seconds(11.2), patch()), Ok(true), "that one had lived");
}

#[tokio::test]
async fn a_program_that_is_not_there_costs_patches_and_nothing_else() {
    let mut pairer = Pairer::new("/nowhere/patch-pairer".into());
    assert_eq!(pairer.handle_patch(Duration::ZERO, patch()), Err("pairer_away"));
    pairer.handle_access_unit(0, true, Bytes::from_static(b"unit"));
    pairer.handle_frames_lost();
    assert!(!pairer.handle_tick(Duration::ZERO));
}

#[tokio::test]
async fn one_that_does_not_read_gets_no_more_than_its_inbox_holds_and_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut pairer = Pairer::new(program(&folder, "exec sleep 60"));
    assert_eq!(pairer.handle_patch(Duration::ZERO, patch()), Ok(true));
    let unit = Bytes::from(vec![7; 1 << 20]);
    let sent = (0..100).take_while(|&index| {
        pairer.handle_access_unit(index, true, unit.clone());
        pairer.running.as_ref().is_some_and(|running| running.keyframe.is_none())
    });
    assert_eq!(sent.count(), 7, "8 MiB with what goes around them");
    assert!(pairer.handle_tick(Duration::ZERO), "a key frame is asked for");
    assert!(!pairer.handle_tick(seconds(0.5)));
    assert!(pairer.handle_tick(seconds(1.0)), "and again");
    assert_eq!(death(&mut pairer, seconds(6.0)).await, "it does not read, killed");
}

#[tokio::test]
async fn nonsense_from_it_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut pairer = Pairer::new(program(&folder, r"printf '\377\377\377\377\177'; exec sleep 60"));
    assert_eq!(pairer.handle_patch(Duration::ZERO, patch()), Ok(true));
    let reason = death(&mut pairer, Duration::ZERO).await;
    assert!(reason.contains("reading from it: a message of") && reason.ends_with("killed"), "{reason}");
}

#[tokio::test]
async fn an_idle_one_is_told_to_end_and_that_is_no_death() {
    let folder = tempfile::tempdir().unwrap();
    let mut pairer = Pairer::new(program(&folder, "exec cat > /dev/null"));
    assert_eq!(pairer.handle_patch(Duration::ZERO, patch()), Ok(true));
    assert_eq!(pairer.handle_patch(seconds(5.0), patch()), Ok(false));
    pairer.handle_tick(seconds(14.9));
    assert!(pairer.running.is_some());
    pairer.handle_tick(seconds(15.0));
    assert!(pairer.running.is_none());
    assert_eq!(pairer.handle_patch(seconds(15.0), patch()), Ok(true), "no backoff");
}
