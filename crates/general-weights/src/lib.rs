//! Weights that were trained on other material than the stream's: what a stream begins with, and falls back to.
//! `weights/README.md` says how they were made; `acuity pretrain` makes others.

mod card;

use std::sync::Arc;

use sr_net::{Network, Weights};

pub use card::{Card, CodedClip, Figure, Progress, Said, Training};

/// The weights this build comes with for `network`; `None`: there are none of this shape, exact bicubic it is.
#[must_use]
pub fn shipped(network: Network) -> Option<Arc<Weights>> {
    let _ = network;
    None
}
