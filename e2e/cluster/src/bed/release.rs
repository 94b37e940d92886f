//! The chart's release.

use anyhow::Context;

use super::Bed;
use crate::command::run;

/// The namespace of operator and NATS.
pub(crate) const NAMESPACE: &str = "acuity";
pub(crate) const RELEASE: &str = "acuity";

impl Bed {
    /// Installs or upgrades, with the programs of this build; what Helm said.
    pub(crate) async fn install(&self, arguments: &[&str]) -> anyhow::Result<String> {
        if self.own {
            return run("cluster/cluster", &[&["install"], arguments].concat()).await;
        }
        // On the cluster of somebody else images come from wherever they say.
        let values = std::env::var("E2E_VALUES").context("E2E_VALUES is not set: scripts/e2e.sh says what it is")?;
        let mut all = vec!["upgrade", RELEASE, "charts/acuity", "--install", "--create-namespace"];
        all.extend(["--values", values.as_str(), "--wait", "--timeout", "2m"]);
        self.helm(&[&all, arguments].concat()).await
    }

    pub(crate) async fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run("helm", &[&["--namespace", NAMESPACE], arguments].concat()).await
    }
}
