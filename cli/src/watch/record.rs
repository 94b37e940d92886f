//! Records what was received, as it was coded.

mod mux;
mod timeline;

use std::{
    mem,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::ensure;
use bytes::Bytes;
use rtp::Assembled;
use webrtc_client::ReceivedPacket;

use mux::{Muxer, Track};
use timeline::Timeline;

/// Sound that has not come by then is none.
const SOUND_IS_DUE: Duration = Duration::from_secs(1);

/// A file to be. The container must know its tracks before the first sample: what comes before they are known waits.
pub(crate) struct Recorder {
    path: PathBuf,
    state: State,
    video: Timeline,
    audio: Timeline,
    first_arrived: Option<Instant>,
}

enum State {
    Waiting { size: (usize, usize), samples: Vec<Sample> },
    Writing(Muxer),
}

/// One access unit or Opus packet.
pub(crate) struct Sample {
    pub(crate) track: Track,
    /// In ticks of the track's RTP clock, from the beginning of the recording
    pub(crate) pts: i64,
    pub(crate) keyframe: bool,
    pub(crate) data: Bytes,
}

impl Recorder {
    /// # Errors
    /// When the name says neither MP4 nor Matroska.
    pub(crate) fn create(path: PathBuf) -> anyhow::Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        ensure!(
            matches!(extension.to_ascii_lowercase().as_str(), "mp4" | "mkv"),
            "--record {}: recordings are .mp4 or .mkv files",
            path.display()
        );
        let state = State::Waiting { size: (0, 0), samples: Vec::new() };
        Ok(Self { path, state, video: Timeline::new(90_000), audio: Timeline::new(48_000), first_arrived: None })
    }

    /// A frame that was decoded, so that the recording plays without damage.
    pub(crate) fn write_video(
        &mut self,
        frame: &Assembled,
        size: (usize, usize),
        arrived: Instant,
    ) -> anyhow::Result<()> {
        if self.first_arrived.is_none() && !frame.keyframe {
            return Ok(());
        }
        let since_first = self.since_first(arrived);
        #[expect(clippy::cast_possible_truncation, reason = "the RTP timestamp that was unwrapped")]
        let pts = self.video.place(frame.timestamp as u32, since_first);
        if let State::Waiting { size: first_size, .. } = &mut self.state {
            *first_size = size;
        }
        self.write(Sample { track: Track::Video, pts, keyframe: frame.keyframe, data: frame.data.clone() }, since_first)
    }

    pub(crate) fn write_audio(&mut self, packet: &ReceivedPacket) -> anyhow::Result<()> {
        if self.first_arrived.is_none() {
            return Ok(());
        }
        let since_first = self.since_first(packet.arrived);
        let pts = self.audio.place(packet.timestamp, since_first);
        self.write(Sample { track: Track::Audio, pts, keyframe: true, data: packet.payload.clone() }, since_first)
    }

    /// Completes the file. Without a frame there is none.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.begin()?;
        match self.state {
            State::Writing(muxer) => muxer.finish(),
            State::Waiting { .. } => Ok(()),
        }
    }

    fn since_first(&mut self, arrived: Instant) -> Duration {
        arrived.saturating_duration_since(*self.first_arrived.get_or_insert(arrived))
    }

    fn write(&mut self, sample: Sample, since_first: Duration) -> anyhow::Result<()> {
        match &mut self.state {
            State::Writing(muxer) => muxer.write(&sample),
            State::Waiting { samples, .. } => {
                let complete = sample.track == Track::Audio || since_first >= SOUND_IS_DUE;
                samples.push(sample);
                if complete { self.begin() } else { Ok(()) }
            }
        }
    }

    /// Writes what has waited, when there is a frame among it.
    fn begin(&mut self) -> anyhow::Result<()> {
        let State::Waiting { size, samples } = &mut self.state else { return Ok(()) };
        let Some(first) = samples.iter().find(|sample| sample.track == Track::Video) else { return Ok(()) };
        let sound = samples.iter().any(|sample| sample.track == Track::Audio);
        let mut muxer = Muxer::create(&self.path, *size, &first.data, sound)?;
        for sample in mem::take(samples) {
            muxer.write(&sample)?;
        }
        self.state = State::Writing(muxer);
        Ok(())
    }
}
