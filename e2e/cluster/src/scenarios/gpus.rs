//! Two streams, and one GPU for the trainers of both.

use anyhow::ensure;
use crds::{
    LiveStream, Role,
    children::{COMPONENT_LABEL, STREAM_LABEL},
    conditions::{ConditionType, Reason, ScalingLimited},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
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
    let mut most = 0;
    until(180, "the GPU passes from one stream to the other", async || {
        let holders = holders(bed).await?;
        most = most.max(holders.len());
        Ok(holders == [heavy])
    })
    .await?;
    ensure!(most == 1, "the only GPU was held by {most} trainers");
    bed.status_where(light, 60, "now the budget limits the other", |status| {
        status.condition(ConditionType::ScalingLimited).is_some_and(|condition| condition.reason == reason)
    })
    .await
    .map(drop)
}

/// The stream of each trainer that has the GPU, at one moment.
async fn holders(bed: &Bed) -> anyhow::Result<Vec<String>> {
    let has_gpu = |pod: &Pod| {
        let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
        let asks = container.and_then(|container| container.resources.as_ref()?.limits.as_ref()?.get(GPU));
        let is_on_a_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        // A pod that has ended may still be listed; its GPU is free.
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        asks.is_some() && is_on_a_node && !matches!(phase, Some("Succeeded" | "Failed"))
    };
    let trainers = ListParams::default().labels(&format!("{COMPONENT_LABEL}={}", Role::Trainer));
    let pods = bed.api::<Pod>().list(&trainers).await?.items;
    let of = |pod: &Pod| pod.labels().get(STREAM_LABEL).cloned();
    Ok(pods.iter().filter(|pod| has_gpu(pod)).filter_map(of).collect())
}
