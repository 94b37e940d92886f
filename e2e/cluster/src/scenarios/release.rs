//! The release changes and goes.

use anyhow::{Context, ensure};
use crds::{LiveStream, Role};
use k8s_openapi::{
    api::core::v1::Pod, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, CustomResourceExt, ResourceExt, api::ListParams};

use crate::{
    bed::{Bed, RELEASE, RELEASE_NAMESPACE},
    command::run,
    live::{Live, is_ready, ready},
    wait::until,
};

/// What another tag is made of.
const LATER: &str = "-later";

pub(super) async fn live_streams_follow_an_upgrade_and_its_rollback(bed: &Bed) -> anyhow::Result<()> {
    let live = Live::begin(bed, "upgraded").await?;
    live.gains().await?;
    let mut options = vec!["--set".to_owned(), "commonLabels.team=games".to_owned()];
    for (role, key) in [(Role::MediaNode, "mediaNode"), (Role::Enhancer, "enhancer"), (Role::Trainer, "trainer")] {
        let pod = bed.a_pod(&live.name, role).await?;
        let tag = bed.tag_again(image(&pod).context("a pod has an image")?, LATER).await?;
        options.extend(["--set-string".to_owned(), format!("images.{key}.tag={tag}")]);
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let upgraded = async {
        bed.install(&options).await?;
        until(120, "all pods have the new images", async || all_have(bed, &live.name, true).await).await
    };
    let ((), lost) = live.lost_while(upgraded).await?;
    bed.figures.add("helm upgrade to other images: source lost", lost, "s", "< 2");
    live.gains().await?;

    let rolled_back = async {
        bed.helm(&["rollback", RELEASE, "--wait", "--timeout", "60s"]).await?;
        until(120, "all pods have the old images", async || all_have(bed, &live.name, false).await).await
    };
    let ((), lost) = live.lost_while(rolled_back).await?;
    bed.figures.add("helm rollback: source lost", lost, "s", "< 2");
    Ok(())
}

/// As on every cluster but that of `make cluster`.
pub(super) async fn images_of_a_registry_are_pulled_by_digest(bed: &Bed) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let values = folder.path().join("images.yaml");
    let values = values.to_str().context("a temporary folder has a name in UTF-8")?;
    run("cluster/cluster", &["push", values, "operator", "media-node"]).await?;
    bed.install(&["--values", values, "--set", "images.pullPolicy=IfNotPresent"]).await?;

    bed.apply_example("on-one-machine", "pulled").await?;
    ready(bed, "pulled").await?;
    let media_nodes = bed.pods("pulled", Role::MediaNode).await?;
    let operators: Api<Pod> = Api::namespaced(bed.client.clone(), RELEASE_NAMESPACE);
    let operators = operators.list(&ListParams::default().labels("app.kubernetes.io/component=operator")).await?.items;
    ensure!(!operators.is_empty(), "there is no operator");
    for pod in media_nodes.iter().chain(&operators).filter(|pod| is_ready(pod)) {
        let image = image(pod).context("a pod has an image")?;
        ensure!(image.contains("@sha256:"), "{} has {image}", pod.name_any());
    }
    bed.delete_streams().await;
    bed.install(&[]).await.map(drop)
}

pub(super) async fn an_uninstalled_release_leaves_the_definition_and_says_so(bed: &Bed) -> anyhow::Result<()> {
    let said = bed.helm(&["uninstall", RELEASE, "--wait", "--timeout", "60s"]).await?;
    let definition = LiveStream::crd_name();
    ensure!(said.contains(definition), "it does not say that {definition} stays: {said}");
    Api::<CustomResourceDefinition>::all(bed.client.clone()).get(definition).await?;
    let pods: Api<Pod> = Api::namespaced(bed.client.clone(), RELEASE_NAMESPACE);
    until(30, "no pod is left", async || Ok(pods.list(&Default::default()).await?.items.is_empty())).await?;
    bed.install(&[]).await.map(drop)
}

/// Whether the stream has a ready pod of each role, all of them of the later images, or of the others.
async fn all_have(bed: &Bed, stream: &str, later: bool) -> anyhow::Result<bool> {
    for role in Role::ALL {
        let pods = bed.pods(stream, role).await?;
        let fits = |pod: &Pod| is_ready(pod) && image(pod).is_some_and(|image| image.ends_with(LATER) == later);
        if pods.is_empty() || !pods.iter().all(fits) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn image(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.containers.first()?.image.as_deref()
}
