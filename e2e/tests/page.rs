//! The page of a running system, in Chromium.

use e2e::{Browser, Page, Publisher, System, clip, within};
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Video {
    video_width: u32,
    video_height: u32,
    current_time: f64,
}

async fn video(page: &mut Page, id: &str) -> Video {
    let expression = format!(
        "(({{ videoWidth, videoHeight, currentTime }}) => ({{ videoWidth, videoHeight, currentTime }}))(document.getElementById('{id}'))"
    );
    page.evaluate(&expression).await
}

/// Waits until the video has moved on by a second.
async fn plays(page: &mut Page, id: &str) -> Video {
    let begin = within(40, &format!("{id} has a picture"), async || {
        Some(video(page, id).await).filter(|video| video.video_width > 0)
    })
    .await;
    within(15, &format!("{id} plays"), async || {
        Some(video(page, id).await).filter(|video| video.current_time >= begin.current_time + 1.0)
    })
    .await
}

#[tokio::test]
async fn the_page_shows_both_renditions_and_the_gain() {
    let system = System::start(&[]).await;
    let mut page = Browser::start().open(system.page()).await;
    within(40, "the page says that nothing is published", async || {
        let text: String = page.evaluate("document.body?.innerText ?? ''").await;
        text.contains("acuity publish FILE --whip").then_some(())
    })
    .await;

    let _publisher = Publisher::start(&system.whip(), &clip(), &["--video-kbps", "360", "--patch-kbps", "40"]);
    let source = plays(&mut page, "source").await;
    let enhanced = plays(&mut page, "enhanced").await;
    assert_eq!((enhanced.video_width, enhanced.video_height), (2 * source.video_width, 2 * source.video_height));

    within(60, "the chart of the gain has points", async || {
        let points: u32 = page.evaluate("Number(document.getElementById('gain-chart').dataset.points ?? 0)").await;
        (points >= 5).then_some(())
    })
    .await;
    let state: String = page.evaluate("document.getElementById('state').innerText").await;
    assert!(state.starts_with("live"), "{state}");
    within(40, "the page counts its own two viewers", async || {
        let viewers: String = page.evaluate("document.getElementById('viewers').innerText").await;
        (viewers == "2 viewers").then_some(())
    })
    .await;
}
