//! The page in Chromium while the stream moves.

use e2e::{Browser, Page, alone, within};

use crate::stage::Stage;

/// Remembers the longest time between two pictures of the source's video, in milliseconds.
const WATCH_PICTURES: &str = "(() => {
    const video = document.getElementById('source');
    let last = performance.now();
    window.longest = 0;
    const shown = (now) => {
        window.longest = Math.max(window.longest, now - last);
        last = now;
        video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback((now) => { last = now; video.requestVideoFrameCallback(shown); });
})()";

async fn shows(page: &mut Page, seconds: f64) {
    let position = "document.getElementById('source')?.currentTime ?? 0";
    let begin: f64 = within(40, "the page has a picture", async || {
        Some(page.evaluate::<f64>(position).await).filter(|at| *at > 0.0)
    })
    .await;
    within(40, "the page goes on", async || (page.evaluate::<f64>(position).await >= begin + seconds).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_goes_on_without_a_break() {
    let _alone = alone().await;
    let (stage, mut old) = Stage::with_node().await;
    let _publisher = stage.publish().await;
    let mut page = Browser::start().open(&stage.public.url("/")).await;
    shows(&mut page, 1.0).await;
    page.evaluate::<Option<()>>(WATCH_PICTURES).await;
    shows(&mut page, 1.0).await;

    let successor = stage.node().await;
    stage.lead_to(&successor);
    old.part.terminate();
    old.part.ends_well(10).await;
    shows(&mut page, 3.0).await;
    let longest: f64 = page.evaluate("window.longest").await;
    eprintln!("the page: {longest} ms between two pictures");
    assert!(longest < 5000.0, "{longest} ms");
    within(20, "it watches at the successor", async || stage.status().await.filter(|status| status.viewers > 0)).await;
}
