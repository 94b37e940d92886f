//! Replays the corpora of the fuzz targets: what was found once stays found.

use std::{fs, path::Path};

#[test]
fn every_corpus_file_is_taken_by_every_entry_point() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        media_node::fuzz::datagram(&bytes);
        media_node::room::fuzz::inputs(&bytes);
        replayed += 1;
    }
    assert!(replayed >= 10, "only {replayed} corpus files");
}
