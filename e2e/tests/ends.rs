//! `acuity up` ends, and nothing stays behind.

use std::{net::TcpListener, process::Command};

use e2e::{Publisher, System, clip, eventually, program};

#[tokio::test]
async fn control_c_ends_everything_gracefully() {
    let mut system = System::start(&[]).await;
    let _publisher = Publisher::start(&system.whip(), &clip(), &[]);
    system.status_where(30, "patches are paired", |status| status.learning.patches_accepted > 0).await;
    let processes = system.processes();
    assert_eq!(processes.len(), 5, "{processes:?}");
    system.acuity().interrupt();
    assert!(system.ended_well(15).await);
    assert!(processes.iter().all(|process| !process.is_alive()), "{processes:?}");
}

#[tokio::test]
async fn nothing_stays_behind_after_kill_9() {
    let system = System::start(&[]).await;
    let _publisher = Publisher::start(&system.whip(), &clip(), &[]);
    system.status_where(30, "patches are paired", |status| status.learning.patches_accepted > 0).await;
    let processes = system.processes();
    assert_eq!(processes.len(), 5, "{processes:?}");
    system.acuity().kill();
    eventually(5, "all processes are gone", || processes.iter().all(|process| !process.is_alive())).await;
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_option_that_changes_it() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let data_dir = tempfile::tempdir().unwrap();
    let output = Command::new(program("acuity"))
        .args(["up", "--listen", &taken, "--data-dir"])
        .arg(data_dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains(&taken) && said.contains("--listen"), "{said}");
}
