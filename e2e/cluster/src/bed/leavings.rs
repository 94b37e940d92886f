//! What a stream leaves when it is deleted: nothing.

use std::fs;

use anyhow::{Context, ensure};
use crds::children;
use http::Request;
use serde_json::Value;

use super::{Bed, release};
use crate::{command::run, wait::until};

impl Bed {
    /// Objects, what NATS holds, host ports and processes. There must be no other stream.
    pub(crate) async fn nothing_is_left_of(&self, stream: &str) -> anyhow::Result<()> {
        until(30, "no object is left", async || {
            let left = self.objects_of(stream).await?;
            ensure!(left.is_empty(), "there is still {}", left.join(", "));
            Ok(true)
        })
        .await?;
        until(30, "NATS holds nothing", async || {
            let held = self.bus_holds().await?;
            ensure!(held.is_empty(), "NATS still holds {}", held.join(", "));
            Ok(true)
        })
        .await?;
        if self.own {
            until(10, "no process is left", async || {
                let left = processes();
                ensure!(left.is_empty(), "there is still {}", left.join(", "));
                Ok(true)
            })
            .await?;
            for node in self.nodes().await? {
                let number = node.trim_start_matches("node");
                let rules = run("cluster/cluster", &["node", number, "iptables-save"]).await?;
                let ports: Vec<&str> = rules.lines().filter(|rule| rule.contains("-A CNI-HOSTPORT-DNAT ")).collect();
                ensure!(ports.is_empty(), "{node} still has host ports: {}", ports.join("\n"));
            }
        }
        Ok(())
    }

    /// Everything with the stream's label, of whatever kind, but events.
    async fn objects_of(&self, stream: &str) -> anyhow::Result<Vec<String>> {
        let kinds = self.kubectl(&["api-resources", "--namespaced", "--verbs=list", "-o", "name"]).await?;
        let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
        let label = format!("{}={stream}", children::STREAM_LABEL);
        let found = self.kubectl(&["get", &kinds.join(","), "-l", &label, "-o", "name"]).await?;
        Ok(found.lines().map(str::to_owned).collect())
    }

    /// Streams and buckets that have messages, with how many, and consumers.
    async fn bus_holds(&self) -> anyhow::Result<Vec<String>> {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}-nats-0:8222/proxy/jsz?accounts=1&streams=1&consumers=1",
            release::NAMESPACE,
            release::RELEASE,
        );
        let answer: Value = self.client.request(Request::get(path).body(Vec::new())?).await?;
        let accounts = answer["account_details"].as_array().context("NATS tells of its accounts")?;
        let streams = accounts.iter().filter_map(|account| account["stream_detail"].as_array()).flatten();
        Ok(streams
            .filter_map(|stream| {
                let messages = stream["state"]["messages"].as_u64().unwrap_or_default();
                // The operator listens to reports all the time.
                let listeners = stream["consumer_detail"].as_array().map_or(0, |consumers| {
                    consumers.iter().filter(|consumer| consumer["config"]["durable_name"].is_string()).count()
                });
                let name = stream["name"].as_str().unwrap_or("a stream without a name");
                (messages + listeners as u64 > 0)
                    .then(|| format!("{messages} messages and {listeners} consumers in {name}"))
            })
            .collect())
    }
}

/// Processes of streams in containers on this machine.
fn processes() -> Vec<String> {
    let of_container = |entry: &fs::DirEntry| {
        let cgroups = fs::read_to_string(entry.path().join("cgroup")).ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?.trim().to_owned();
        let ours = ["media-node", "patch-pairer", "enhancer", "trainer"].contains(&name.as_str());
        (ours && cgroups.contains("/k8s.io/")).then(|| format!("{name} ({})", entry.file_name().to_string_lossy()))
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| of_container(&entry)).collect()
}
