//! `acuity publish` and `acuity watch` against a real media-node.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use media::{Encoder, EncoderSettings, Picture, Source, SourceItem, SourceOptions};
use sr_net::Plane;
use support::{MediaNode, Process, SOURCE, until};

fn publish(node: &MediaNode, options: &[&str]) -> Process {
    let whip = node.url("whip");
    let fixed = ["publish", SOURCE, "--format", "lavfi", "--whip", &whip, "--stats", "--quiet", "--video-kbps", "500"];
    Process::acuity(&[&fixed, options].concat())
}

fn watch(node: &MediaNode, options: &[&str]) -> Process {
    let whep = node.url("whep");
    Process::acuity(&[&["watch", "--whep", &whep, "--stats", "--quiet"], options].concat())
}

#[test]
fn a_clip_is_published_watched_and_recorded_with_its_sound() {
    let folder = tempfile::tempdir().unwrap();
    let (log, recordings) =
        (folder.path().join("frames.csv"), ["mp4", "mkv"].map(|kind| folder.path().join(format!("r.{kind}"))));
    let node = MediaNode::start(&[]);
    let watching = |recording: &std::path::Path| {
        watch(&node, &["--rendition", "source", "--seconds", "14", "--record", recording.to_str().unwrap()])
    };
    let mut viewers = recordings.each_ref().map(|recording| watching(recording));
    let clip = SOURCE.replace("duration=60", "duration=8");
    let whip = node.url("whip");
    let mut publisher = Process::acuity(&[
        "publish",
        &clip,
        "--format",
        "lavfi",
        "--whip",
        &whip,
        "--stats",
        "--frame-log",
        log.to_str().unwrap(),
    ]);
    assert!(publisher.ends_well(Duration::from_secs(30)), "a clip played once ends by itself");
    for viewer in &mut viewers {
        assert!(viewer.ends_well(Duration::from_secs(30)), "frames were shown");
        let (shown, expected) = (viewer.number("frames_shown"), viewer.number("frames_expected"));
        assert!(shown >= 60 && shown * 100 >= expected * 70, "{shown} of {expected}");
        assert_eq!((viewer.number("width"), viewer.number("height")), (320, 192));
    }

    let log = fs::read_to_string(log).unwrap();
    let (header, rows) = log.split_once('\n').unwrap();
    assert_eq!(header, "rtp_timestamp,clip_frame_index,sent_unix_us");
    let numbers = |row: &str| row.split(',').map(|number| number.parse().unwrap()).collect::<Vec<u64>>();
    let rows: Vec<(u32, u32)> = rows.lines().map(numbers).map(|row| (row[0] as u32, row[1] as u32)).collect();
    assert!(rows.len() >= 60);
    let steps = rows.windows(2).map(|two| (two[1].0.wrapping_sub(two[0].0), (two[1].1 - two[0].1) * 3000));
    let (in_time, late): (Vec<_>, Vec<_>) = steps.partition(|(passed, of_clip)| passed == of_clip);
    // Where the machine stood still, the clip goes on later.
    assert!(late.iter().all(|(passed, of_clip)| passed > of_clip) && in_time.len() > 9 * late.len(), "{rows:?}");

    for recording in recordings {
        let mut source = Source::open(recording.to_str().unwrap(), SourceOptions::default()).unwrap();
        assert!(source.has_audio(), "{recording:?} has sound");
        let (mut pictures, mut sound) = (Vec::new(), 0);
        while let Some(item) = source.next_item().unwrap() {
            match item {
                SourceItem::Video { at, .. } => pictures.push(at),
                SourceItem::Audio(samples) => sound += samples.samples.len() / 2,
                SourceItem::NotYet => {}
            }
        }
        assert!(pictures.len() >= 60, "{} pictures in {recording:?}", pictures.len());
        let (video, sound) = (pictures.last().unwrap().as_secs_f64(), sound as f64 / 48_000.0);
        assert!((video - sound).abs() < 0.5, "{video} s of pictures, {sound} s of sound in {recording:?}");
    }
}

#[test]
fn a_publisher_at_another_scale_than_the_streams_sends_no_patches() {
    let node = MediaNode::start(&["--scale", "2"]);
    let publisher = publish(&node, &["--scale", "4", "--congestion-control", "off"]);
    until("frames are sent", || publisher.number("frames") > 90);
    assert_eq!(publisher.number("patches"), 0);
}

