//! Fuzzes checkpoints as a trainer could offer them: taken or refused, never a panic, and what is taken is finite.
#![no_main]

use sr_net::{Network, Precision, Weights};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let network = Network { scale: 2, unshuffle: 1, features: 2, layers: 2 };
    if let Ok(weights) = Weights::from_safetensors(bytes, network) {
        let again = Weights::from_safetensors(&weights.to_safetensors(Precision::F32), network);
        assert_eq!(again.as_ref(), Ok(&weights));
    }
});
