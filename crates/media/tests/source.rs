//! Sources made by FFmpeg itself (`lavfi`) and by our own tools: every picture and sound, in order, at its time.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, path::Path, process::Command, time::Duration};

use media::{Source, SourceItem, SourceOptions};
use sr_net::Plane;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Video { ms: u128, index: u64 },
    Audio { ms: u128, samples: usize },
}

fn lavfi(graph: &str, options: SourceOptions) -> Source {
    media::init();
    Source::open(graph, SourceOptions { format: Some("lavfi".to_owned()), ..options }).unwrap()
}

fn read(source: &mut Source, at_most: usize) -> Vec<Seen> {
    std::iter::from_fn(|| source.next_item().unwrap())
        .take(at_most)
        .map(|item| match item {
            SourceItem::Video { at, index, .. } => Seen::Video { ms: at.as_millis(), index },
            SourceItem::Audio(audio) => Seen::Audio { ms: audio.at.as_millis(), samples: audio.samples.len() },
            SourceItem::NotYet => panic!("only a device has nothing yet"),
        })
        .collect()
}

fn video_of(seen: &[Seen]) -> Vec<(u128, u64)> {
    seen.iter()
        .filter_map(|item| if let Seen::Video { ms, index } = *item { Some((ms, index)) } else { None })
        .collect()
}

fn luma_of(graph: &str) -> Plane {
    match lavfi(graph, SourceOptions::default()).next_item().unwrap() {
        Some(SourceItem::Video { picture, .. }) => picture.y,
        other => panic!("{other:?} is no picture"),
    }
}

fn milliseconds(item: &Seen) -> u128 {
    match *item {
        Seen::Video { ms, .. } | Seen::Audio { ms, .. } => ms,
    }
}

/// A clip with B-frames and 44.1 kHz 5.1 sound, made by the ffmpeg program.
fn clip(folder: &Path, extra: &[&str]) -> String {
    let path = folder.join("clip.mp4").to_str().unwrap().to_owned();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args("-v error -y -f lavfi -i testsrc2=size=128x72:rate=25:duration=2".split(' '));
    ffmpeg.args("-f lavfi -i sine=sample_rate=44100:duration=2 -ac 6 -c:a aac -c:v libx264 -bf 2 -g 10".split(' '));
    let status = ffmpeg.args(extra).arg(&path).status().expect("the ffmpeg program makes the clips of this test");
    assert!(status.success());
    path
}

#[test]
fn pictures_and_sound_come_in_the_order_of_their_times() {
    let graph = "testsrc2=size=128x72:rate=25:duration=1[out0];sine=sample_rate=44100:duration=1[out1]";
    let mut source = lavfi(graph, SourceOptions::default());
    assert_eq!((source.size(), source.frame_rate(), source.has_audio()), ((128, 72), (25, 1), true));
    let seen = read(&mut source, 1000);
    assert_eq!(video_of(&seen), (0..25).map(|i| (i * 40, i as u64)).collect::<Vec<_>>());
    assert!(seen.is_sorted_by_key(milliseconds), "{seen:?}");
    let samples: usize =
        seen.iter().map(|item| if let Seen::Audio { samples, .. } = item { *samples } else { 0 }).sum();
    assert!(samples.abs_diff(96_000) < 200, "{samples} samples of one second");
}

#[test]
fn a_file_with_reordered_frames_and_surround_sound_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    media::init();
    let mut source = Source::open(&clip(folder.path(), &[]), SourceOptions::default()).unwrap();
    let seen = read(&mut source, 1000);
    assert_eq!(video_of(&seen), (0..50).map(|i| (i * 40, i as u64)).collect::<Vec<_>>());
    let samples: usize =
        seen.iter().map(|item| if let Seen::Audio { samples, .. } = item { *samples } else { 0 }).sum();
    assert!(samples.abs_diff(2 * 96_000) < 6000, "{samples} samples of two seconds");
}

#[test]
fn fewer_frames_a_second_keep_their_times_and_numbers() {
    let options = SourceOptions { frames_per_second: Some(10.0), ..SourceOptions::default() };
    let mut source = lavfi("testsrc2=size=64x64:rate=30:duration=1", options);
    assert_eq!(source.frame_rate(), (10_000, 1000));
    let expected: Vec<(u128, u64)> = (0..10).map(|i| (i as u128 * 100, i * 3)).collect();
    assert_eq!(video_of(&read(&mut source, 1000)), expected);
}

