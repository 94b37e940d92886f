//! The learning half over a real nats-server, a real pairer, real H264 and real gRPC.

#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

mod learning_stage;

use std::time::{Duration, Instant};

use bus::Bus;
use futures::StreamExt;
use learning_stage::{NETWORK, Nats, Publisher, Stage, demo, eventually, live, offer, received, sharpening};
use media_node::bridge::{FromRelay, ToRelay};
use proto::{
    StreamName,
    status::{LearningStatus, StreamEventKind, StreamStatus},
    v1::{
        Accepted, Checkpoint, GetRequest, ListRequest, PatchControl, PinRequest, PixelCoding, PublishResponse,
        PublisherPatch, Rect, WatchRequest, WatchResponse, patch_control::Want, publish_response, rejected::Reason,
        report, watch_response,
    },
};
use sr_net::Weights;

fn accepted(response: Result<PublishResponse, tonic::Status>) -> Accepted {
    match response.unwrap().result {
        Some(publish_response::Result::Accepted(accepted)) => accepted,
        other => panic!("not accepted: {other:?}"),
    }
}

fn rejected(response: Result<PublishResponse, tonic::Status>) -> Reason {
    match response.unwrap().result {
        Some(publish_response::Result::Rejected(rejected)) => rejected.reason(),
        other => panic!("not rejected: {other:?}"),
    }
}

async fn watch(stage: &mut Stage) -> tonic::Streaming<WatchResponse> {
    stage.client.watch(WatchRequest { stream: Some(demo().to_id()) }).await.unwrap().into_inner()
}

async fn next_change(watch: &mut tonic::Streaming<WatchResponse>) -> watch_response::Event {
    watch.message().await.unwrap().unwrap().event.unwrap()
}

fn events(stage: &mut Stage) -> Vec<StreamEventKind> {
    std::iter::from_fn(|| stage.events.try_recv().ok()).map(|event| event.kind).collect()
}

#[tokio::test]
async fn patches_become_pairs_for_trainers_and_good_weights_go_live() {
    let nats = Nats::start();
    let (bus, mut publisher) = (nats.bus().await, Publisher::new());
    let mut stage = Stage::open(Some(bus.clone())).await;
    let mut changes = watch(&mut stage).await;
    publisher.stream_until(&mut stage, "eight pairs", |status| status.patches_accepted >= 8).await;
    assert_eq!(*stage.learning.source_size.borrow(), (160, 96));

    let mut trainer = bus.consume_patches(&demo()).await.unwrap();
    let pairs = trainer.fetch(8, Duration::from_secs(5)).await.unwrap();
    let pair = &pairs[0].patch;
    assert_eq!(pair.stream, Some(demo().to_id()));
    assert_eq!((pair.lr_coding(), pair.hr_coding()), (PixelCoding::Raw, PixelCoding::Raw));
    assert_eq!((pair.lr_luma.len(), pair.hr_luma.len()), (64 * 64, 96 * 96));

    assert_eq!(rejected(stage.publish(offer(&sharpening(-0.2))).await), Reason::BelowBicubic);
    let first = accepted(stage.publish(offer(&sharpening(0.1))).await);
    assert_eq!(first.version, 2);
    let best = accepted(stage.publish(offer(&sharpening(0.2))).await);
    assert_eq!(best.version, 3);
    assert!(best.measured.unwrap().psnr_db > best.measured.unwrap().live_psnr_db);
    assert_eq!(rejected(stage.publish(offer(&sharpening(0.1))).await), Reason::BelowLive);

    eventually("version 3 at the watcher", async || match next_change(&mut changes).await {
        watch_response::Event::Checkpoint(checkpoint) => (checkpoint.version == 3).then_some(()),
        other => panic!("{other:?}"),
    })
    .await;
    assert_eq!(live(&stage).unwrap().version, 3);
    assert_eq!(bus.checkpoints(&demo()).await.unwrap().versions().await.unwrap(), [2, 3]);
    for version in [0, 2, 3] {
        let request = GetRequest { stream: Some(demo().to_id()), version };
        let found = stage.client.get(request).await.unwrap().into_inner().checkpoint.unwrap();
        assert_eq!(found.version, if version == 0 { 3 } else { version });
    }

    publisher.stream_until(&mut stage, "a gain", |status| status.gain_db.is_some_and(|gain| gain > 1.0)).await;
    let status = stage.status();
    assert_eq!((status.checkpoints_offered, status.checkpoints_accepted, status.live_version), (4, 2, 3));
    assert_eq!(
        status.checkpoints_rejected_by_reason.into_iter().collect::<Vec<_>>(),
        [("below_bicubic".to_owned(), 1), ("below_live".to_owned(), 1)]
    );
}

