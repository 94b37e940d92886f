//! A clip published live is enhanced while it is watched.

use e2e::{Publisher, System, Viewer, clip};

#[tokio::test]
async fn a_clip_published_live_is_enhanced_and_watched() {
    let system = System::start(&[]).await;
    let publisher = Publisher::start(&system.whip(), &clip(), &["--video-kbps", "360", "--patch-kbps", "40"]);
    let source = Viewer::start(&system.whep(), "source");
    let enhanced = Viewer::start(&system.whep(), "enhanced");

    source.shows(20, 24).await;
    enhanced.shows(30, 24).await;
    let (source_size, enhanced_size) = (source.stats(), enhanced.stats());
    assert_eq!((source_size.width, source_size.height), (426, 240));
    assert_eq!((enhanced_size.width, enhanced_size.height), (852, 480));

    let status = system
        .status_where(90, "an accepted checkpoint is in use with a gain", |status| {
            let learning = &status.learning;
            learning.live_version > 1 && !learning.withdrawn && learning.gain_db.is_some_and(|gain| gain > 0.0)
        })
        .await;
    assert!(status.publishing && status.enhanced_live, "{status:?}");
    assert_eq!(status.viewers, 2, "the enhancer is not counted");
    assert!(publisher.stats().patches > 0);
    enhanced.shows(10, 24).await;
}

#[tokio::test]
async fn without_patches_viewers_of_enhanced_get_the_general_weights() {
    let system = System::start(&["--no-trainer"]).await;
    let _publisher = Publisher::start(&system.whip(), &clip(), &["--no-patches"]);
    let enhanced = Viewer::start(&system.whep(), "enhanced");
    enhanced.shows(30, 24).await;
    let status = system.status().await.expect("the media-node answers");
    let learning = &status.learning;
    assert_eq!((learning.live_version, learning.withdrawn, learning.gain_db), (1, false, None), "nobody measures it");
}
