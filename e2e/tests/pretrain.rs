//! General weights can be made from clips, and say how they were made.

use std::process::Command;

use e2e::{clip, program};
use serde_json::Value;

#[test]
fn weights_are_made_from_a_clip_and_say_how() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("weights.safetensors");
    let clip = clip();
    let status = Command::new(program("acuity"))
        .arg("pretrain")
        .arg(&clip)
        .arg("--out")
        .arg(&out)
        .arg("--hold-out")
        .arg(&clip)
        .args(["--rates", "150,400", "--clip-seconds", "20", "--pairs-per-second", "4"])
        .args(["--steps", "60", "--device", "cpu"])
        .status()
        .unwrap();
    assert!(status.success());
    assert!((10_000..50_000).contains(&out.metadata().unwrap().len()), "half precision, of the default shape");

    let card: Value = serde_json::from_str(&std::fs::read_to_string(out.with_extension("json")).unwrap()).unwrap();
    assert_eq!(card["clips"], serde_json::json!([{ "clip": "big-buck-bunny.mp4", "kbps": [150, 400] }]));
    assert_eq!(card["clips"], card["held_out_clips"]);
    assert_eq!(card["steps"], 60);
    // Of twenty seconds sixteen are learned from, four kept back, and twenty held out, at both rates.
    assert_eq!((&card["pairs"], &card["held_out"]["pairs"]), (&Value::from(128), &Value::from(192)));
    let command = card["command"].as_str().unwrap();
    assert!(command.starts_with("acuity pretrain big-buck-bunny.mp4") && !command.contains('/'), "{command}");
}