/// Two seconds at each size, as bare H264.
fn clip_of_two_sizes(folder: &Path) -> String {
    let path = folder.join("clip.h264");
    let mut clip = Vec::new();
    for (width, height) in [(640, 384), (320, 192)] {
        let settings = EncoderSettings {
            encoder: "libx264".to_owned(),
            width,
            height,
            frame_rate: (25, 1),
            bitrate_kbps: 500,
            preset: "ultrafast".to_owned(),
            threads: 1,
            keyframe_interval: None,
        };
        let mut encoder = Encoder::open(&settings).unwrap();
        for index in 0..50 {
            let y = (0..width * height).map(|at| ((at % width * 3 + at / width * 5) / 4 + index) as u8).collect();
            let chroma = Plane::filled(width / 2, height / 2, 128);
            let picture = Picture { y: Plane::new(width, height, y).unwrap(), u: chroma.clone(), v: chroma };
            clip.extend(encoder.encode(&picture, index as u64 * 3600, index == 0).unwrap().unwrap().data);
        }
    }
    fs::write(&path, clip).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_source_that_changes_its_size_is_published_on_and_so_are_its_patches() {
    media::init();
    let folder = tempfile::tempdir().unwrap();
    let clip = clip_of_two_sizes(folder.path());
    let node = MediaNode::start(&["--scale", "2"]);
    let whip = node.url("whip");
    let publisher = Process::acuity(&["publish", &clip, "--loop", "--whip", &whip, "--stats", "--quiet"]);
    let viewer = watch(&node, &["--rendition", "source"]);
    for width in [320, 160, 320] {
        until(&format!("pictures {width} wide are shown"), || viewer.number("width") == width);
        let patches = publisher.number("patches");
        until("patches are sent on", || publisher.number("patches") > patches);
    }
    assert_eq!((publisher.number("sessions"), viewer.number("reconnects")), (1, 0));
}

#[test]
fn after_kill_minus_nine_of_the_media_node_both_are_back() {
    let mut node = MediaNode::start(&[]);
    let publisher = publish(&node, &[]);
    let viewer = watch(&node, &["--rendition", "source"]);
    until("frames are shown", || viewer.number("frames_shown") > 30);
    node.restart();
    let restarted = Instant::now();
    let before = viewer.number("frames_shown");
    until("the publisher is back", || publisher.number("sessions") == 2 && publisher.stat("connected") == true);
    until("the viewer shows frames again", || {
        viewer.number("reconnects") == 1 && viewer.number("frames_shown") > before + 5
    });
    eprintln!("after {:.1} s", restarted.elapsed().as_secs_f64());
}

#[test]
fn a_second_publisher_waits_until_the_first_is_gone() {
    let node = MediaNode::start(&[]);
    let mut first = publish(&node, &[]);
    until("the first publishes", || first.number("frames") > 10);
    let second = publish(&node, &[]);
    let viewer = watch(&node, &["--rendition", "source"]);
    until("frames are shown", || viewer.number("frames_shown") > 30);
    assert_eq!(second.number("frames"), 0);
    first.kill();
    until("the second publishes", || second.number("frames") > 10);
    let shown = viewer.number("frames_shown");
    until("the viewer stayed and goes on", || viewer.number("frames_shown") > shown + 10);
    assert_eq!(viewer.number("reconnects"), 0);
}

#[test]
fn a_wrong_token_ends_both_and_the_right_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let token = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (token("right", "right\n"), token("wrong", "wrong"));
    let node = MediaNode::start(&["--publish-token-file", &right, "--view-token-file", &right]);
    assert!(!publish(&node, &["--token-file", &wrong]).ends_well(Duration::from_secs(10)));
    assert!(!watch(&node, &["--token-file", &wrong]).ends_well(Duration::from_secs(10)));
    let publisher = publish(&node, &["--token-file", &right]);
    let viewer = watch(&node, &["--rendition", "source", "--token-file", &right]);
    until("frames are shown", || viewer.number("frames_shown") > 10);
    until("they are counted", || publisher.number("frames") > 10);
}

#[test]
fn publishers_and_viewers_wait_for_a_media_node_that_is_not_there_yet() {
    let nowhere = "http://127.0.0.1:9/whep";
    let mut viewer = Process::acuity(&["watch", "--whep", nowhere, "--seconds", "1", "--stats", "--quiet"]);
    assert!(!viewer.ends_well(Duration::from_secs(5)), "no frame was shown");
}

#[test]
fn what_cannot_be_published_is_said_and_not_tried() {
    for (arguments, expected) in [
        (&["/nowhere/clip.mp4"][..], "/nowhere/clip.mp4"),
        (&["testsrc2=size=24x24", "--format", "lavfi"], "too few"),
        (&["testsrc2", "--format", "nosuchformat"], "nosuchformat"),
        (&["testsrc2", "--format", "lavfi", "--encoder", "nosuchencoder"], "nosuchencoder"),
        (&["testsrc2", "--format", "lavfi", "--patch-size", "97"], "--patch-size"),
        (&["testsrc2", "--format", "lavfi", "--frame-log", "/nowhere/log.csv"], "/nowhere/log.csv"),
        (&["testsrc2", "--format", "lavfi", "--token-file", "/nowhere/token"], "/nowhere/token"),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_acuity"))
            .args(["publish", "--whip", "http://127.0.0.1:9/whip", "--once"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until("it ends", || child.try_wait().unwrap().is_some());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
}
