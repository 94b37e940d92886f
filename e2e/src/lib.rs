//! What the README promises, held by tests over the real programs: this crate starts them and looks at them, `tests/`
//! hold the promises.

mod browser;
mod client;
mod processes;
mod programs;
mod system;
mod wait;

pub use browser::{Browser, Page};
pub use client::{PublishStats, Publisher, Viewer, WatchStats};
pub use processes::{Process, descendants};
pub use programs::{clip, program};
pub use system::{System, alone};
pub use wait::{eventually, within};
