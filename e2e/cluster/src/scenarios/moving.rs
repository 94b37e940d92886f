//! A stream moves, and those who publish and watch come along.

use anyhow::Context;
use crds::{LiveStream, Role};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    bed::Bed,
    live::{self, Live, is_ready, seconds_of},
    wait::until,
};

pub(super) async fn a_drained_node_takes_nothing_from_who_watches(bed: &Bed) -> anyhow::Result<()> {
    // The volume of NATS is on the first node.
    let [first, second] = bed.nodes().await?.try_into().ok().context("this needs a cluster of two nodes")?;
    bed.kubectl(&["cordon", &first]).await?;
    let begun = Live::begin(bed, "drained").await;
    bed.kubectl(&["uncordon", &first]).await?;
    let live = begun?;
    live.gains().await?;
    let before = bed.status(&live.name).await?.endpoints.context("a stream that is ready has endpoints")?;
    let drain = ["drain", &second, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s"];
    let drained = live.lost_while(seconds_of(bed.kubectl(&drain))).await;
    bed.kubectl(&["uncordon", &second]).await?;
    let ((_, seconds), lost) = drained?;
    bed.figures.add("node with a live stream drained", seconds, "s", "< 30");
    bed.figures.add("drain: source lost", lost, "s", "< 2");
    live::is_shown_at(&before.whep).await?;
    media_node_is_on(bed, &live, &first).await?;
    live.is_enhanced().await?;

    // As the runbook of a node whose uplink is full says.
    bed.kubectl(&["cordon", &first]).await?;
    let moving = async {
        bed.acuity(&["restart", &live.name, "--role", "media-node"]).await?;
        media_node_is_on(bed, &live, &second).await
    };
    let moved = live.lost_while(moving).await;
    bed.kubectl(&["uncordon", &first]).await?;
    let ((), lost) = moved?;
    bed.figures.add("cordon, restart of the media-node: source lost", lost, "s", "< 2");
    live.gains().await.map(drop)
}

async fn media_node_is_on(bed: &Bed, live: &Live<'_>, node: &String) -> anyhow::Result<()> {
    until(60, &format!("the media-node is on {node} alone"), async || {
        let pods = bed.pods(&live.name, Role::MediaNode).await?;
        let places: Vec<_> = pods.iter().filter_map(|pod| pod.spec.as_ref()?.node_name.as_ref()).collect();
        Ok(places == [node])
    })
    .await
}

pub(super) async fn another_spec_is_rolled_out_successor_first(bed: &Bed) -> anyhow::Result<()> {
    let live = Live::begin(bed, "rolled-out").await?;
    live.is_enhanced().await?;
    let old = bed.pods(&live.name, Role::MediaNode).await?.first().and_then(ResourceExt::uid);
    let streams: Api<LiveStream> = bed.api();
    let rolled_out = async {
        let patch = Patch::Merge(json!({"spec": {"relay": {"maxViewers": 500}}}));
        streams.patch(&live.name, &PatchParams::default(), &patch).await?;
        until(60, "only another media-node is there", async || {
            let pods = bed.pods(&live.name, Role::MediaNode).await?;
            Ok(pods.len() == 1 && pods.iter().all(|pod| pod.uid() != old && is_ready(pod)))
        })
        .await
    };
    let ((), lost) = live.lost_while(rolled_out).await?;
    bed.figures.add("roll-out of a spec: source lost", lost, "s", "< 2");
    live.is_enhanced().await
}
