use prost::Message;
use proto::v1::TrainingPatch;

use super::*;
use crate::example::tests::patch;

fn coded(coding: &str, tenth: u64) -> TrainingPatch {
    TrainingPatch { publisher_session: coding.to_owned(), ..patch(9000 * tenth, 0, 64, [8; 4]) }
}

fn spooled(folder: &tempfile::TempDir, name: &str, patches: impl IntoIterator<Item = TrainingPatch>) -> PathBuf {
    let bytes: Vec<u8> = patches.into_iter().flat_map(|patch| patch.encode_length_delimited_to_vec()).collect();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn offline_training_beats_bicubic_on_pairs_it_never_saw() {
    let folder = tempfile::tempdir().unwrap();
    let files = PretrainFiles {
        pairs: spooled(&folder, "pairs", (0..40).map(|tenth| coded("stripes@100", tenth))),
        held_out: spooled(&folder, "held-out", (40..48).map(|tenth| coded("stripes@100", tenth))),
        out: folder.path().join("weights.safetensors"),
    };
    let network = settings::NetworkSettings { unshuffle: 1, features: 8, layers: 3 };
    let settings = PretrainSettings {
        network,
        steps: 120,
        learning_rate: 3e-3,
        batch: 8,
        device: "cpu".to_owned(),
        ..PretrainSettings::default()
    };
    pretrain(&settings, &files).unwrap();
    let bytes = std::fs::read(&files.out).unwrap();
    let weights = Weights::from_safetensors(&bytes, Network::new(2, 1, 8, 3).unwrap()).unwrap();
    let figures = measure_by_coding(&read_pairs(&files.held_out, 2).unwrap(), &weights);
    assert_eq!((figures.len(), figures[0].coding.as_str(), figures[0].pairs), (1, "stripes@100", 8));
    assert!(figures[0].gain_db() > 0.5, "{:?}", figures[0]);
}

#[test]
fn no_clip_and_no_rate_outweighs_another() {
    let folder = tempfile::tempdir().unwrap();
    let many = (0..30).map(|tenth| coded("long@100", tenth));
    let few = (0..3).map(|tenth| coded("short@100", tenth + 100));
    let pool = Pool::new(read_pairs(&spooled(&folder, "pairs", many.chain(few)), 2).unwrap());
    let drawn = pool.draw(1000, &mut StdRng::seed_from_u64(1));
    let short = drawn.iter().filter(|(example, _)| example.id.stream_time >= 900_000).count();
    assert!((400..600).contains(&short), "{short} of 1000");
}

#[test]
fn what_is_no_file_of_pairs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, "no pairs at all").unwrap();
    assert!(read_pairs(&path, 2).unwrap_err().to_string().contains("TrainingPatch"));
    let path = spooled(&folder, "other", [coded("stripes@100", 1)]);
    assert!(read_pairs(&path, 3).unwrap_err().to_string().contains("does not fit"));
}

#[test]
fn the_learning_rate_rises_shortly_and_falls_to_nothing() {
    assert!(learning_rate(1e-3, 0.0) < 2e-5);
    assert!((learning_rate(1e-3, 0.02) - 1e-3).abs() < 1e-5);
    assert!((learning_rate(1e-3, 0.5) - 5e-4).abs() < 1e-9);
    assert!(learning_rate(1e-3, 1.0) < 1e-9);
}
