//! The classes of bugs that operators are known for, one after the other, on a real API server: whatever goes wrong on the
//! way, the cluster comes to be as if nothing had.
//!
//! ```text
//! scenario ──▶ World ──▶ Operator ──▶ Wire (counts, refuses, loses, kills) ──▶ API server
//!                ▲                                                                │
//!                └────────────── Feed (holds back) ◀── watches ◀──────────────┘
//! ```
//!
//! The time is the tests' own, kubelet and garbage collector take turns with the operator, and requests go one after the
//! other: the same case goes the same way again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_values;
mod crashes;
mod deletions;
mod faults;
mod feed;
mod lost_events;
mod picture;
mod quiet;
mod scenarios;
mod spec_walk;
mod stale;
mod wire;
mod world;

#[path = "../cluster/harness.rs"]
#[allow(dead_code, reason = "the tests of the whole use the rest of it")]
mod harness;
