//! The video's thread: source, clock, scaler, encoder, session, in this order for each frame.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use media::{AccessUnit, AudioSamples, Decoder, Encoder, EncoderSettings, OpusEncoder, Picture, Source, SourceItem};
use proto::v1::PublisherHello;
use sr_net::Plane;
use telemetry::Shutdown;
use tokio::sync::watch;

use super::{
    candidates::CodedFrame,
    clock::{Clock, ticks},
    frame_log::FrameLog,
    newest::Newest,
    rates::{FrameGate, is_worth_setting},
    shared::{Shared, count},
};

const VIDEO_CLOCK: u32 = 90_000;
/// Requests for a key frame within this time of one are answered by it.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(250);
/// How quickly a wait notices that the end was asked for.
const NAP: Duration = Duration::from_millis(50);

/// What a pipeline is made of.
pub(crate) struct PipelineParts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) source: Source,
    pub(crate) scale: usize,
    pub(crate) settings: EncoderSettings,
    /// What the media-node is told of the pictures; it follows their size.
    pub(crate) hello: watch::Sender<PublisherHello>,
    pub(crate) opus: Option<OpusEncoder>,
    /// Where frames go that patches may be cut from; `None` without patches.
    pub(crate) frames: Option<Arc<Newest<CodedFrame>>>,
    pub(crate) frame_log: Option<FrameLog>,
    /// One frame in so many is left out; 0: none.
    pub(crate) drop_every: u32,
    pub(crate) shutdown: Shutdown,
}

pub(crate) struct Pipeline {
    parts: PipelineParts,
    clock: Clock,
    /// Between frames
    interval: Duration,
    encoder: Encoder,
    /// Sees what receivers see, so that residuals refer to their picture.
    decoder: Decoder,
    gate: FrameGate,
    video_kbps: u32,
    last_keyframe: Option<Instant>,
    /// RTP timestamps of time zero
    first_video: u32,
    first_audio: u32,
}

impl Pipeline {
    /// # Errors
    /// When there is no such encoder, or it refuses the settings.
    pub(crate) fn open(parts: PipelineParts) -> anyhow::Result<Self> {
        let (numerator, denominator) = parts.settings.frame_rate;
        let video_kbps = parts.settings.bitrate_kbps;
        Ok(Self {
            clock: Clock::default(),
            interval: Duration::from_secs_f64(f64::from(denominator) / f64::from(numerator)),
            encoder: Encoder::open(&parts.settings)?,
            decoder: Decoder::h264(1)?,
            gate: FrameGate::new(parts.shared.now(), video_kbps),
            video_kbps,
            last_keyframe: None,
            first_video: rand::random(),
            first_audio: rand::random(),
            parts,
        })
    }

