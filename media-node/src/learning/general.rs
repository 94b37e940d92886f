//! The general weights as a checkpoint: there from the first moment, without NATS, the same after each restart.

use std::sync::Arc;

use proto::{StreamName, v1::Checkpoint};
use sha2::{Digest, Sha256};
use sr_net::{Precision, Weights};

use super::registry::{GENERAL_VERSION, Live};

/// In the place of a trainer's name.
const TRAINER_ID: &str = "general";

pub(crate) fn checkpoint(stream: &StreamName, weights: Arc<Weights>) -> Live {
    let safetensors = weights.to_safetensors(Precision::F16);
    let checkpoint = Checkpoint {
        stream: Some(stream.to_id()),
        version: GENERAL_VERSION,
        network: Some(weights.network.to_proto()),
        sha256: Sha256::digest(&safetensors).to_vec().into(),
        safetensors: safetensors.into(),
        trainer_id: TRAINER_ID.to_owned(),
        ..Checkpoint::default()
    };
    Live { checkpoint: Arc::new(checkpoint), weights }
}
