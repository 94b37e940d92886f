//! A real Kubernetes control plane for tests: etcd and kube-apiserver on loopback, on request with controller manager and
//! scheduler, as an ordinary user, in seconds. There are no nodes: a [`FakeKubelet`] says what becomes of pods.
//!
//! ```no_run
//! # async fn test() {
//! use control_plane::{ControlPlane, User};
//!
//! let cluster = ControlPlane::shared().await;
//! let namespace = cluster.namespace("my-test").await;
//! let operator = cluster.client_as(&User::service_account("acuity-system", "acuity-operator"));
//! # }
//! ```
//!
//! It must not be used outside of tests and benchmarks: a missing program is an error that names what builds it, and what
//! cannot go wrong in a test panics.

mod control_plane;
mod folder;
mod kubelet;
mod programs;
mod secrets;
mod server;
mod user;
mod wait;

pub use control_plane::{Builder, ControlPlane, Error};
pub use kubelet::{Builder as FakeKubeletBuilder, FakeKubelet, FakeNode, Fate, labelled, named};
pub use programs::{PROGRAMS_VARIABLE, find_program};
pub use server::Server;
pub use user::User;
pub use wait::{eventually, wait_for, wait_until_gone};
