use sr_net::Precision;

use super::*;

const SMALL: Network = Network { scale: 2, unshuffle: 1, features: 2, layers: 2 };

#[test]
fn weights_of_a_file_win_over_those_of_the_build() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    for network in [SMALL, Network::DEFAULT_X2] {
        let weights = Weights::zero(network);
        fs::write(&path, weights.to_safetensors(Precision::F16)).unwrap();
        assert_eq!(load(Some(&path), network).unwrap().as_deref(), Some(&weights));
    }
    let error = load(Some(&path), SMALL).unwrap_err().to_string();
    assert!(error.contains("weights.safetensors") && error.contains("do not fit the network"), "{error}");
    let error = load(Some(&folder.path().join("nowhere")), SMALL).unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn other_shapes_have_none() {
    assert_eq!(shipped(SMALL), None);
    assert_eq!(load(None, SMALL).unwrap(), None);
}
