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
        let values = std::env::var("E2E_VALUES").context(
            "E2E_VALUES is not set: on a cluster that `make cluster` did not make, it names a file of chart values that say \
             where the images to try are, such as {images: {registry: registry.example.com/acuity, tag: mine}}",
        )?;
        let mut all = vec!["upgrade", RELEASE, "charts/acuity", "--install", "--create-namespace"];
        all.extend(["--values", values.as_str(), "--wait", "--timeout", "2m"]);
        self.helm(&[&all, arguments].concat()).await
    }

    pub(crate) async fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run("helm", &[&["--namespace", NAMESPACE], arguments].concat()).await
    }
}