#[tokio::test]
async fn offers_that_are_no_weights_of_this_stream_are_refused_with_their_reason() {
    let nats = Nats::start();
    let mut publisher = Publisher::new();
    let mut stage = Stage::open(Some(nats.bus().await)).await;
    eventually("an open registry", async || stage.publish(Checkpoint::default()).await.ok()).await;
    let good = offer(&sharpening(0.2));
    assert_eq!(rejected(stage.publish(good.clone()).await), Reason::TooFewPatches, "no patches: nobody can judge");
    publisher.stream_until(&mut stage, "five pairs", |status| status.patches_accepted >= 5).await;

    let other = StreamName::new("default", "other").unwrap();
    assert_eq!(
        rejected(stage.publish(Checkpoint { stream: Some(other.to_id()), ..good.clone() }).await),
        Reason::Stream
    );
    assert_eq!(
        rejected(stage.publish(Checkpoint { sha256: vec![0; 32].into(), ..good.clone() }).await),
        Reason::Digest
    );
    let larger = Weights::zero(sr_net::Network { features: 4, ..NETWORK });
    assert_eq!(rejected(stage.publish(offer(&larger)).await), Reason::Network);
    assert_eq!(rejected(stage.publish(offer(&sharpening(f32::NAN))).await), Reason::Malformed);
    assert_eq!(rejected(stage.publish(offer(&Weights::zero(NETWORK))).await), Reason::BelowBicubic);
    let future = Checkpoint { trained_through_stream_time: u64::MAX, ..good.clone() };
    assert_eq!(rejected(stage.publish(future).await), Reason::TooFewPatches);

    accepted(stage.publish(good.clone()).await);
    let pin = |version| PinRequest { stream: Some(demo().to_id()), version };
    assert_eq!(stage.client.pin(pin(9)).await.unwrap_err().code(), tonic::Code::NotFound);
    stage.client.pin(pin(2)).await.unwrap();
    assert_eq!(rejected(stage.publish(good.clone()).await), Reason::Pinned);
    stage.client.pin(pin(0)).await.unwrap();
    accepted(stage.publish(good).await);
}

#[tokio::test]
async fn a_scene_cut_that_makes_the_live_version_bad_withdraws_it_within_the_patches_of_five_seconds() {
    let nats = Nats::start();
    let mut publisher = Publisher::new();
    let mut stage = Stage::open(Some(nats.bus().await)).await;
    publisher.stream_until(&mut stage, "eight pairs", |status| status.patches_accepted >= 8).await;
    accepted(stage.publish(offer(&sharpening(0.2))).await);
    let mut changes = watch(&mut stage).await;
    assert!(matches!(next_change(&mut changes).await, watch_response::Event::Checkpoint(_)));
    publisher.stream_until(&mut stage, "a gain", |status| status.gain_db.is_some_and(|gain| gain > 1.0)).await;

    (publisher.detail, publisher.scene) = (-0.2, 3);
    let patches = publisher.sequence;
    publisher.stream_until(&mut stage, "the withdrawal", |status| status.withdrawn).await;
    assert!(matches!(next_change(&mut changes).await, watch_response::Event::Withdrawn(_)));
    assert!(publisher.sequence <= patches + 5 * 20, "{} patches", publisher.sequence - patches);
    let mut late = watch(&mut stage).await;
    assert!(matches!(next_change(&mut late).await, watch_response::Event::Checkpoint(_)));
    assert!(matches!(next_change(&mut late).await, watch_response::Event::Withdrawn(_)));

    (publisher.detail, publisher.scene) = (0.2, 0);
    publisher.stream_until(&mut stage, "the return", |status| !status.withdrawn).await;
    assert!(matches!(next_change(&mut changes).await, watch_response::Event::Restored(_)));
    let events = events(&mut stage);
    assert!(events.contains(&StreamEventKind::SceneChange), "{events:?}");
}

