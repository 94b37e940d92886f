//! Whole sessions against a small server in this process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use proto::v1::{PatchChannelMessage, PublisherHello, patch_channel_message::Kind};
use server::{Server, until};
use tokio::sync::mpsc;
use webrtc_client::{
    Loss, MAX_MESSAGE_BYTES, PublishOptions, Publisher, PublisherEvent, ReceivedPacket, ViewOptions, Viewer,
    ViewerEvent,
};

const TIMEOUT: Duration = Duration::from_secs(10);

async fn publish(server: &Server) -> (Publisher, mpsc::Receiver<PublisherEvent>) {
    let options = PublishOptions {
        url: format!("{}/whip", server.url),
        token: None,
        publisher: None,
        audio: true,
        patches: true,
        initial_estimate_kbps: Some(500),
        timeout: TIMEOUT,
    };
    Publisher::connect(options).await.unwrap()
}

async fn event<E>(events: &mut mpsc::Receiver<E>, wanted: impl Fn(&E) -> bool) -> E {
    let wait = async {
        loop {
            let event = events.recv().await.expect("the session goes on");
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(TIMEOUT, wait).await.expect("the event comes in time")
}

/// An access unit of two NAL units: parameter set and key frame of `bytes`.
fn key_frame(bytes: usize) -> Vec<u8> {
    let mut unit = vec![0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x65];
    unit.extend((0..bytes).map(|index| (index % 251) as u8 | 4));
    unit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_sound_and_messages_reach_the_server_and_its_requests_come_back() {
    let server = Server::start().await;
    let (publisher, mut events) = publish(&server).await;
    event(&mut events, |event| matches!(event, PublisherEvent::ChannelOpen)).await;

    let hello = PatchChannelMessage { kind: Some(Kind::Hello(PublisherHello { scale: 2, ..Default::default() })) };
    assert!(publisher.send_message(&hello));
    let control = event(&mut events, |event| matches!(event, PublisherEvent::ChannelMessage(_))).await;
    let PublisherEvent::ChannelMessage(control) = control else { unreachable!() };
    assert!(matches!(control.kind, Some(Kind::Control(control)) if control.max_kbps == 77));
    assert_eq!(*server.seen.messages.lock().unwrap(), [hello]);
    let channel = server.seen.channel.lock().unwrap().clone();
    assert_eq!(channel, Some(("patches".into(), "acuity.v1".into(), false)));

    for frame in 0..10_u32 {
        assert!(publisher.send_video(&key_frame(5000), 90_000 + frame * 3000));
        assert!(publisher.send_audio(vec![0xfc; 80].into(), frame * 960));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    event(&mut events, |event| matches!(event, PublisherEvent::KeyframeWanted)).await;
    event(&mut events, |event| matches!(event, PublisherEvent::Estimate { kbps } if (30..=1000).contains(kbps))).await;
    until("ten frames and packets of sound", || {
        let frames = server.seen.video.lock().unwrap().iter().filter(|packet| packet.header.marker).count();
        frames == 10 && server.seen.audio.lock().unwrap().len() == 10
    })
    .await;
    {
        let video = server.seen.video.lock().unwrap();
        assert_eq!(video[0].header.timestamp, 90_000);
        assert!(
            video.windows(2).all(|two| two[1].header.sequence_number == two[0].header.sequence_number.wrapping_add(1))
        );
        let payload: usize = video.iter().map(|packet| packet.payload.len()).sum();
        let sent = publisher.uplink_bytes();
        let overhead = sent.video as f64 / payload as f64;
        assert!((1.0..1.1).contains(&overhead), "{sent:?} for {payload} bytes of payload");
        assert!(sent.audio >= 10 * (80 + 12 + 8) && sent.patches > 0 && sent.other > 0, "{sent:?}");
    }

    publisher.close().await;
    assert_eq!(server.seen.deleted.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_above_the_limit_is_not_sent() {
    let server = Server::start().await;
    let (publisher, mut events) = publish(&server).await;
    event(&mut events, |event| matches!(event, PublisherEvent::ChannelOpen)).await;
    let patch = proto::v1::PublisherPatch { luma: vec![0; MAX_MESSAGE_BYTES].into(), ..Default::default() };
    assert!(!publisher.send_message(&PatchChannelMessage { kind: Some(Kind::Patch(patch)) }));
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_gets_the_packets_with_their_timestamps() {
    let server = Server::start().await;
    let view = ViewOptions { url: format!("{}/whep", server.url), token: None, audio: true, timeout: TIMEOUT };
    let (viewer, mut packets) = Viewer::connect(view).await.unwrap();
    let (publisher, _events) = publish(&server).await;
    let sending = async {
        for frame in 0_u32.. {
            publisher.send_video(&key_frame(3000), frame * 3000);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let receiving = async {
        let mut last = None;
        let mut frames = 0;
        while frames < 20 {
            let ViewerEvent::Video(packet) = event(&mut packets, |event| matches!(event, ViewerEvent::Video(_))).await
            else {
                unreachable!()
            };
            assert!(last.is_none_or(|last| packet.timestamp >= last), "{packet:?} after {last:?}");
            assert_eq!(packet.timestamp % 3000, 0);
            last = Some(packet.timestamp);
            frames += u32::from(packet.marker);
        }
        viewer.request_keyframe();
    };
    tokio::select! { () = sending => {}, () = receiving => {} }
    assert_eq!(viewer.dropped_packets(), 0);
    viewer.close().await;
    publisher.close().await;
    assert_eq!(server.seen.deleted.load(SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_path_loses_comes_late_by_repair() {
    let server = Server::start().await;
    let view = ViewOptions { url: format!("{}/whep", server.url), token: None, audio: false, timeout: TIMEOUT };
    let (viewer, mut packets) = Viewer::connect_over(view, Some(Loss::new(0.3, 1))).await.unwrap();
    let (publisher, _events) = publish(&server).await;
    let sending = async {
        for frame in 0_u32.. {
            publisher.send_video(&key_frame(3000), frame * 3000);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let receiving = async {
        let (mut newest, mut late) = (None, 0);
        while late < 20 {
            let video = event(&mut packets, |event| matches!(event, ViewerEvent::Video(_))).await;
            let ViewerEvent::Video(ReceivedPacket { sequence, .. }) = video else { unreachable!() };
            match newest {
                Some(newest) if sequence.wrapping_sub(newest) > 1 << 15 => late += 1,
                _ => newest = Some(sequence),
            }
        }
    };
    tokio::select! { () = sending => {}, () = receiving => {} }
    viewer.close().await;
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_ends_the_sessions_before_ice_would() {
    let server = Server::start().await;
    let view = ViewOptions { url: format!("{}/whep", server.url), token: None, audio: false, timeout: TIMEOUT };
    let (_viewer, mut packets) = Viewer::connect(view).await.unwrap();
    let (_publisher, mut events) = publish(&server).await;
    server.fall_silent().await;
    let gone = std::time::Instant::now();
    event(&mut events, |event| matches!(event, PublisherEvent::Closed { .. })).await;
    event(&mut packets, |event| matches!(event, ViewerEvent::Closed { .. })).await;
    eprintln!("after {:.1} s", gone.elapsed().as_secs_f64());
    assert!(gone.elapsed() < Duration::from_secs(8), "ICE gives up after 10 s");
}
