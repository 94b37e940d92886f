//! Weights come from the network: whatever the bytes are, the answer is weights or a clear error.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use proptest::prelude::*;
use sr_net::{Network, Precision, Weights, WeightsError};

const SMALL: Network = Network { scale: 2, unshuffle: 1, features: 3, layers: 2 };

fn ramp(network: Network) -> Weights {
    let mut weights = Weights::zero(network);
    for convolution in &mut weights.convolutions {
        for (index, value) in convolution.weight.iter_mut().chain(&mut convolution.bias).enumerate() {
            *value = index as f32 / 64.0 - 1.0; // exact in f16
        }
    }
    weights
}

/// Safetensors of one file: `tensors` as (name, type, shape), the data all `byte`.
fn file(tensors: &[(&str, &str, &[usize])], byte: u8) -> Vec<u8> {
    let (mut entries, mut offset) = (Vec::new(), 0);
    for (name, dtype, shape) in tensors {
        let size = if *dtype == "F16" {
            2
        } else if *dtype == "F64" {
            8
        } else {
            4
        };
        let end = offset + shape.iter().product::<usize>() * size;
        entries.push(format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{offset},{end}]}}"#));
        offset = end;
    }
    with_header(&format!("{{{}}}", entries.join(",")), &vec![byte; offset])
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let padded = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    [&(padded.len() as u64).to_le_bytes(), padded.as_bytes(), data].concat()
}

const GOOD: [(&str, &str, &[usize]); 4] = [
    ("conv.0.weight", "F32", &[3, 1, 3, 3]),
    ("conv.0.bias", "F32", &[3]),
    ("conv.1.weight", "F32", &[4, 3, 3, 3]),
    ("conv.1.bias", "F32", &[4]),
];

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    let error = Weights::from_safetensors(bytes, SMALL).unwrap_err().to_string();
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
}

#[test]
fn weights_survive_a_round_trip() {
    for network in [SMALL, Network::DEFAULT_X2, Network::new(4, 2, 5, 3).unwrap()] {
        for precision in [Precision::F32, Precision::F16] {
            let weights = ramp(network);
            let bytes = weights.to_safetensors(precision);
            assert_eq!(bytes, weights.to_safetensors(precision));
            let read = Weights::from_safetensors(&bytes, network).unwrap();
            assert_eq!(read.to_safetensors(precision), bytes);
            if network == SMALL || precision == Precision::F32 {
                assert_eq!(read, weights);
            }
        }
    }
}

#[test]
fn a_file_written_by_another_program_is_read() {
    assert_eq!(Weights::from_safetensors(&file(&GOOD, 0), SMALL), Ok(Weights::zero(SMALL)));
}

#[test]
fn weights_of_another_network_are_refused_by_name() {
    refused(&file(&GOOD[..3], 0), "3 tensors instead of 4");
    refused(&file(&[&GOOD[..], &[("conv.2.bias", "F32", &[1])]].concat(), 0), "5 tensors instead of 4");
    refused(&file(&[&GOOD[..3], &[("conv.1.offset", "F32", &[4])]].concat(), 0), "no tensor conv.1.bias");
    refused(&file(&[&GOOD[..3], &[("conv.1.bias", "F32", &[5])]].concat(), 0), "conv.1.bias is [5] instead of [4]");
    refused(&file(&[&GOOD[..3], &[("conv.1.bias", "F32", &[2, 2])]].concat(), 0), "conv.1.bias is [2, 2]");
    refused(&file(&[&GOOD[..3], &[("conv.1.bias", "F64", &[4])]].concat(), 0), "conv.1.bias is of type F64");
    let default = Weights::zero(Network::DEFAULT_X2).to_safetensors(Precision::F16);
    refused(&default, "10 tensors instead of 4");
}

#[test]
fn values_that_are_not_finite_are_refused_by_tensor() {
    let bytes = file(&GOOD, 0xff);
    let error = Weights::from_safetensors(&bytes, SMALL).unwrap_err();
    assert_eq!(error, WeightsError::NotFinite("conv.0.weight".to_owned()));
    let mut overflowing = ramp(SMALL);
    overflowing.convolutions[1].bias[3] = 1e6; // infinite as f16
    refused(&overflowing.to_safetensors(Precision::F16), "not finite in conv.1.bias");
}

#[test]
fn malformed_bytes_are_refused() {
    let good = file(&GOOD, 0);
    refused(&[], "shorter than 8 bytes");
    refused(&good[..7], "shorter than 8 bytes");
    refused(&good[..good.len() - 1], "well-formed");
    refused(&[&good[..], &[0]].concat(), "well-formed");
    refused(&u64::MAX.to_le_bytes(), "at most 65536");
    refused(&with_header("{", &[]), "well-formed");
    refused(&with_header(&"[".repeat(60_000), &[]), "well-formed");
    refused(
        &with_header(r#"{"conv.0.bias":{"dtype":"F32","shape":[3],"data_offsets":[12,0]}}"#, &[0; 12]),
        "well-formed",
    );
    let shape = r#"{"conv.0.bias":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,12]}}"#;
    refused(&with_header(shape, &[0; 12]), "well-formed");
}

#[test]
fn too_many_bytes_are_refused_unread() {
    let bytes = vec![0; Weights::MAX_BYTES + 1];
    let expected = WeightsError::TooLarge { bytes: bytes.len(), limit: Weights::MAX_BYTES };
    assert_eq!(Weights::from_safetensors(&bytes, SMALL), Err(expected));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = Weights::from_safetensors(&bytes, SMALL);
    }

    #[test]
    fn no_change_of_a_good_file_makes_it_panic(
        at in any::<prop::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 1..16),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut file = file(&GOOD, 0);
        let start = at.index(file.len());
        for (target, byte) in file[start..].iter_mut().zip(bytes) {
            *target = byte;
        }
        file.truncate(keep.index(file.len()) + 1);
        let _ = Weights::from_safetensors(&file, SMALL);
    }
}

#[test]
fn every_file_of_the_corpus_gets_an_answer() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let accepted = Weights::from_safetensors(&std::fs::read(&path).unwrap(), SMALL).is_ok();
        let expected = path.file_name().unwrap().to_str().unwrap().starts_with("good");
        assert_eq!(accepted, expected, "{}", path.display());
        files += 1;
    }
    assert!(files >= 5, "the corpus at {corpus} holds {files} files");
}
