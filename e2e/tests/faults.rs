//! `kill -9` of one part after the other while a stream runs.

use e2e::{Process, Publisher, System, Viewer, clip, eventually};

/// A stream that is published with patches, enhanced, and watched as `source`.
struct Stream {
    system: System,
    publisher: Publisher,
    source: Viewer,
}

async fn stream() -> Stream {
    let system = System::start(&[]).await;
    let publisher = Publisher::start(&system.whip(), &clip(), &["--video-kbps", "360", "--patch-kbps", "40"]);
    let source = Viewer::start(&system.whep(), "source");
    source.shows(30, 24).await;
    system.status_where(30, "patches are paired", |status| status.learning.patches_accepted > 0).await;
    Stream { system, publisher, source }
}

/// Kills a part and waits for another process in its place.
async fn kill(system: &System, name: &str) -> Process {
    let killed = system.part(name).await;
    killed.kill();
    eventually(5, &format!("{name} is dead"), || !killed.is_alive()).await;
    let successor = system.part(name).await;
    assert_ne!(successor.id, killed.id);
    successor
}

#[tokio::test]
async fn the_source_goes_on_whatever_else_is_killed() {
    let Stream { system, source, publisher: _publisher } = stream().await;
    for name in ["trainer", "enhancer", "nats-server", "patch-pairer"] {
        kill(&system, name).await;
        source.shows(10, 24).await;
        assert_eq!(source.stats().reconnects, 0, "after kill -9 of {name}");
    }
    let paired = system.status().await.expect("the media-node answers").learning.patches_accepted;
    system.status_where(30, "patches are paired again", |status| status.learning.patches_accepted > paired).await;
    system.status_where(30, "the enhancer is back", |status| status.enhanced_live).await;
}

#[tokio::test]
async fn publisher_and_viewer_come_back_after_the_media_node_was_killed() {
    let Stream { system, publisher, source } = stream().await;
    let (sessions, reconnects) = (publisher.stats().sessions, source.stats().reconnects);
    kill(&system, "media-node").await;
    system.status_where(10, "the media-node answers", |_| true).await;
    let back = || publisher.stats().connected && publisher.stats().sessions > sessions;
    eventually(10, "the publisher is back", back).await;
    eventually(10, "the viewer is back", || source.stats().reconnects > reconnects).await;
    source.shows(10, 24).await;
}

#[tokio::test]
async fn an_accepted_checkpoint_survives_every_kill() {
    let Stream { system, publisher: _publisher, .. } = stream().await;
    let before = system.status_where(90, "a checkpoint is live", |status| status.learning.live_version > 1).await;
    kill(&system, "nats-server").await;
    kill(&system, "media-node").await;
    let version = before.learning.live_version;
    system.status_where(30, "it is live again", |status| status.learning.live_version >= version).await;
}
