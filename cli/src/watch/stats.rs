//! What a viewer says of itself each second.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::receive::Shown;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Line {
    /// Frames shown a second, since the line before
    pub(crate) fps: f64,
    /// Since the start
    pub(crate) frames_shown: u64,
    /// Published from the first frame shown to the newest
    pub(crate) frames_expected: u64,
    pub(crate) freezes: u64,
    pub(crate) frozen_seconds: f64,
    /// Of the newest picture, in pixels
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// RTP payload of the video, since the line before
    pub(crate) video_kbps: f64,
    pub(crate) audio_packets: u64,
    pub(crate) packets_lost: u64,
    pub(crate) packets_dropped: u64,
    pub(crate) undecodable: u64,
    pub(crate) reconnects: u64,
    /// From one media-node to another, without a gap between the sessions
    pub(crate) moves: u64,
}

#[derive(Debug)]
struct Reporter {
    shown: Shown,
    at: Instant,
    frames: u64,
    video_bytes: u64,
}

impl Reporter {
    fn new(shown: Shown) -> Self {
        Self { shown, at: Instant::now(), frames: 0, video_bytes: 0 }
    }

    fn next_line(&mut self) -> Line {
        let now = Instant::now();
        let seconds = now.saturating_duration_since(self.at).as_secs_f64().max(0.001);
        let (line, video_bytes) = self.shown.with(|counts| {
            let playback = &counts.playback;
            let line = Line {
                fps: rounded((playback.frames - self.frames) as f64 / seconds),
                frames_shown: playback.frames,
                frames_expected: playback.frames_expected(),
                freezes: playback.freezes,
                frozen_seconds: rounded(playback.frozen.as_secs_f64()),
                width: counts.size.0,
                height: counts.size.1,
                video_kbps: rounded((counts.video_bytes - self.video_bytes) as f64 * 8.0 / 1000.0 / seconds),
                audio_packets: counts.audio_packets,
                packets_lost: counts.packets_lost,
                packets_dropped: counts.packets_dropped,
                undecodable: counts.undecodable,
                reconnects: counts.sessions.saturating_sub(1 + counts.moves),
                moves: counts.moves,
            };
            (line, counts.video_bytes)
        });
        (self.at, self.frames, self.video_bytes) = (now, line.frames_shown, video_bytes);
        line
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.frames_shown == 0 {
            return write!(f, "waiting for the first frame …");
        }
        let Self { fps, width, height, video_kbps, frames_shown, freezes, .. } = self;
        write!(
            f,
            "{fps:4.1} fps   {width}x{height}   {video_kbps:.0} kbit/s   {frames_shown} frames, {freezes} freezes"
        )
    }
}

/// A line a second: JSON to standard output where asked for, one for people to a terminal's standard error.
pub(crate) async fn report(shown: Shown, stats: bool, progress: bool) {
    let progress = progress && std::io::stderr().is_terminal();
    let mut reporter = Reporter::new(shown);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.tick().await;
    loop {
        second.tick().await;
        let line = reporter.next_line();
        if stats {
            write_json(&line);
        }
        if progress {
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
        }
    }
}

/// What was shown in all.
pub(crate) fn write_summary(shown: &Shown, stats: bool) {
    let line = Reporter::new(shown.clone()).next_line();
    if stats {
        write_json(&Line { fps: 0.0, video_kbps: 0.0, ..line });
    } else {
        let Line { frames_shown, frames_expected, freezes, width, height, reconnects, .. } = line;
        let _ = writeln!(
            std::io::stdout(),
            "{frames_shown} of {frames_expected} frames shown, {width}x{height}, {freezes} freezes, {reconnects} reconnects"
        );
    }
}

fn write_json(line: &Line) {
    if let Ok(json) = serde_json::to_string(line) {
        // Whoever read it may be gone.
        let _ = writeln!(std::io::stdout(), "{json}");
    }
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
