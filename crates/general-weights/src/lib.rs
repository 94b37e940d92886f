//! Weights that were trained on other material than the stream's: what a stream begins with, and falls back to.
//! `weights/README.md` says how they were made; `acuity pretrain` makes others.

mod card;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use sr_net::{Network, Weights, WeightsError};

pub use card::{Card, CodedClip, Figure, Progress, Said, Training};

#[derive(Debug, thiserror::Error)]
#[error("general weights of {path:?}: {fault}")]
pub struct LoadError {
    path: PathBuf,
    fault: LoadFault,
}

#[derive(Debug, thiserror::Error)]
enum LoadFault {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    Unusable(#[from] WeightsError),
}

/// Those of `file`, or without one those this build comes with; `None`: there are none of this shape.
///
/// # Errors
/// When the file cannot be read, or does not hold weights of `network`.
pub fn load(file: Option<&Path>, network: Network) -> Result<Option<Arc<Weights>>, LoadError> {
    let Some(path) = file else { return Ok(shipped(network)) };
    let fault = |fault: LoadFault| LoadError { path: path.to_owned(), fault };
    let mut bytes = Vec::new();
    // One byte more than is taken tells that there are too many.
    let most = Weights::MAX_BYTES as u64 + 1;
    let read = fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| fault(error.into()))?;
    let weights = Weights::from_safetensors(&bytes, network).map_err(|error| fault(error.into()))?;
    Ok(Some(Arc::new(weights)))
}

/// Of the default shape at each scale, as `acuity pretrain` wrote them.
const SHIPPED: [(usize, &[u8]); 3] = [
    (2, include_bytes!("../weights/16x5-x2.safetensors")),
    (3, include_bytes!("../weights/16x5-x3.safetensors")),
    (4, include_bytes!("../weights/16x5-x4.safetensors")),
];

/// The weights this build comes with for `network`; `None`: there are none of this shape, exact bicubic it is.
#[must_use]
pub fn shipped(network: Network) -> Option<Arc<Weights>> {
    let default = Network { scale: network.scale, ..Network::DEFAULT_X2 };
    let (_, bytes) = SHIPPED.iter().find(|(scale, _)| *scale == network.scale && network == default)?;
    Weights::from_safetensors(bytes, network).ok().map(Arc::new)
}

#[cfg(test)]
mod tests;
