//! The cluster that everything happens in.

mod leavings;
mod release;

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use crds::{LiveStream, LiveStreamStatus, Role, children};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    command::run,
    figures::Figures,
    wait::{until, within},
};

pub(crate) use release::{NAMESPACE as RELEASE_NAMESPACE, RELEASE};

/// Where figures and what failed are kept, in the repository.
pub(crate) const OUTPUT: &str = "target/e2e";
/// The namespace of all streams.
const NAMESPACE: &str = "acuity-e2e";

pub(crate) struct Bed {
    pub(crate) client: Client,
    pub(crate) figures: Figures,
    /// Whether this is the cluster of `make cluster`: then nodes can be looked into, and told what they have.
    pub(crate) own: bool,
}

impl Bed {
    /// Installs Acuity, and makes the namespace.
    pub(crate) async fn prepare() -> anyhow::Result<Self> {
        let kubeconfig = std::env::var("KUBECONFIG").context("KUBECONFIG is not set: `make e2e` does it")?;
        let own = run("cluster/cluster", &["kubeconfig"]).await?.trim() == kubeconfig;
        let client = Client::try_default().await.context("the cluster of KUBECONFIG")?;
        let bed = Self { client, figures: Figures::default(), own };
        bed.install(&[]).await?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let namespaces: Api<Namespace> = Api::all(bed.client.clone());
        namespaces.patch(NAMESPACE, &PatchParams::apply("e2e"), &Patch::Apply(namespace)).await?;
        // What a run left that was cut off.
        bed.delete_streams().await;
        Ok(bed)
    }

    /// Removes the namespace. The release stays: who has streams on this cluster needs its operator.
    pub(crate) async fn clear_away(&self) -> anyhow::Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(NAMESPACE, &DeleteParams::default()).await?;
        until(60, "the namespace is gone", async || Ok(namespaces.get_opt(NAMESPACE).await?.is_none())).await
    }

    /// What belongs to the namespace of the streams.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run("kubectl", &[&["--namespace", NAMESPACE], arguments].concat()).await
    }

    pub(crate) async fn acuity(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run("kubectl", &self.acuity_arguments(arguments)).await
    }

    /// What makes kubectl our plugin.
    pub(crate) fn acuity_arguments<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["acuity", "--namespace", NAMESPACE], arguments].concat()
    }

    /// Applies `examples/EXAMPLE.yaml` as `name`.
    pub(crate) async fn apply_example(&self, example: &str, name: &str) -> anyhow::Result<()> {
        let text = fs::read_to_string(Path::new("examples").join(example).with_extension("yaml"))?;
        let mut stream: LiveStream = serde_saphyr::from_str(&text)?;
        stream.metadata.name = Some(name.to_owned());
        let applied = self.api::<LiveStream>().patch(name, &PatchParams::apply("e2e"), &Patch::Apply(&stream)).await;
        applied.map(drop).with_context(|| format!("applying {example} as {name}"))
    }

    pub(crate) async fn status(&self, name: &str) -> anyhow::Result<LiveStreamStatus> {
        Ok(self.api::<LiveStream>().get(name).await?.status.unwrap_or_default())
    }

    pub(crate) async fn status_where(
        &self,
        name: &str,
        seconds: u64,
        what: &str,
        fits: impl Fn(&LiveStreamStatus) -> bool,
    ) -> anyhow::Result<LiveStreamStatus> {
        within(seconds, &format!("{name}: {what}"), async || Ok(Some(self.status(name).await?).filter(&fits))).await
    }

    /// Pods of a stream, of one role.
    pub(crate) async fn pods(&self, stream: &str, role: Role) -> anyhow::Result<Vec<Pod>> {
        let selected = ListParams::default().labels(&children::selector(stream, role));
        Ok(self.api::<Pod>().list(&selected).await?.items)
    }

    /// One of them, as soon as there is one: the trainer of a stream comes when patches wait, and may go when it has nothing
    /// more to learn.
    pub(crate) async fn a_pod(&self, stream: &str, role: Role) -> anyhow::Result<Pod> {
        within(60, &format!("there is a {role}"), async || Ok(self.pods(stream, role).await?.into_iter().next())).await
    }

    pub(crate) async fn delete_streams(&self) {
        // A scenario that ends well has none left.
        for kind in ["livestreams", "secrets"] {
            if let Err(error) = self.kubectl(&["delete", kind, "--all", "--timeout=60s"]).await {
                println!("e2e: {error:#}");
            }
        }
    }

    /// Gives an image another tag, on every node: what is rolled out then is known to work.
    pub(crate) async fn tag_again(&self, image: &str, suffix: &str) -> anyhow::Result<String> {
        ensure!(self.own, "only on a cluster of `make cluster` images can be given another tag");
        for node in self.nodes().await? {
            let number = node.trim_start_matches("node");
            let another = format!("{image}{suffix}");
            let tag = ["node", number, "ctr", "-n", "k8s.io", "images", "tag", "--force", image, &another];
            run("cluster/cluster", &tag).await?;
        }
        let (_, tag) = image.rsplit_once(':').context("the image has a tag")?;
        Ok(format!("{tag}{suffix}"))
    }

    pub(crate) async fn nodes(&self) -> anyhow::Result<Vec<String>> {
        let nodes = Api::<Node>::all(self.client.clone()).list(&ListParams::default()).await?;
        Ok(nodes.items.iter().map(ResourceExt::name_any).collect())
    }

    /// All nodes together have `count` GPUs, or say so.
    pub(crate) async fn offer_gpus(&self, count: u32) -> anyhow::Result<()> {
        ensure!(self.own, "only a cluster of `make cluster` lets its nodes say that they have GPUs");
        run("cluster/cluster", &["gpus", "1", &count.to_string()]).await.map(drop)
    }

    /// For whoever has to find out why.
    pub(crate) async fn keep_what_the_cluster_says(&self, scenario: &str) {
        let folder = Path::new(OUTPUT).join(scenario);
        if let Err(error) = self.keep(&folder).await {
            println!("e2e: {error:#}");
        }
    }

    async fn keep(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        for (file, arguments) in [
            ("pods", &["get", "pods", "-A", "-o", "wide"][..]),
            ("streams", &["get", "livestreams", "-A", "-o", "yaml"]),
            ("events", &["get", "events", "-A", "--sort-by=.lastTimestamp"]),
            ("nodes", &["describe", "nodes"]),
        ] {
            let said = run("kubectl", arguments).await.unwrap_or_else(|error| format!("{error:#}"));
            fs::write(folder.join(file).with_extension("txt"), said)?;
        }
        for pod in Api::<Pod>::all(self.client.clone()).list(&ListParams::default()).await?.items {
            let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
            for previous in ["false", "true"] {
                let previous = format!("--previous={previous}");
                if let Ok(said) = run("kubectl", &["-n", &namespace, "logs", &name, &previous]).await {
                    fs::write(folder.join(format!("{name}{previous}.log")), said)?;
                }
            }
        }
        Ok(())
    }
}
