//! What a publisher says of itself each second: a JSON object for programs, a line for people.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use serde::Serialize;
use webrtc_client::UplinkBytes;

use super::{control::Heard, shared::Shared};

/// Averages are over the time since the line before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Line {
    /// A session stands.
    pub(crate) connected: bool,
    /// Frames sent a second
    pub(crate) fps: f64,
    /// Sent since the start
    pub(crate) frames: u64,
    pub(crate) keyframes: u64,
    /// Not sent since the start, by reason: the source was late, the path full, no session
    pub(crate) frames_late: u64,
    pub(crate) frames_held_back: u64,
    pub(crate) frames_without_session: u64,
    /// UDP payload sent, by kind
    pub(crate) kbps: Kbps,
    /// What the encoder is set to
    pub(crate) video_target_kbps: u32,
    /// What the path carries, where congestion control runs
    pub(crate) estimate_kbps: Option<u32>,
    /// Since the start
    pub(crate) patches: u64,
    pub(crate) patches_random: u64,
    pub(crate) patches_refused: u64,
    pub(crate) sessions: u64,
    /// Of these, begun while the one before still stood: the stream moved
    pub(crate) moves: u64,
    /// Of the live checkpoint over bicubic, as the media-node says
    pub(crate) gain_db: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Kbps {
    pub(crate) video: f64,
    pub(crate) audio: f64,
    pub(crate) patches: f64,
    pub(crate) other: f64,
}

/// Turns counts since the start into lines.
#[derive(Debug)]
pub(crate) struct Reporter {
    shared: Arc<Shared>,
    at: Duration,
    frames: u64,
    bytes: UplinkBytes,
}

impl Reporter {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { at: shared.now(), shared, frames: 0, bytes: UplinkBytes::default() }
    }

    pub(crate) fn next_line(&mut self) -> Line {
        let (shared, now) = (&self.shared, self.shared.now());
        let counters = &shared.counters;
        let (frames, bytes) = (counters.frames_sent.load(Relaxed), shared.outlet.uplink_bytes());
        let seconds = now.saturating_sub(self.at).as_secs_f64().max(0.001);
        let line = Line {
            connected: shared.outlet.stands(),
            fps: rounded((frames - self.frames) as f64 / seconds),
            frames,
            keyframes: counters.keyframes.load(Relaxed),
            frames_late: counters.frames_late.load(Relaxed),
            frames_held_back: counters.frames_held_back.load(Relaxed),
            frames_without_session: counters.frames_without_session.load(Relaxed),
            kbps: Kbps::between(self.bytes, bytes, seconds),
            video_target_kbps: counters.video_kbps.load(Relaxed),
            estimate_kbps: *shared.estimate_kbps.borrow(),
            patches: counters.patches_sent.load(Relaxed),
            patches_random: counters.patches_random.load(Relaxed),
            patches_refused: counters.patches_refused.load(Relaxed),
            sessions: counters.sessions.load(Relaxed),
            moves: counters.moves.load(Relaxed),
            gain_db: match &*shared.heard.borrow() {
                Heard::Control(control) => control.gain_millidecibels.map(|gain| f64::from(gain) / 1000.0),
                _ => None,
            },
        };
        (self.at, self.frames, self.bytes) = (now, frames, bytes);
        line
    }
}

impl Kbps {
    fn between(before: UplinkBytes, after: UplinkBytes, seconds: f64) -> Self {
        let rate = |before: u64, after: u64| rounded(after.saturating_sub(before) as f64 * 8.0 / 1000.0 / seconds);
        Self {
            video: rate(before.video, after.video),
            audio: rate(before.audio, after.audio),
            patches: rate(before.patches, after.patches),
            other: rate(before.other, after.other),
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.connected {
            return write!(f, "connecting …");
        }
        let Kbps { video, audio, patches, .. } = self.kbps;
        write!(f, "{:4.1} fps   kbit/s: video {video:.0}, sound {audio:.0}, patches {patches:.0}", self.fps)?;
        match self.gain_db {
            Some(gain) => write!(f, "   gain {gain:+.2} dB"),
            None => Ok(()),
        }
    }
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use proto::v1::PatchControl;
    use webrtc_client::Outlet;

    use super::*;
    use crate::publish::rates::Wanted;

    #[test]
    fn rates_are_of_the_time_since_the_last_line() {
        let bytes = |video, patches| UplinkBytes { video, audio: 0, patches, other: 0 };
        let kbps = Kbps::between(bytes(1000, 500), bytes(101_000, 500), 2.0);
        assert_eq!(kbps, Kbps { video: 400.0, ..Default::default() });
        assert_eq!(Kbps::between(bytes(1000, 0), bytes(0, 0), 1.0), Kbps::default());
    }

    #[test]
    fn a_line_tells_the_gain_once_it_was_heard() {
        let wanted = Wanted { video_kbps: 800, audio_kbps: 64, patch_kbps: 80 };
        let shared = Arc::new(Shared::new(wanted, None, Outlet::default()));
        let mut reporter = Reporter::new(shared.clone());
        assert_eq!(reporter.next_line().gain_db, None);
        shared.heard.send_replace(Heard::Control(PatchControl::default()));
        assert_eq!(reporter.next_line().gain_db, None, "nobody measured it yet");
        let control = PatchControl { gain_millidecibels: Some(1234), ..Default::default() };
        shared.heard.send_replace(Heard::Control(control));
        let line = Line { connected: true, fps: 30.0, ..reporter.next_line() };
        assert_eq!(line.to_string(), "30.0 fps   kbit/s: video 0, sound 0, patches 0   gain +1.23 dB");
    }
}
