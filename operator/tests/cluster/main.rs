//! The operator on a real API server, with the rights that `rbac.yaml` gives it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bus;
mod harness;
mod lifecycle;
mod story;
mod succession;
mod troubles;
