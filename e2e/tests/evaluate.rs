//! `acuity evaluate` over the real programs: it runs, records and measures, and says so when a run was none.

use std::{fs, path::Path, process::Stdio};

use e2e::{Process, alone, descendants, eventually, program, within};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Small moving pictures, made as fast as they are read.
const CLIP: &str = "testsrc2=size=320x192:rate=15:duration=3";
const SECONDS: u64 = 14;

/// A running `acuity evaluate` of one clip.
struct Evaluation {
    child: Child,
    folder: TempDir,
}

/// How it ended.
struct Ended {
    success: bool,
    said: String,
    report: Option<Value>,
}

impl Evaluation {
    fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let child = Command::new(program("acuity"))
            .args(["evaluate", CLIP, "--format", "lavfi", "--warmup-seconds", "4", "--json", "report.json"])
            .args(["--seconds", &SECONDS.to_string(), "--video-kbps", "150", "--patch-kbps", "50"])
            .args(options)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("acuity can be started");
        Self { child, folder }
    }

    fn processes(&self) -> Vec<Process> {
        self.child.id().map(descendants).unwrap_or_default()
    }

    /// The part of this name, once the run has begun.
    async fn part(&self, name: &str) -> Process {
        within(30, "the publisher runs", async || {
            let processes = self.processes();
            let begun = processes.iter().filter(|process| process.name == "acuity").count() == 3;
            processes.into_iter().find(|process| begun && process.name == name)
        })
        .await
    }

    async fn ended(self) -> Ended {
        let output = self.child.wait_with_output().await.expect("a child can be waited for");
        let report = fs::read(self.folder.path().join("report.json")).ok();
        Ended {
            success: output.status.success(),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
            report: report.map(|json| serde_json::from_slice(&json).expect("the report is JSON")),
        }
    }
}

#[tokio::test]
async fn a_run_is_measured_to_its_end_and_its_recording_can_be_measured_again() {
    let _alone = alone().await;
    let kept = tempfile::tempdir().unwrap();
    let evaluation = Evaluation::start(&[
        "--keep",
        kept.path().to_str().unwrap(),
        "--plot",
        kept.path().join("p.svg").to_str().unwrap(),
    ]);
    let Ended { success, said, report } = evaluation.ended().await;
    assert!(success, "{said}");
    let report = report.expect("a report was written");
    let clip = &report["clips"][0];
    assert_eq!(clip["incomplete"], serde_json::json!([]), "{said}");
    for name in ["bicubic", "enhanced", "bicubic_encoded", "bicubic_full", "direct"] {
        let psnr = clip["mean"][name]["psnr_y_db"].as_f64().unwrap();
        assert!((15.0..100.0).contains(&psnr), "{name}: {psnr} dB");
    }
    for name in ["gain_db", "gain_encoded_db", "gain_full_db", "gain_direct_db", "as_seen_db"] {
        assert!(clip["mean"][name].is_f64(), "{name}");
    }
    let uplink = |kind: &str| clip["uplink_kbps"][kind].as_f64().unwrap();
    assert!((100.0..250.0).contains(&uplink("video")) && uplink("patches") > 5.0, "{}", clip["uplink_kbps"]);
    assert_eq!(uplink("audio"), 0.0);
    assert_eq!(clip["seconds"].as_array().unwrap().len() as u64, SECONDS);
    for rendition in ["source", "enhanced"] {
        assert!(clip["delivery"][rendition]["frames_shown"].as_u64().unwrap() > 0, "{rendition}");
    }
    let processes: Vec<&str> =
        clip["processes"].as_array().unwrap().iter().map(|process| process["name"].as_str().unwrap()).collect();
    assert_eq!(
        processes,
        [
            "enhancer",
            "media-node",
            "nats-server",
            "patch-pairer",
            "publish",
            "trainer",
            "watch-enhanced",
            "watch-source"
        ]
    );
    assert!(kept.path().join("p.svg").is_file());
    is_the_same_measured_again(kept.path(), &clip["mean"]).await;
}

async fn is_the_same_measured_again(kept: &Path, mean: &Value) {
    let recording = within(1, "the recording is kept", async || {
        let folders = fs::read_dir(kept).expect("the kept folder").map(|entry| entry.expect("an entry of it").path());
        folders.into_iter().find(|path| path.join("recording.json").is_file())
    })
    .await;
    let json = kept.join("again.json");
    let status = Command::new(program("acuity"))
        .args(["evaluate", "--again"])
        .arg(recording)
        .arg("--json")
        .arg(&json)
        .stdout(Stdio::null())
        .status()
        .await
        .expect("acuity runs");
    assert!(status.success());
    let again: Value =
        serde_json::from_slice(&fs::read(json).expect("the report is there")).expect("the report is JSON");
    assert_eq!(&again["clips"][0]["mean"], mean);
}

#[tokio::test]
async fn a_run_in_which_a_part_dies_is_no_success_and_says_who_died() {
    let _alone = alone().await;
    let evaluation = Evaluation::start(&["--no-trainer"]);
    evaluation.part("enhancer").await.kill();
    let Ended { success, said, report } = evaluation.ended().await;
    assert!(!success && said.contains("enhancer died"), "{said}");
    let report = report.expect("a report was written");
    assert_eq!(report["clips"], serde_json::json!([]));
    let why = report["unmeasured"][0]["incomplete"][0].as_str().unwrap();
    assert!(why.starts_with("enhancer died"), "{why}");
}

#[tokio::test]
async fn control_c_ends_a_run_in_order_and_it_is_no_success() {
    let _alone = alone().await;
    let evaluation = Evaluation::start(&["--no-trainer"]);
    evaluation.part("patch-pairer").await;
    let processes = evaluation.processes();
    let acuity = processes.iter().find(|process| process.name == "media-node").and_then(Process::parent).unwrap();
    acuity.interrupt();
    let Ended { success, said, .. } = evaluation.ended().await;
    assert!(!success && said.contains("interrupted"), "{said}");
    eventually(1, "all processes are gone", || processes.iter().all(|process| !process.is_alive())).await;
}
