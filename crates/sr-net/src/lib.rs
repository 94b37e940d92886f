//! The reference of the super-resolution network in plain Rust: its shape, its weights, exact bicubic, the forward
//! pass in f32, and the measures. The trainer's and the enhancer's tensors, the judge and the browser are tested
//! against it (at most 1/255 apart). It depends on neither libtorch nor FFmpeg.

mod bicubic;
mod convolution;
mod digest;
mod forward;
mod limit;
mod measure;
mod network;
mod pair;
mod phash;
mod plane;
mod weights;

pub use bicubic::{bicubic, bicubic_kernel, bicubic_of, upsample};
pub use digest::digest;
pub use forward::{enhance, forward};
pub use limit::limit;
pub use measure::{Reference, mse, psnr_db, psnr_of_mse_db, ssim};
pub use network::{Network, NetworkError};
pub use pair::{Pair, PairError};
pub use phash::{hamming, phash};
pub use plane::Plane;
pub use weights::{Convolution, Precision, Weights, WeightsError};
