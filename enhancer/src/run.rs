//! Puts the parts together and waits for the end.

use std::{
    sync::{Arc, atomic::AtomicBool, mpsc as threads},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use bus::Bus;
use media::Decoder;
use proto::StreamName;
use settings::EnhancerSettings;
use sr_net::Network;
use telemetry::{Health, Shutdown, serve_health};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinSet,
};

use crate::{
    checkpoints::Checkpoints,
    coder::{Coder, Coding},
    decode,
    encode::Encode,
    enhance::{self, EnhancerState, Surroundings},
    ingest::Ingest,
    metrics::EnhancerMetrics,
    model::Runtime,
    pipeline::Pipeline,
    prepare::Preparer,
    publish::Publish,
    queue::queue,
    reports::Reports,
};

/// Coded frames that wait for the decoder: a second of them.
const WAITING_FRAMES: usize = 32;
/// Coded frames that wait for the publisher: more would only be late.
const WAITING_UNITS: usize = 4;
const WAITING_EVENTS: usize = 16;

/// Runs until the end is asked for.
///
/// # Errors
/// When the settings cannot be obeyed, or the token is refused.
pub async fn run(settings: EnhancerSettings, shutdown: Shutdown) -> anyhow::Result<()> {
    let stream: StreamName = settings.stream.parse()?;
    let shape = &settings.network;
    let network = Network::new(settings.scale, shape.unshuffle, shape.features, shape.layers)?;
    media::init();

    let end = Shutdown::default();
    let (metrics, health) = (telemetry::metrics("enhancer"), Health::default());
    if let Some(listen) = settings.health_listen {
        serve_health(listen, &health, metrics.clone(), end.clone()).await.context("serving health")?;
    }
    let metrics = EnhancerMetrics::register(&metrics);
    let (device, precision, threads) = (settings.device.clone(), settings.precision.clone(), settings.threads);
    let runtime = tokio::task::spawn_blocking(move || Runtime::open(&device, &precision, network, threads)).await??;
    let device = sr_model::device_name(runtime.device);
    tracing::info!(%stream, device, precision = %runtime.precision, ?network, "enhancing");

    let (events, registry_events) = mpsc::channel(WAITING_EVENTS);
    let (changes, prepared) = threads::channel();
    let (coded, coded_frames) = mpsc::channel(WAITING_FRAMES);
    let (units, enhanced_units) = mpsc::channel(WAITING_UNITS);
    let (giver, taker) = queue();
    let (frame_size, frame_size_seen) = watch::channel(None);
    let (state, state_seen) = watch::channel(EnhancerState::default());
    let (moves, moves_heard) = mpsc::channel(1);
    let (decoder_stuck, keyframe_wanted) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));

    let mut tasks = JoinSet::new();
    let decoder = Decoder::h264(1)?;
    let (stuck, decode_metrics) = (decoder_stuck.clone(), metrics.clone());
    let decoding = move || decode::run(decoder, coded_frames, &giver, &stuck, &decode_metrics);
    tasks.spawn(ended("decode", spawn_thread("decode", decoding)?, end.clone()));
    let preparer =
        Preparer { stream: stream.clone(), network, runtime, frame_size: frame_size_seen, metrics: metrics.clone() };
    let preparing = spawn_thread("prepare", move || preparer.run(registry_events, &changes))?;
    tasks.spawn(ended("prepare", preparing, end.clone()));
    let (enlarged, enlarged_frames) = threads::sync_channel(1);
    let surroundings = Surroundings { changes: prepared, enlarged, frame_size, state, metrics: metrics.clone() };
    let pipeline = Pipeline::new(network.scale);
    let enhancing = spawn_thread("enhance", move || enhance::run(pipeline, &taker, &surroundings))?;
    tasks.spawn(ended("enhance", enhancing, end.clone()));
    let coding = Coding {
        scale: network.scale,
        encoder: settings.encoder.clone(),
        bitrate_kbps: settings.bitrate_kbps,
        preset: settings.preset.clone(),
    };
    let encode = Encode {
        coder: Coder::new(coding),
        frames: enlarged_frames,
        units,
        keyframe_wanted: keyframe_wanted.clone(),
        metrics: metrics.clone(),
    };
    tasks.spawn(ended("encode", spawn_thread("encode", move || encode.run())?, end.clone()));

    let base = settings.media_node_url.trim_end_matches('/').to_owned();
    let token_file = settings.internal_token_file.clone();
    let ingest = Ingest {
        url: format!("{base}/whep/source"),
        token_file: token_file.clone(),
        coded,
        keyframe_wanted: decoder_stuck,
        moves,
    };
    tasks.spawn(ingest.run(end.clone()));
    let publish = Publish {
        url: format!("{base}/whip/enhanced"),
        token_file: token_file.clone(),
        units: enhanced_units,
        keyframe_wanted,
        moves: moves_heard,
        drain: Duration::from_secs(settings.drain_seconds.into()),
    };
    // The only one that hears of it: the others end when it does.
    tasks.spawn(publish.run(shutdown.clone()));
    tasks.spawn(Checkpoints { url: base, token_file, stream: stream.clone(), events }.run(end.clone()));
    if let Some(url) = &settings.nats_url {
        let client_name = format!("enhancer {stream}");
        let bus = Bus::connect(url, settings.nats_credentials_file.as_deref(), &client_name).await?;
        let reports = Reports { bus, stream, device, state: state_seen, metrics };
        let reports = reports.run(end.clone());
        tasks.spawn(async {
            reports.await;
            Ok(())
        });
    }
    health.set_ready(true);

    // The first that ends ends all.
    let ended = tasks.join_next().await.context("there are tasks")??;
    end.request();
    while tasks.join_next().await.is_some() {}
    ended
}

/// The thread ends when what it reads from is gone; the receiver hears of its end, also of a panic.
fn spawn_thread(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<oneshot::Receiver<()>> {
    let (alive, end) = oneshot::channel();
    let work = move || {
        let _alive: oneshot::Sender<()> = alive;
        work();
    };
    thread::Builder::new().name(name.to_owned()).spawn(work).with_context(|| format!("starting the thread {name}"))?;
    Ok(end)
}

/// A thread ends by itself only when it panics: then the program ends too, and is started again.
async fn ended(name: &str, end: oneshot::Receiver<()>, shutdown: Shutdown) -> anyhow::Result<()> {
    // Nothing is ever sent.
    let _ = end.await;
    if shutdown.is_requested() { Ok(()) } else { bail!("the thread {name} failed") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_panics_ends_the_program_unless_it_ends_anyway() {
        for (requested, expected) in [(false, Some("the thread decode failed")), (true, None)] {
            let shutdown = Shutdown::default();
            if requested {
                shutdown.request();
            }
            let end = spawn_thread("decode", || panic!("as a test")).unwrap();
            let error = ended("decode", end, shutdown).await.err();
            assert_eq!(error.map(|error| error.to_string()).as_deref(), expected);
        }
    }
}