#[tokio::test]
async fn a_killed_pairer_is_counted_and_replaced() {
    let mut publisher = Publisher::new();
    let mut stage = Stage::open(None).await;
    publisher.stream_until(&mut stage, "a pair", |status| status.patches_accepted >= 1).await;
    let pids = stage.pairer_pids();
    assert_eq!(pids.len(), 1, "one child for one session");
    kill(pids[0]);
    publisher.stream_until(&mut stage, "the death", |status| status.pairer_deaths == 1).await;
    let accepted = stage.status().patches_accepted;
    publisher.stream_until(&mut stage, "another pair", |status| status.patches_accepted > accepted).await;
    let events = events(&mut stage);
    let died = |event: &StreamEventKind| matches!(event, StreamEventKind::PairerDied { reason } if reason.contains("signal: 9"));
    assert!(events.iter().any(died), "{events:?}");
    assert_eq!(events.iter().filter(|event| **event == StreamEventKind::PairerStarted).count(), 2);
}

#[tokio::test]
async fn without_patches_there_is_no_pairer_and_ten_seconds_after_the_last_it_ends() {
    let mut publisher = Publisher::new();
    let mut stage = Stage::open(None).await;
    for index in 0..10 {
        publisher.send_frame(&stage, index == 0);
    }
    publisher.hello(&stage);
    let control = eventually("what is wanted", async || match stage.from_learning.recv().await? {
        ToRelay::PatchControl(control) => Some(control),
        ToRelay::KeyframeWanted => panic!("nobody decodes"),
    })
    .await;
    let expected = PatchControl {
        want: Want::RandomOnly.into(),
        scale: 2,
        patch_size_pixels: 96,
        max_per_second: 20,
        max_kbps: 400,
        ..Default::default()
    };
    assert_eq!(control, expected, "without NATS a few patches still measure the gain");
    assert!(stage.pairer_pids().is_empty());

    publisher.stream_until(&mut stage, "a pair", |status| status.patches_accepted >= 1).await;
    let last_patch = Instant::now();
    eventually("the end of the pairer", async || stage.pairer_pids().is_empty().then_some(())).await;
    assert!(last_patch.elapsed() > Duration::from_secs(9), "{:?}", last_patch.elapsed());
    assert_eq!(stage.status().pairer_deaths, 0, "that was no death");
    publisher.stream_until(&mut stage, "a pair again", |status| status.patches_accepted >= 3).await;
}

