//! The whole system on this machine: 360p to 720p at 30 frames a second, the trainer at work, two viewers.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use e2e::{Publisher, System, clip};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use webrtc_client::{ViewOptions, Viewer, ViewerEvent};

const FRAME_INTERVAL: Duration = Duration::from_nanos(33_333_333);
/// Until everybody has connected and the first weights are learned.
const WARM_UP: Duration = Duration::from_secs(30);
const MEASURED: Duration = Duration::from_secs(60);

/// When the last packet of each frame came, by timestamp.
type Arrivals = BTreeMap<u32, Instant>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let system = System::start(&[]).await;
    let idle_relay = memory_of(&system, "media-node").await?;
    let graph = format!("movie={}:loop=0,setpts=N/(24*TB),scale=1280:720,fps=30", clip().display());
    let options = ["--format", "lavfi", "--no-audio", "--video-kbps", "1200", "--patch-kbps", "120"];
    let _publisher = Publisher::start(&system.whip(), Path::new(&graph), &options);
    system.status_where(60, "the stream is enhanced", |status| status.enhanced_live).await;
    tokio::time::sleep(WARM_UP).await;

    let [source, enhanced] =
        ["source", "enhanced"].map(|rendition| watch(format!("{}?rendition={rendition}", system.whep())));
    let (source, enhanced) = (source.await??, enhanced.await??);
    let pairer = memory_of(&system, "patch-pairer").await?;
    let learning = system.status().await.ok_or("the media-node is away")?.learning;

    // A frame of the last second may still be on its way.
    let end = source.keys().next_back().copied().unwrap_or_default().saturating_sub(90_000);
    let begin = enhanced.keys().next().copied().unwrap_or_default();
    let expected: Vec<_> = source.range(begin..end).collect();
    let mut delays: Vec<Duration> = expected
        .iter()
        .filter_map(|(timestamp, arrived)| Some(enhanced.get(timestamp)?.saturating_duration_since(**arrived)))
        .collect();
    delays.sort();
    let shown = 100.0 * delays.len() as f64 / expected.len().max(1) as f64;
    let intervals =
        |delay: Option<&Duration>| delay.map_or(f64::NAN, |delay| delay.as_secs_f64() / FRAME_INTERVAL.as_secs_f64());

    let figures = [
        figure("360p to 720p30: frames shown on enhanced", shown, "%", ">= 99"),
        figure("360p to 720p30: added delay, p50", intervals(delays.get(delays.len() / 2)), "frames", "<= 1.5"),
        figure("360p to 720p30: added delay, p95", intervals(delays.get(delays.len() * 95 / 100)), "frames", "none"),
        figure("360p to 720p30: gain", learning.gain_db.unwrap_or(f64::NAN), "dB", "> 0"),
        figure("media-node before the first publisher", idle_relay, "MB", "<= 20"),
        figure("patch-pairer at work", pairer, "MB", "<= 60"),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("system.json"), serde_json::to_string_pretty(&figures)?)?;
    Ok(())
}

/// One viewer, connected for as long as is measured.
fn watch(url: String) -> JoinHandle<Result<Arrivals, webrtc_client::SignallingError>> {
    tokio::spawn(async move {
        let options = ViewOptions { url, token: None, audio: false, timeout: Duration::from_secs(5) };
        let (viewer, mut events) = Viewer::connect(options).await?;
        let mut arrivals = Arrivals::new();
        let end = tokio::time::Instant::now() + MEASURED;
        while let Ok(Some(event)) = tokio::time::timeout_at(end, events.recv()).await {
            match event {
                ViewerEvent::Video(packet) if packet.marker => {
                    arrivals.insert(packet.timestamp, packet.arrived);
                }
                ViewerEvent::Video(_) | ViewerEvent::Audio(_) | ViewerEvent::Moved { .. } => {}
                ViewerEvent::Closed { .. } => break,
            }
        }
        viewer.close().await;
        Ok(arrivals)
    })
}

/// Resident memory of a part, in MB.
async fn memory_of(system: &System, name: &str) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{}/status", system.part(name).await.id))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.ok_or("no VmRSS")? * 1024.0 / 1e6)
}

fn figure(name: &str, value: f64, unit: &str, goal: &str) -> Value {
    println!("{name:<48} {value:>8.2} {unit}");
    let cpus = std::thread::available_parallelism().map_or(0, Into::into);
    json!({
        "name": name,
        "value": (value * 100.0).round() / 100.0,
        "unit": unit,
        "goal": goal,
        "machine": format!("everything on {cpus} CPUs"),
        "compared_with": null,
    })
}
