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

#[test]
fn what_is_shipped_can_be_read_and_its_card_says_that_it_helps() {
    let cards = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights");
    for scale in 2..=4 {
        let network = Network { scale, ..Network::DEFAULT_X2 };
        let weights = shipped(network).expect("every scale has weights");
        assert_eq!(weights.network, network);
        let card = fs::read_to_string(cards.join(format!("16x5-x{scale}.json"))).unwrap();
        let card: Card = serde_json::from_str(&card).unwrap();
        assert!(card.training.held_out.gain_db() > 0.2, "{:?}", card.training.held_out);
        assert!(card.command.contains(&format!("--scale {scale}")) && !card.command.contains('/'), "{}", card.command);
    }
}
