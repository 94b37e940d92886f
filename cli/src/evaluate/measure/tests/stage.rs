//! A run without a system: what publisher, enhancer and viewers would have done, and what they saw of it.

use std::{
    fmt::Write,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use media::{Decoder, Encoder, EncoderSettings, Picture};
use settings::{NetworkSettings, StartFrom};
use sr_net::{Plane, bicubic};
use tempfile::TempDir;
use webrtc_client::ReceivedPacket;

use super::super::{
    super::recording::{
        Coder, Conditions, ENHANCED, FRAMES, Machine, Recording, SOURCE, Training, UplinkBytes, VIDEO_CLOCK_RATE,
    },
    clip::Clip,
};
use crate::rtpdump::RtpDumpWriter;

/// What is played.
pub(crate) struct Play {
    /// As FFmpeg's filters describe it
    pub(crate) clip: &'static str,
    pub(crate) clip_frames: u64,
    pub(crate) frames_a_second: u64,
    pub(crate) seconds: u32,
    pub(crate) scale: usize,
    /// The publisher leaves out each frame whose number is one less than a multiple of it.
    pub(crate) drop_every: Option<u64>,
    /// Of the packets of each viewer, in thousandths
    pub(crate) loss_per_mille: u32,
    /// What the enhancer makes of the luma that is bicubic
    pub(crate) enhance: fn(Plane) -> Plane,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            clip: "testsrc2=size=320x192:rate=15:duration=2",
            clip_frames: 30,
            frames_a_second: 15,
            seconds: 3,
            scale: 2,
            drop_every: None,
            loss_per_mille: 0,
            enhance: |bicubic| bicubic,
        }
    }
}

/// A frame that was due, as those who took part saw it.
pub(crate) struct Truth {
    pub(crate) second: usize,
    pub(crate) sent: bool,
    pub(crate) hr: Plane,
    /// What viewers decoded
    pub(crate) source: Option<Plane>,
    pub(crate) enhanced: Option<Plane>,
}

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) recording: Recording,
    pub(crate) truth: Vec<Truth>,
}

/// RTP, extensions and SRTP around each packet.
pub(crate) const OVERHEAD: usize = 32;
pub(crate) const SOURCE_DELAY: Duration = Duration::from_millis(20);
pub(crate) const ENHANCED_DELAY: Duration = Duration::from_millis(55);
const FIRST_TIMESTAMP: u32 = u32::MAX - 100_000;
const VIDEO_KBPS: u32 = 120;
const PATCH_BYTES_A_SECOND: u64 = 2_000;
/// Frames until a viewer that lost something gets a key frame.
const KEYFRAME_AFTER: u64 = 4;

/// A rendition on its way to its viewer.
struct Way {
    dump: RtpDumpWriter,
    began: Instant,
    delay: Duration,
    sequence: u16,
    loss_per_mille: u32,
    seed: u32,
    viewer: Decoder,
    /// The frame that is to be a key frame
    keyframe_at: Option<u64>,
}

impl Play {
    pub(crate) fn run(&self) -> Stage {
        media::init();
        let folder = tempfile::tempdir().unwrap();
        let conditions = self.conditions();
        let (mut clip, began) = (Clip::open(&conditions).unwrap(), Instant::now());
        let (width, height) = clip.size();
        let began_unix_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        let open = |shrink: usize, frame_rate, bitrate_kbps| {
            let (width, height) = (width / shrink, height / shrink);
            Encoder::open(&settings(width, height, frame_rate, bitrate_kbps)).unwrap()
        };
        let mut publisher = open(self.scale, (self.frames_a_second as u32, 1), VIDEO_KBPS);
        let mut enhancer = open(1, (30, 1), conditions.enhancer_kbps);
        enhancer.set_bitrate_kbps(conditions.enhancer_kbps * 30 / self.frames_a_second as u32);
        let mut enhancer_sees = Decoder::h264(1).unwrap();
        let way = |name, delay, seed| Way {
            dump: RtpDumpWriter::create(&folder.path().join(name)).unwrap(),
            began,
            delay,
            sequence: 65_000,
            loss_per_mille: self.loss_per_mille,
            seed,
            viewer: Decoder::h264(1).unwrap(),
            keyframe_at: None,
        };
        let mut to_source = way(SOURCE, SOURCE_DELAY, 1);
        let mut to_enhanced = way(ENHANCED, ENHANCED_DELAY, 2);

        let mut frames = "rtp_timestamp,clip_frame_index,sent_unix_us\n".to_owned();
        let mut uplink = vec![
            UplinkBytes { patches: PATCH_BYTES_A_SECOND, other: 300, ..UplinkBytes::default() };
            self.seconds as usize
        ];
        let mut truth = Vec::new();
        // A second more, so that what hangs behind a lost packet is known to be lost.
        for number in 0..u64::from(self.seconds + 1) * self.frames_a_second {
            let ticks = number * VIDEO_CLOCK_RATE / self.frames_a_second;
            let (index, second) = (number % self.clip_frames, (ticks / VIDEO_CLOCK_RATE) as usize);
            let picture = clip.frame(index).unwrap();
            let sent = self.drop_every.is_none_or(|every| number % every != every - 1);
            let (mut source, mut enhanced) = (None, None);
            if sent {
                let timestamp = FIRST_TIMESTAMP.wrapping_add(ticks as u32);
                let sent_unix_us = began_unix_us + ticks * 1_000_000 / VIDEO_CLOCK_RATE;
                writeln!(frames, "{timestamp},{index},{sent_unix_us}").unwrap();
                let keyframe = to_source.wants_keyframe(number);
                let unit = publisher.encode(&picture.area_downscale(self.scale), ticks, keyframe).unwrap().unwrap();
                let bytes;
                (bytes, source) = to_source.send(number, ticks, timestamp, &unit.data);
                if let Some(second) = uplink.get_mut(second) {
                    second.video += bytes;
                }
                let lr = enhancer_sees.decode(&unit.data, ticks).unwrap().remove(0).picture;
                let [y, u, v] = [lr.y, lr.u, lr.v].map(|plane| bicubic(&plane, self.scale));
                let picture = Picture { y: (self.enhance)(y), u, v };
                let keyframe = to_enhanced.wants_keyframe(number);
                let unit = enhancer.encode(&picture, ticks, keyframe).unwrap().unwrap();
                (_, enhanced) = to_enhanced.send(number, ticks, timestamp, &unit.data);
            }
            if second < self.seconds as usize {
                truth.push(Truth { second, sent, hr: picture.y, source, enhanced });
            }
        }
        // What is due ends with the last frame sent.
        truth.truncate(truth.iter().rposition(|frame| frame.sent).unwrap() + 1);
        to_source.dump.finish().unwrap();
        to_enhanced.dump.finish().unwrap();
        std::fs::write(folder.path().join(FRAMES), frames).unwrap();
        let recording = recording(conditions, began_unix_us, uplink);
        Stage { folder, recording, truth }
    }

