//! What every reconciliation works with.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use bus::Bus;
use kube::Client;

use crate::{events::Events, metrics::Metrics, names::Role, options::Options};

#[derive(Clone)]
pub struct Context {
    pub client: Client,
    pub options: Options,
    /// `user:password` of each role for NATS, as copied into streams' Secrets.
    pub credentials: Credentials,
    /// `None`: nothing is learned of streams, nor left behind by them.
    pub bus: Option<Bus>,
    pub events: Events,
    pub metrics: Metrics,
}

/// Of the roles that pods have.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<Role, String>);

impl Credentials {
    /// # Errors
    /// When a file cannot be read.
    pub fn read(folder: Option<&Path>) -> anyhow::Result<Self> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        let read = |role: Role| {
            let file = folder.join(role.as_str());
            let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            Ok((role, text.trim_end().to_owned()))
        };
        Role::ALL.into_iter().map(read).collect::<anyhow::Result<_>>().map(Self)
    }

    #[must_use]
    pub fn of(&self, role: Role) -> Option<&str> {
        self.0.get(&role).map(String::as_str)
    }
}