    /// Runs until the source ends or the end is asked for.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        while !self.parts.shutdown.is_requested() {
            match self.parts.source.next_item()? {
                Some(SourceItem::Video { at, index, picture }) => self.handle_picture(at, index, &picture)?,
                Some(SourceItem::Audio(samples)) => self.handle_sound(samples)?,
                Some(SourceItem::NotYet) => {}
                None => break,
            }
        }
        Ok(())
    }

    fn handle_picture(&mut self, at: Duration, index: u64, picture: &Picture) -> anyhow::Result<()> {
        if self.parts.drop_every > 0 && (index + 1).is_multiple_of(self.parts.drop_every.into()) {
            return Ok(());
        }
        let shared = self.parts.shared.clone();
        let due = self.clock.schedule(Instant::now(), at, self.interval);
        if due.late {
            count(&shared.counters.frames_late);
            return Ok(());
        }
        let scale = self.parts.scale;
        let hr = picture.crop_for_scale(scale);
        let lr = if scale > 1 { hr.area_downscale(scale) } else { hr.clone() };
        if !self.wait_until(due.at) {
            return Ok(());
        }
        if !shared.outlet.stands() {
            count(&shared.counters.frames_without_session);
            return Ok(());
        }
        self.follow_path(&shared);
        if !self.gate.takes_a_frame(shared.now()) {
            count(&shared.counters.frames_held_back);
            return Ok(());
        }

        self.follow_size(&hr, &lr)?;
        let time = ticks(due.time, VIDEO_CLOCK);
        let rtp_timestamp = self.first_video.wrapping_add(low_bits(time));
        let keyframe = self.takes_keyframe_request(&shared);
        let Some(unit) = self.encoder.encode(&lr, time, keyframe)? else { return Ok(()) };
        self.gate.sent(unit.data.len());
        if !shared.outlet.send_video(&unit.data, rtp_timestamp) {
            shared.keyframe_wanted.store(true, Relaxed);
        }
        count(&shared.counters.frames_sent);
        if unit.keyframe {
            count(&shared.counters.keyframes);
        }
        if let Some(log) = &mut self.parts.frame_log {
            log.write(rtp_timestamp, index, SystemTime::now())?;
        }
        self.offer_for_patches(rtp_timestamp, hr.y, &unit);
        Ok(())
    }

    /// Decodes every frame, since each needs the one before; the other thread takes those it has time for.
    fn offer_for_patches(&mut self, rtp_timestamp: u32, hr: Plane, unit: &AccessUnit) {
        let Some(frames) = &self.parts.frames else { return };
        match self.decoder.decode(&unit.data, unit.timestamp) {
            Ok(decoded) => {
                if let Some(decoded) = decoded.into_iter().last() {
                    frames.put(CodedFrame { rtp_timestamp, hr, lr: decoded.picture.y });
                }
            }
            Err(error) => tracing::debug!(%error, "no patches from this frame"),
        }
    }

    fn handle_sound(&mut self, mut samples: AudioSamples) -> anyhow::Result<()> {
        let due = self.clock.schedule_sound(Instant::now(), samples.at);
        let Some(opus) = &mut self.parts.opus else { return Ok(()) };
        samples.at = due.time;
        let packets = opus.encode(&samples)?;
        if !self.wait_until(due.at) {
            return Ok(());
        }
        for (time, packet) in packets {
            self.parts.shared.outlet.send_audio(&packet, self.first_audio.wrapping_add(low_bits(time)));
        }
        Ok(())
    }

    /// False when the end was asked for meanwhile.
    fn wait_until(&self, due: Instant) -> bool {
        while !self.parts.shutdown.is_requested() {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(NAP));
        }
        false
    }

    /// A file may change its size on the way. An encoder is of one size; the decoders follow its key frame.
    fn follow_size(&mut self, hr: &Picture, lr: &Picture) -> anyhow::Result<()> {
        let settings = &mut self.parts.settings;
        if (settings.width, settings.height) == (lr.width(), lr.height()) {
            return Ok(());
        }
        tracing::info!(width = lr.width(), height = lr.height(), "the source changes its size");
        (settings.width, settings.height) = (lr.width(), lr.height());
        settings.bitrate_kbps = self.video_kbps;
        self.encoder = Encoder::open(settings)?;
        let [hr_width, hr_height] = [hr.width(), hr.height()].map(|side| u32::try_from(side).unwrap_or(u32::MAX));
        self.parts.hello.send_modify(|hello| *hello = PublisherHello { hr_width, hr_height, ..*hello });
        Ok(())
    }

    fn follow_path(&mut self, shared: &Shared) {
        let wanted = shared.shares().video_kbps;
        if is_worth_setting(self.video_kbps, wanted) {
            self.video_kbps = wanted;
            self.encoder.set_bitrate_kbps(wanted);
            self.gate.set_rate(shared.now(), wanted);
        }
        shared.counters.video_kbps.store(self.video_kbps, Relaxed);
    }

    fn takes_keyframe_request(&mut self, shared: &Shared) -> bool {
        let pausing = self.last_keyframe.is_some_and(|last| last.elapsed() < KEYFRAME_PAUSE);
        if pausing || !shared.keyframe_wanted.swap(false, Relaxed) {
            return false;
        }
        self.last_keyframe = Some(Instant::now());
        true
    }
}

/// RTP timestamps wrap.
#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what is meant")]
fn low_bits(ticks: u64) -> u32 {
    ticks as u32
}
