//! A stream that is published and watched from outside of the cluster.

use std::{io::Write, time::Instant};

use anyhow::{Context, ensure};
use crds::{LiveStreamStatus, Role, conditions::ConditionType};
use e2e::{Publisher, Viewer, clip};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tempfile::NamedTempFile;

use crate::{
    bed::Bed,
    wait::{until, within},
};

/// Frames a second that are published: few, since what is built for tests is slow and the machine may be small.
const FPS: u32 = 12;

pub(crate) struct Live<'b> {
    bed: &'b Bed,
    pub(crate) name: String,
    _publisher: Publisher,
    viewer: Viewer,
    _token: Option<NamedTempFile>,
}

impl<'b> Live<'b> {
    /// `examples/on-one-machine.yaml` under another name, published and watched.
    pub(crate) async fn begin(bed: &'b Bed, name: &str) -> anyhow::Result<Self> {
        bed.apply_example("on-one-machine", name).await?;
        Self::join(bed, name, None).await
    }

    /// Publishes to a stream that is there, and watches its source.
    pub(crate) async fn join(bed: &'b Bed, name: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let status = ready(bed, name).await?;
        let endpoints = status.endpoints.context("a stream that is ready has endpoints")?;
        let token = token.map(token_file).transpose()?;
        let path = token.as_ref().map(|file| file.path().to_string_lossy().into_owned());
        let fps = FPS.to_string();
        let mut options = vec!["--fps", fps.as_str()];
        options.extend(path.iter().flat_map(|path| ["--token-file", path.as_str()]));
        let _publisher = Publisher::start(&endpoints.whip, &clip(), &options);
        let viewer = Viewer::start(&endpoints.whep, "source");
        let live = Self { bed, name: name.to_owned(), _publisher, viewer, _token: token };
        live.flows().await?;
        Ok(live)
    }

    /// The viewer sees what is published now.
    pub(crate) async fn flows(&self) -> anyhow::Result<()> {
        let before = self.viewer.stats().frames_shown;
        until(60, "24 more frames are shown", async || Ok(self.viewer.stats().frames_shown >= before + 24)).await
    }

    /// What came of `happening`, and how many seconds of the source the viewer did not see meanwhile.
    pub(crate) async fn lost_while<T>(
        &self,
        happening: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(T, f64)> {
        let before = self.viewer.stats();
        let done = happening.await?;
        self.flows().await?;
        let after = self.viewer.stats();
        let (expected, shown) =
            (after.frames_expected - before.frames_expected, after.frames_shown - before.frames_shown);
        Ok((done, expected.saturating_sub(shown) as f64 / f64::from(FPS)))
    }

    /// The same, where the media-node must not even notice.
    pub(crate) async fn lost_unnoticed_while<T>(
        &self,
        happening: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(T, f64)> {
        let before = self.media_node().await?;
        let ended = self.lost_while(happening).await?;
        let after = self.media_node().await?;
        ensure!(after == before, "the media-node was {before:?}, and is {after:?}");
        Ok(ended)
    }

    /// What tells a media-node from another, and from itself after a restart.
    async fn media_node(&self) -> anyhow::Result<(Option<String>, i32)> {
        let pod = self.bed.a_pod(&self.name, Role::MediaNode).await?;
        let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        Ok((pod.uid(), containers.into_iter().flatten().map(|container| container.restart_count).sum()))
    }

    /// `kubectl get` shows a gain.
    pub(crate) async fn gains(&self) -> anyhow::Result<LiveStreamStatus> {
        let status = self
            .bed
            .status_where(&self.name, 120, "the gain is above zero", |status| {
                status.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.gain_millidecibels > 0)
            })
            .await?;
        let shown = self.bed.kubectl(&["get", "livestream", &self.name, "--no-headers"]).await?;
        ensure!(shown.contains(" dB"), "kubectl get shows no gain: {shown}");
        Ok(status)
    }

    /// Another viewer sees the enhanced picture, in the size that the network makes of it.
    pub(crate) async fn is_enhanced(&self) -> anyhow::Result<()> {
        let status = self.bed.status(&self.name).await?;
        let endpoints = status.endpoints.context("a stream that is ready has endpoints")?;
        let enhanced = Viewer::start(&endpoints.whep, "enhanced");
        let source = self.viewer.stats();
        let sized = async || {
            let stats = enhanced.stats();
            Ok((stats.frames_shown >= 12 && stats.width == 2 * source.width).then_some(()))
        };
        within(60, "twelve enhanced frames of twice the size are shown", sized).await
    }
}

/// Somebody who comes now sees the source at this address.
pub(crate) async fn is_shown_at(whep: &str) -> anyhow::Result<()> {
    let viewer = Viewer::start(whep, "source");
    until(30, "twelve frames are shown", async || Ok(viewer.stats().frames_shown >= 12)).await
}

/// Waits for Ready.
pub(crate) async fn ready(bed: &Bed, name: &str) -> anyhow::Result<LiveStreamStatus> {
    bed.status_where(name, 60, "the stream is ready", |status| status.is_true(ConditionType::Ready)).await
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// Seconds until `done`, of which `what` is measured.
pub(crate) async fn seconds_of<T>(done: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, f64)> {
    let started = Instant::now();
    let found = done.await?;
    Ok((found, started.elapsed().as_secs_f64()))
}

fn token_file(token: &str) -> anyhow::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    file.write_all(token.as_bytes())?;
    Ok(file)
}
