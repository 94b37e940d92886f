//! A stream from its first line to its last, as the README tells it.

use anyhow::ensure;

use crate::{
    bed::Bed,
    live::{Live, ready, seconds_of},
};

pub(super) async fn a_stream_lives_and_leaves_nothing(bed: &Bed) -> anyhow::Result<()> {
    bed.kubectl(&["create", "secret", "generic", "game-night", "--from-literal=token=let-me-publish"]).await?;
    if bed.own {
        bed.offer_gpus(2).await?;
    }
    let begun = async {
        bed.kubectl(&["apply", "-f", "examples/game-night.yaml"]).await?;
        ready(bed, "game-night").await
    };
    let (status, seconds) = seconds_of(begun).await?;
    bed.figures.add("stream applied → Ready", seconds, "s", "< 5");
    let wide = bed.kubectl(&["get", "livestreams", "-o", "wide"]).await?;
    let endpoints = status.endpoints.as_ref();
    let shown = |url: Option<&String>| url.is_some_and(|url| wide.contains(url.as_str()));
    ensure!(shown(endpoints.map(|at| &at.whip)) && shown(endpoints.map(|at| &at.whep)), "no addresses in {wide}");

    let live = Live::join(bed, "game-night", Some("let-me-publish")).await?;
    live.is_enhanced().await?;
    live.gains().await?;
    let story = bed.kubectl(&["describe", "livestream", "game-night"]).await?;
    for part in ["Accepting", "PublisherConnected", "ProbeAnswered", "Events:"] {
        ensure!(story.contains(part), "kubectl describe does not tell of {part}:\n{story}");
    }

    bed.kubectl(&["delete", "livestream", "game-night", "--timeout=60s"]).await?;
    bed.nothing_is_left_of("game-night").await
}
