//! The room on a virtual clock: small stages whose every output is compared, and whole worlds over a lossy link.

mod auto;
mod hostile;
mod keyframes;
mod learning;
mod link;
mod lossy;
mod peers;
mod reports;
mod sessions;
mod stage;
mod watcher;
mod world;