#[test]
fn a_start_in_the_middle_keeps_the_numbers_of_the_pictures() {
    let folder = tempfile::tempdir().unwrap();
    media::init();
    let options = SourceOptions { start: Duration::from_millis(1240), ..SourceOptions::default() };
    let mut source = Source::open(&clip(folder.path(), &[]), options).unwrap();
    let expected: Vec<(u128, u64)> = (0..19).map(|i| (i as u128 * 40, 31 + i)).collect();
    assert_eq!(video_of(&read(&mut source, 1000)), expected);
}

#[test]
fn a_repeated_source_goes_on_in_time_and_counts_its_pictures_again() {
    let options = SourceOptions { repeat: true, ..SourceOptions::default() };
    let mut source = lavfi("testsrc2=size=64x64:rate=25:duration=0.2", options);
    let expected: Vec<(u128, u64)> = (0..17).map(|i| (i as u128 * 40, i % 5)).collect();
    assert_eq!(video_of(&read(&mut source, 17)), expected);
}

#[test]
fn a_repeated_file_starts_again_where_it_was_told_to() {
    let folder = tempfile::tempdir().unwrap();
    media::init();
    let options = SourceOptions {
        start: Duration::from_millis(1600),
        repeat: true,
        frames_per_second: Some(12.5),
        ..SourceOptions::default()
    };
    let mut source = Source::open(&clip(folder.path(), &["-an"]), options).unwrap();
    let seen = video_of(&read(&mut source, 12));
    let indices: Vec<u64> = seen.iter().map(|(_, index)| *index).collect();
    assert_eq!(indices, [40, 42, 44, 46, 48, 40, 42, 44, 46, 48, 40, 42]);
    assert!(seen.is_sorted_by_key(|(ms, _)| *ms));
    assert_eq!(seen[5].0, 400);
}

#[test]
fn every_pixel_format_becomes_limited_range() {
    let flat = |plane: &Plane| plane.samples().iter().copied().collect::<BTreeSet<u8>>();
    for (filter, expected) in [
        ("color=white:size=64x64:rate=5", 235),
        ("color=black:size=64x64:rate=5", 16),
        ("color=white:size=64x64:rate=5,format=rgb24", 235),
        ("color=white:size=64x64:rate=5,format=yuvj420p", 235),
        ("color=black:size=64x64:rate=5,format=yuvj444p", 16),
        ("color=white:size=64x64:rate=5,format=yuv422p10le", 235),
        ("color=white:size=64x64:rate=5,format=gray", 235),
        ("color=white:size=64x64:rate=5,format=nv12", 235),
    ] {
        let luma = luma_of(filter);
        assert!(flat(&luma).iter().all(|sample| sample.abs_diff(expected) <= 1), "{filter}: {:?}", flat(&luma));
    }
}

#[test]
fn a_file_is_read_sample_by_sample() {
    let folder = tempfile::tempdir().unwrap();
    media::init();
    let path = clip(folder.path(), &["-an"]);
    let raw = Command::new("ffmpeg").args(["-v", "error", "-i", &path, "-f", "rawvideo", "-"]).output().unwrap().stdout;
    let mut source = Source::open(&path, SourceOptions::default()).unwrap();
    for expected in raw.chunks(128 * 72 * 3 / 2) {
        let Some(SourceItem::Video { picture, .. }) = source.next_item().unwrap() else {
            panic!("a picture is missing")
        };
        let samples = [picture.y, picture.u, picture.v].map(Plane::into_samples).concat();
        assert!(samples == expected);
    }
}

#[test]
fn what_cannot_be_opened_is_an_error_that_names_it() {
    media::init();
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.mp4");
    std::fs::write(&text, "no video at all").unwrap();
    for input in ["/does/not/exist.mp4", text.to_str().unwrap(), "a\0b"] {
        assert!(Source::open(input, SourceOptions::default()).is_err(), "{input:?}");
    }
    let sound_only = SourceOptions { format: Some("lavfi".to_owned()), ..SourceOptions::default() };
    assert!(Source::open("sine=duration=1", sound_only).unwrap_err().to_string().contains("no video"));
    let unknown = SourceOptions { format: Some("none".to_owned()), ..SourceOptions::default() };
    assert!(Source::open("x", unknown).unwrap_err().to_string().contains("none"));
}

#[test]
fn damaged_pieces_of_a_file_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), &["-an"]);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 400].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    media::init();
    let seen = video_of(&read(&mut Source::open(&path, SourceOptions::default()).unwrap(), 1000));
    assert!(seen.len() > 20, "{} of 50 pictures", seen.len());
    assert!(seen.last().unwrap().0 >= 1900, "the end is read");
}