    fn conditions(&self) -> Conditions {
        let coder = Coder {
            encoder: "libx264".to_owned(),
            preset: "superfast".to_owned(),
            threads: 1,
            frame_rate: None,
            keyframe_interval: None,
        };
        Conditions {
            clip: self.clip.to_owned(),
            format: Some("lavfi".to_owned()),
            clip_start: 0.0,
            fps: None,
            seconds: self.seconds,
            warmup_seconds: 0,
            scale: self.scale as u8,
            video_kbps: VIDEO_KBPS,
            patch_kbps: 16,
            audio_kbps: 0,
            publisher_encoder: coder.clone(),
            enhancer_encoder: Coder { frame_rate: Some((30, 1)), ..coder },
            enhancer_kbps: 1500,
            network: NetworkSettings::default(),
            start: StartFrom::None,
            trainer: false,
            drop_every: self.drop_every.unwrap_or(0) as u32,
            viewer_loss_percent: f64::from(self.loss_per_mille) / 10.0,
        }
    }
}

impl Way {
    /// Its bytes on the wire, and what the viewer decodes of it: nothing from a loss to the next whole key frame.
    fn send(&mut self, number: u64, ticks: u64, timestamp: u32, unit: &[u8]) -> (u64, Option<Plane>) {
        let arrived = self.began + Duration::from_micros(ticks * 1_000_000 / VIDEO_CLOCK_RATE) + self.delay;
        let payloads = rtp::h264::packetize(unit, 1140);
        let (count, mut bytes, mut whole) = (payloads.len(), 0, true);
        for (index, payload) in payloads.into_iter().enumerate() {
            bytes += (payload.len() + OVERHEAD) as u64;
            self.sequence = self.sequence.wrapping_add(1);
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // The first frame comes whole, so that there is a beginning.
            if number > 0 && (self.seed >> 16) % 1000 < self.loss_per_mille {
                whole = false;
                continue;
            }
            let (sequence, marker) = (self.sequence, index + 1 == count);
            let packet = ReceivedPacket { arrived, payload_type: 102, ssrc: 7, sequence, timestamp, marker, payload };
            self.dump.write(&packet).unwrap();
        }
        if !whole {
            self.viewer.lost();
            self.keyframe_at = Some(number + KEYFRAME_AFTER);
            return (bytes, None);
        }
        (bytes, self.viewer.decode(unit, ticks).ok().map(|mut frames| frames.remove(0).picture.y))
    }

    /// Whether the viewer asked for a key frame that is due by now.
    fn wants_keyframe(&mut self, number: u64) -> bool {
        self.keyframe_at.take_if(|at| *at <= number).is_some()
    }
}

fn settings(width: usize, height: usize, frame_rate: (u32, u32), bitrate_kbps: u32) -> EncoderSettings {
    EncoderSettings {
        encoder: "libx264".to_owned(),
        width,
        height,
        frame_rate,
        bitrate_kbps,
        preset: "superfast".to_owned(),
        threads: 1,
        keyframe_interval: None,
    }
}

fn recording(conditions: Conditions, began_unix_us: u64, uplink: Vec<UplinkBytes>) -> Recording {
    Recording {
        conditions,
        began_unix_us,
        uplink,
        publisher: Default::default(),
        checkpoints: Vec::new(),
        judged: Vec::new(),
        training: Training::default(),
        enhancer: Default::default(),
        viewers: Default::default(),
        processes: Vec::new(),
        machine: Machine { cpu: String::new(), cores: 1, memory_bytes: 0, kernel: String::new() },
        incomplete: Vec::new(),
    }
}
