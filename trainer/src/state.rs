//! What a trainer needs to go on after its death, as bytes for the object store: safetensors with the parameters and
//! Adam's moments, the step and the network in its metadata.

use std::collections::HashMap;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sr_model::LearnerState;
use sr_net::Network;

/// Other layouts of the parameters are not read.
const LAYOUT: &str = "wide-1";
/// The largest network's state is a quarter of this.
const MAX_BYTES: usize = 32 << 20;

pub(crate) fn encode(state: &LearnerState) -> Bytes {
    let Network { scale, unshuffle, features, layers } = state.network;
    let metadata = [
        ("layout", LAYOUT.to_owned()),
        ("network", format!("{scale} {unshuffle} {features} {layers}")),
        ("step", state.step.to_string()),
    ];
    let metadata: HashMap<_, _> = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let parts = [
        ("first_moment", &state.first_moment),
        ("parameters", &state.parameters),
        ("second_moment", &state.second_moment),
    ];
    let parts = parts
        .map(|(name, numbers)| (name, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()));
    let views = parts.iter().map(|(name, bytes)| {
        (name, TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).expect("four bytes a number"))
    });
    safetensors::serialize(views, Some(metadata)).expect("views of the right length always serialise").into()
}

pub(crate) fn decode(bytes: &[u8]) -> anyhow::Result<LearnerState> {
    ensure!(bytes.len() <= MAX_BYTES, "the state is {} bytes long: at most {MAX_BYTES} are read", bytes.len());
    let tensors = SafeTensors::deserialize(bytes).context("the state is no well-formed safetensors")?;
    let (_, header) = SafeTensors::read_metadata(bytes).context("the state has no readable header")?;
    let metadata = header.metadata().as_ref().context("the state has no metadata")?;
    let field = |name: &str| metadata.get(name).with_context(|| format!("the state does not say its {name}"));
    ensure!(field("layout")? == LAYOUT, "the state is laid out as {:?}: only {LAYOUT} is read", field("layout")?);
    let numbers = field("network")?.split(' ').map(str::parse).collect::<Result<Vec<u32>, _>>();
    let [scale, unshuffle, features, layers] = numbers.context("the state's network is no list of numbers")?[..] else {
        bail!("the state's network is not four numbers");
    };
    let part = |name: &str| -> anyhow::Result<Vec<f32>> {
        let tensor = tensors.tensor(name).with_context(|| format!("the state has no {name}"))?;
        ensure!(tensor.dtype() == Dtype::F32, "{name} of the state is not F32");
        Ok(tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    };
    Ok(LearnerState {
        network: Network::new(scale, unshuffle, features, layers)?,
        step: field("step")?.parse().context("the state's step is no number")?,
        parameters: part("parameters")?,
        first_moment: part("first_moment")?,
        second_moment: part("second_moment")?,
    })
}

#[cfg(test)]
mod tests {
    use sr_model::{Device, Learner};

    use super::*;

    fn state() -> LearnerState {
        let mut state = Learner::from_bicubic(Network::new(3, 2, 8, 4).unwrap(), 5, Device::Cpu).state();
        state.step = 12_345;
        state.first_moment[3] = 0.25;
        state
    }

    #[test]
    fn a_state_survives_a_round_trip() {
        assert_eq!(decode(&encode(&state())).unwrap(), state());
    }

    #[test]
    fn anything_else_is_refused() {
        let bytes = encode(&state());
        for broken in [&bytes[..0], &bytes[..9], &bytes[..bytes.len() - 1], &[0xff; 64]] {
            assert!(decode(broken).is_err());
        }
        let header = 8..8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        let text = std::str::from_utf8(&bytes[header.clone()]).unwrap().replace(LAYOUT, "wide-9");
        let other = [&bytes[..8], text.as_bytes(), &bytes[header.end..]].concat();
        assert!(decode(&other).unwrap_err().to_string().contains("wide-9"));
    }
}
