//! Two streams, and one GPU for the trainers of both.

use anyhow::ensure;
use crds::{
    LiveStream, Role,
    conditions::{ConditionType, Reason, ScalingLimited},
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{bed::Bed, live::Live, wait::until};

const GPU: &str = "nvidia.com/gpu";

/// A turn lasts until who waits has 120 s more credit than who trains. With such weights that takes a minute.
const WEIGHTS: [(&str, u32); 2] = [("light", 1), ("heavy", 100)];

pub(super) async fn two_streams_share_a_gpu(bed: &Bed) -> anyhow::Result<()> {
    bed.offer_gpus(1).await?;
    bed.install(&["--set", r"operator.trainerBudget.nvidia\.com/gpu=1"]).await?;
    for (name, weight) in WEIGHTS {
        bed.apply_example("on-one-machine", name).await?;
        let training = json!({"accelerator": {"resourceName": GPU}, "autoscaling": {"weight": weight}});
        let patch = Patch::Merge(json!({"spec": {"training": training}}));
        bed.api::<LiveStream>().patch(name, &PatchParams::default(), &patch).await?;
    }
    let [light, heavy] = WEIGHTS.map(|(name, _)| name);

    let _first = Live::join(bed, light, None).await?;
    bed.status_where(light, 60, "its trainer is ready", |status| {
        status.trainers.as_ref().is_some_and(|is| is.ready == 1)
    })
    .await?;
    let _second = Live::join(bed, heavy, None).await?;
    let reason = ScalingLimited::Budget.as_str();
    bed.status_where(heavy, 60, "the budget limits it", |status| {
        status.condition(ConditionType::ScalingLimited).is_some_and(|condition| condition.reason == reason)
    })
    .await?;
    until(180, "the GPU passes from one stream to the other", async || {
        let [light, heavy] = [holders(bed, light).await?, holders(bed, heavy).await?];
        ensure!(light + heavy <= 1, "the only GPU is held by {light} and {heavy} trainers");
        Ok(heavy == 1)
    })
    .await?;
    bed.status_where(light, 60, "now the budget limits the other", |status| {
        status.condition(ConditionType::ScalingLimited).is_some_and(|condition| condition.reason == reason)
    })
    .await
    .map(drop)
}

/// Trainers of a stream that have the GPU.
async fn holders(bed: &Bed, stream: &str) -> anyhow::Result<usize> {
    let has_gpu = |pod: &&Pod| {
        let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
        let asks = container.and_then(|container| container.resources.as_ref()?.limits.as_ref()?.get(GPU));
        asks.is_some() && pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
    };
    Ok(bed.pods(stream, Role::Trainer).await?.iter().filter(has_gpu).count())
}
