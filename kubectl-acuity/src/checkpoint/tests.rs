use proto::v1::{Measurement, Network};

use super::*;

fn checkpoint(version: u64, gain_db: f64) -> Checkpoint {
    let safetensors = b"weights".as_slice();
    Checkpoint {
        version,
        network: Some(Network { kind: 1, scale: 2, unshuffle: 1, features: 16, layers: 5 }),
        sha256: Sha256::digest(safetensors).to_vec().into(),
        safetensors: safetensors.into(),
        measured: (version > 1).then(|| Measurement {
            patches: 24,
            bicubic_psnr_db: 30.0,
            psnr_db: 30.0 + gain_db,
            ..Measurement::default()
        }),
        trainer_id: if version > 1 { "game-night-trainer-0" } else { "general" }.to_owned(),
        accepted_at_unix_us: if version > 1 { version * 1_000_000 } else { 0 },
        ..Checkpoint::default()
    }
}

fn listed(live_version: u64, pinned_version: u64) -> Vec<Row> {
    let checkpoints = vec![checkpoint(58, 2.104), checkpoint(57, 2.0), checkpoint(1, 0.0)];
    rows(&ListResponse { checkpoints, live_version, pinned_version })
}

#[test]
fn the_list_says_what_is_in_use() {
    let now = Timestamp::from_second(400).unwrap();
    insta::assert_snapshot!(render(&listed(58, 0), false, now));
    insta::assert_snapshot!(render(&listed(57, 57), true, now));
    insta::assert_snapshot!(render(&listed(0, 57)[1..2], false, now));
    insta::assert_snapshot!(render(&[], false, now));
}

#[test]
fn weights_are_saved_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    let mut damaged = checkpoint(2, 1.0);
    damaged.safetensors = b"veights".as_slice().into();
    assert!(save(&damaged, &file).unwrap_err().to_string().contains("damaged"));
    assert!(!file.exists());

    save(&checkpoint(2, 1.0), &file).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"weights");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else stays");
    let nowhere = save(&checkpoint(2, 1.0), &folder.path().join("no/a")).unwrap_err();
    assert!(nowhere.to_string().starts_with("writing "), "{nowhere}");
}
