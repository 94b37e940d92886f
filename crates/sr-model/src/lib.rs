//! The super-resolution network on libtorch: trained wide, collapsed, run fast, on the CPU or on a GPU.
//!
//! Its outputs are those of `sr-net`, at most 1/255 apart (2/255 in bf16); tests hold that. It knows nothing of
//! streams, files and networks.
//!
//! What a program around it must do first, in this order:
//! 1. be started with `OMP_WAIT_POLICY=PASSIVE` in its environment: OpenMP reads it when it is loaded, before `main`.
//!    The parent sets it (the operator, `acuity up`); without it idle threads spin, at up to four times the CPU time.
//! 2. [`tune_allocator`] at the start of `main`, before any thread.
//! 3. [`open_device`] before anything else here: the CUDA library is loaded at run time.

mod adam;
mod allocator;
mod device;
mod inference;
mod precision;
mod skip;
mod training;
mod wide;

pub use allocator::tune_allocator;
pub use device::{Device, DeviceError, device_name, open_device};
pub use inference::{Inference, InferenceError};
pub use precision::{Precision, choose_precision};
pub use training::{Batch, Learner, LearnerState, Loss, StateError};