#[tokio::test]
async fn bad_patches_are_dropped_and_counted_by_reason() {
    let mut publisher = Publisher::new();
    let mut stage = Stage::open(None).await;
    publisher.stream_until(&mut stage, "a pair", |status| status.patches_accepted >= 1).await;
    let (at, good) = publisher.patch();
    let garbage = PublisherPatch { coding: PixelCoding::Png.into(), luma: vec![0x89; 500].into(), ..good.clone() };
    let off_grid = PublisherPatch { rect: Some(Rect { x: 97, y: 48, width: 96, height: 96 }), ..good.clone() };
    let oversized = PublisherPatch { luma: vec![0; 20_000].into(), ..good.clone() };
    let inverted = PublisherPatch { luma: good.luma.iter().map(|sample| 255 - sample).collect(), ..good.clone() };
    for (stream_time, patch, reason) in [
        (at, garbage, "bad_coding"),
        (at, off_grid, "bad_rect"),
        (at, oversized, "oversized"),
        (at - 1, good.clone(), "frame_gone"),
        (at, inverted, "unlike"),
    ] {
        stage.send(received(stream_time, patch));
        stage.status_where(reason, |status| status.patches_dropped_by_reason.get(reason) == Some(&1)).await;
    }
    stage.send(FromRelay::PatchRefused { reason: "malformed" });
    stage
        .status_where("the relay's refusal", |status| status.patches_dropped_by_reason.contains_key("malformed"))
        .await;
    for _ in 0..200 {
        stage.send(received(at, good.clone()));
    }
    stage
        .status_where("a flood", |status| {
            status.patches_dropped_by_reason.get("too_many").is_some_and(|&count| count > 100)
        })
        .await;
    assert_eq!(stage.status().pairer_deaths, 0);
    publisher.stream_until(&mut stage, "a pair after all that", |status| status.patches_accepted >= 20).await;
}

