//! Everything dies once while a stream is live.

use anyhow::Context;
use crds::{Role, conditions::ConditionType};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod};
use kube::{Api, ResourceExt};

use crate::{
    bed::{Bed, RELEASE, RELEASE_NAMESPACE},
    live::{Live, is_ready, ready},
    wait::{until, within},
};

pub(super) async fn each_pod_of_a_stream_is_killed_once(bed: &Bed) -> anyhow::Result<()> {
    let live = Live::begin(bed, "deaths").await?;
    live.gains().await?;
    for role in Role::ALL {
        let killed = bed.a_pod(&live.name, role).await?;
        let died = async {
            let name = killed.name_any();
            bed.kubectl(&["delete", "pod", &name, "--grace-period=0", "--force", "--ignore-not-found"]).await?;
            until(120, &format!("another {role} is ready, or none is wanted"), async || {
                let pods = bed.pods(&live.name, role).await?;
                let status = bed.status(&live.name).await?;
                // The gain may saturate meanwhile.
                let none_wanted =
                    role == Role::Trainer && status.trainers.is_some_and(|trainers| trainers.desired == 0);
                Ok(none_wanted || pods.iter().any(|pod| pod.uid() != killed.uid() && is_ready(pod)))
            })
            .await
        };
        if role == Role::MediaNode {
            let ((), lost) = live.lost_while(died).await?;
            bed.figures.add("media-node pod killed → source back", lost, "s", "< 5");
            continue;
        }
        let ((), lost) = live.lost_unnoticed_while(died).await?;
        bed.figures.add(&format!("{role} pod killed: source lost"), lost, "s", "0");
        if role == Role::Enhancer {
            live.is_enhanced().await?;
        }
    }
    live.gains().await.map(drop)
}

pub(super) async fn nats_is_deleted(bed: &Bed) -> anyhow::Result<()> {
    let live = Live::begin(bed, "without-nats").await?;
    let learned = live.gains().await?.checkpoint.context("a gain is of a checkpoint")?.version;
    let nats = format!("{RELEASE}-nats-0");
    let pods: Api<Pod> = Api::namespaced(bed.client.clone(), RELEASE_NAMESPACE);
    let before = pods.get(&nats).await?.uid();
    let away = async {
        pods.delete(&nats, &Default::default()).await?;
        until(60, "NATS is back", async || {
            let pod = pods.get(&nats).await?;
            Ok(pod.uid() != before && is_ready(&pod))
        })
        .await?;
        let connected = |status: &crds::LiveStreamStatus| status.is_true(ConditionType::BusReachable);
        bed.status_where(&live.name, 30, "the operator hears again", connected).await
    };
    let (_, lost) = live.lost_unnoticed_while(away).await?;
    bed.figures.add("NATS pod deleted: source lost", lost, "s", "0");
    let newer = |status: &crds::LiveStreamStatus| status.checkpoint.as_ref().is_some_and(|now| now.version > learned);
    bed.status_where(&live.name, 120, "newer weights are live", newer).await.map(drop)
}

pub(super) async fn the_operator_that_leads_is_deleted(bed: &Bed) -> anyhow::Result<()> {
    let live = Live::begin(bed, "led").await?;
    let leases: Api<Lease> = Api::namespaced(bed.client.clone(), RELEASE_NAMESPACE);
    let leader = async || {
        let lease = leases.get(&format!("{RELEASE}-operator")).await?;
        Ok::<_, anyhow::Error>(lease.spec.and_then(|spec| spec.holder_identity).filter(|holder| !holder.is_empty()))
    };
    let first = within(30, "an operator leads", &leader).await?;
    let pods: Api<Pod> = Api::namespaced(bed.client.clone(), RELEASE_NAMESPACE);
    let named = pods.list(&Default::default()).await?.items.into_iter().map(|pod| pod.name_any());
    let pod = named.into_iter().find(|name| first.starts_with(name)).context("no pod has the leader's name")?;
    pods.delete(&pod, &Default::default()).await?;
    until(30, "another operator leads", async || Ok(leader().await?.is_some_and(|now| now != first))).await?;
    bed.apply_example("on-one-machine", "led-by-another").await?;
    ready(bed, "led-by-another").await?;
    live.flows().await
}