#[tokio::test]
async fn nats_away_makes_offers_wait_and_loses_no_pair() {
    let mut nats = Nats::start();
    let (bus, mut publisher) = (nats.bus().await, Publisher::new());
    let mut stage = Stage::open(Some(bus.clone())).await;
    publisher.stream_until(&mut stage, "eight pairs", |status| status.patches_accepted >= 8).await;
    accepted(stage.publish(offer(&sharpening(0.1))).await);
    nats.server.kill();
    eventually("the loss", async || (!bus.is_connected()).then_some(())).await;
    let away = stage.publish(offer(&sharpening(0.2))).await.unwrap_err();
    assert_eq!(away.code(), tonic::Code::Unavailable);
    assert_eq!(live(&stage).unwrap().version, 2, "what is live stays");
    let LearningStatus { patches_accepted: before, patches_waiting: waiting, .. } = stage.status();
    // All but the one that is being delivered wait for the bus.
    let wait_for_the_bus =
        |status: &LearningStatus| status.patches_accepted >= before + 8 && status.patches_waiting >= waiting + 7;
    publisher.stream_until(&mut stage, "pairs that wait for the bus", wait_for_the_bus).await;

    nats.server.restart().unwrap();
    let retried = eventually("the store", async || stage.publish(offer(&sharpening(0.2))).await.ok()).await;
    assert_eq!(accepted(Ok(retried)).version, 3);
    let pairs = stage.status().patches_accepted;
    eventually("every pair at the trainer", async || {
        let recent = bus.recent_patches(&demo(), Duration::from_secs(60)).await.ok()?;
        (recent.len() as u64 == pairs).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_restarted_registry_goes_on_with_its_versions_and_its_live_checkpoint() {
    let nats = Nats::start();
    let mut publisher = Publisher::new();
    let mut stage = Stage::open(Some(nats.bus().await)).await;
    publisher.stream_until(&mut stage, "eight pairs", |status| status.patches_accepted >= 8).await;
    accepted(stage.publish(offer(&sharpening(0.1))).await);
    accepted(stage.publish(offer(&sharpening(0.15))).await);
    let before = live(&stage);
    drop(stage);

    let mut stage = Stage::open(Some(nats.bus().await)).await;
    stage.status_where("the stored checkpoint", |status| status.live_version == 3).await;
    assert_eq!(live(&stage), before);
    let mut publisher = Publisher::new();
    publisher.stream_until(&mut stage, "eight pairs", |status| status.patches_accepted >= 8).await;
    assert_eq!(accepted(stage.publish(offer(&sharpening(0.2))).await).version, 4);
}

#[tokio::test]
async fn a_pin_survives_a_restart_of_the_registry() {
    let nats = Nats::start();
    let mut publisher = Publisher::new();
    let mut stage = Stage::open(Some(nats.bus().await)).await;
    publisher.stream_until(&mut stage, "eight pairs", |status| status.patches_accepted >= 8).await;
    accepted(stage.publish(offer(&sharpening(0.1))).await);
    accepted(stage.publish(offer(&sharpening(0.15))).await);
    stage.client.pin(PinRequest { stream: Some(demo().to_id()), version: 2 }).await.unwrap();
    drop(stage);

    let mut stage = Stage::open(Some(nats.bus().await)).await;
    stage.status_where("the pinned checkpoint", |status| status.live_version == 2).await;
    assert_eq!(rejected(stage.publish(offer(&sharpening(0.2))).await), Reason::Pinned);
    stage.client.pin(PinRequest { stream: Some(demo().to_id()), version: 0 }).await.unwrap();
    drop(stage);

    let stage = Stage::open(Some(nats.bus().await)).await;
    stage.status_where("the newest checkpoint", |status| status.live_version == 3).await;
}

#[tokio::test]
async fn what_is_kept_is_listed_newest_first_and_without_weights() {
    let nats = Nats::start();
    let mut publisher = Publisher::new();
    let mut stage = Stage::open(Some(nats.bus().await)).await;
    let all = ListRequest { stream: Some(demo().to_id()) };
    let listed = stage.client.list(all.clone()).await.unwrap().into_inner();
    assert_eq!((listed.checkpoints, listed.live_version, listed.pinned_version), (vec![], 0, 0));

    publisher.stream_until(&mut stage, "eight pairs", |status| status.patches_accepted >= 8).await;
    accepted(stage.publish(offer(&sharpening(0.1))).await);
    accepted(stage.publish(offer(&sharpening(0.15))).await);
    stage.client.pin(PinRequest { stream: Some(demo().to_id()), version: 2 }).await.unwrap();
    let listed = stage.client.list(all).await.unwrap().into_inner();
    assert_eq!((listed.live_version, listed.pinned_version), (2, 2));
    let versions: Vec<_> = listed.checkpoints.iter().map(|checkpoint| checkpoint.version).collect();
    assert_eq!(versions, [3, 2]);
    assert!(listed.checkpoints.iter().all(|checkpoint| checkpoint.safetensors.is_empty()));
    assert!(listed.checkpoints.iter().all(|checkpoint| checkpoint.measured.is_some()));
}

#[tokio::test]
async fn what_is_live_is_not_said_before_the_stored_checkpoints_are_read() {
    let mut nats = Nats::start();
    nats.server.kill();
    let bus = Bus::connect(nats.server.url(), None, "test").await.unwrap();
    let mut stage = Stage::open(Some(bus)).await;
    let newest = GetRequest { stream: Some(demo().to_id()), version: 0 };
    let unread = stage.client.get(newest.clone()).await.unwrap_err();
    assert_eq!(unread.code(), tonic::Code::Unavailable, "nothing is known yet");
    nats.server.restart().unwrap();
    eventually("that nothing is live", async || {
        let absent = stage.client.get(newest.clone()).await.unwrap_err();
        (absent.code() == tonic::Code::NotFound).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_nats_nothing_is_accepted() {
    let mut stage = Stage::open(None).await;
    let refused = stage.publish(offer(&sharpening(0.2))).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    let other = StreamName::new("default", "other").unwrap();
    let refused = stage.client.watch(WatchRequest { stream: Some(other.to_id()) }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn the_cluster_reads_how_the_stream_is_doing() {
    let nats = Nats::start();
    let bus = nats.bus().await;
    let stage = Stage::open(Some(bus.clone())).await;
    stage.stream_status.send_replace(StreamStatus { publishing: true, viewers: 3, ..Default::default() });
    let mut reports = bus.watch_reports(Some(&demo())).await.unwrap();
    let report = eventually("a report of three viewers", async || {
        let (key, report) = reports.next().await?;
        assert_eq!(key.pod, "demo-media-node");
        match report?.role? {
            report::Role::MediaNode(report) => (report.viewers == 3).then_some(report),
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert!(report.publishing);
    assert_eq!(report.idle_since_unix_us, 0);
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
