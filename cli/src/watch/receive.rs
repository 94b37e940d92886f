//! From packets to pictures: assembles, decodes, counts, records.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use media::Decoder;
use rtp::{Assembled, Assembler, AssemblerOutput};
use tokio_util::sync::CancellationToken;
use webrtc_client::{ReceivedPacket, Watching, WatchingEvent};

use super::{playback::Playback, record::Recorder};
use crate::rtpdump::RtpDumpWriter;

/// Later packets that are waited for a missing one: about 50 ms of video at a few Mbit/s, enough for a repair.
const REORDER_PACKETS: usize = 64;

/// What was shown so far, for whoever reports it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) playback: Playback,
    /// Of the newest picture
    pub(crate) size: (usize, usize),
    pub(crate) sessions: u64,
    /// Sessions that took over from another one without a gap
    pub(crate) moves: u64,
    pub(crate) video_bytes: u64,
    pub(crate) audio_packets: u64,
    pub(crate) packets_lost: u64,
    pub(crate) packets_dropped: u64,
    pub(crate) undecodable: u64,
}

impl Shown {
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Counts) -> T) -> T {
        f(&mut self.0.lock().expect("nothing panics with the counts locked"))
    }

    pub(crate) fn frames(&self) -> u64 {
        self.with(|counts| counts.playback.frames)
    }
}

pub(crate) struct Receiver {
    shown: Shown,
    pictures: Pictures,
    assembler: Assembler,
}

/// What becomes of whole frames.
pub(crate) enum Pictures {
    Decoded {
        decoder: Decoder,
        recorder: Option<Recorder>,
    },
    /// They are only counted, as if they had been decoded; packets are kept as they came.
    Kept {
        packets: RtpDumpWriter,
        needs_keyframe: bool,
    },
}

impl Receiver {
    pub(crate) fn new(shown: Shown, pictures: Pictures) -> Self {
        Self { shown, pictures, assembler: Assembler::new(REORDER_PACKETS) }
    }

    /// Takes the packets of all sessions, until `end`.
    pub(crate) async fn follow(&mut self, watching: &mut Watching, end: &CancellationToken) -> anyhow::Result<()> {
        loop {
            let event = tokio::select! {
                event = watching.next() => event?,
                () = end.cancelled() => return Ok(()),
            };
            match event {
                WatchingEvent::Began { moved } => self.begin(moved),
                WatchingEvent::Video(packet) => {
                    // Decoding takes about a millisecond a frame: too little to be worth another thread.
                    let needs_keyframe = tokio::task::block_in_place(|| self.handle_video(&packet))?;
                    if needs_keyframe {
                        watching.request_keyframe();
                    }
                }
                WatchingEvent::Audio(packet) => self.handle_audio(&packet)?,
                WatchingEvent::Moves { url } => tracing::info!(url, "the stream moves"),
                WatchingEvent::Ended { reason } => tracing::warn!(reason, "the session is over"),
            }
            self.shown.with(|counts| counts.packets_dropped = watching.dropped_packets());
        }
    }

    fn begin(&mut self, moved: bool) {
        self.shown.with(|counts| {
            counts.sessions += 1;
            counts.moves += u64::from(moved);
        });
        self.assembler = Assembler::new(REORDER_PACKETS);
        self.pictures.lost();
    }

    /// Completes the recording.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        match self.pictures {
            Pictures::Decoded { recorder, .. } => recorder.map_or(Ok(()), Recorder::finish),
            Pictures::Kept { packets, .. } => packets.finish(),
        }
    }

    /// True when only a key frame helps.
    fn handle_video(&mut self, packet: &ReceivedPacket) -> anyhow::Result<bool> {
        if let Pictures::Kept { packets, .. } = &mut self.pictures {
            packets.write(packet)?;
        }
        self.shown.with(|counts| counts.video_bytes += packet.payload.len() as u64);
        self.assembler.push(packet.sequence, packet.timestamp, packet.marker, &packet.payload);
        let mut needs_keyframe = false;
        while let Some(output) = self.assembler.poll() {
            match output {
                AssemblerOutput::Frame(frame) => needs_keyframe |= !self.show(&frame, packet.arrived)?,
                AssemblerOutput::Lost { packets } => {
                    self.shown.with(|counts| counts.packets_lost += packets);
                    self.pictures.lost();
                    needs_keyframe = true;
                }
            }
        }
        Ok(needs_keyframe)
    }

    /// False when the frame cannot be decoded.
    fn show(&mut self, frame: &Assembled, arrived: Instant) -> anyhow::Result<bool> {
        let (decoder, recorder) = match &mut self.pictures {
            Pictures::Decoded { decoder, recorder } => (decoder, recorder),
            Pictures::Kept { needs_keyframe, .. } => {
                *needs_keyframe &= !frame.keyframe;
                let decodable = !*needs_keyframe;
                self.shown.with(|counts| match decodable {
                    true => counts.playback.show(Instant::now(), low_bits(frame.timestamp)),
                    false => counts.undecodable += 1,
                });
                return Ok(decodable);
            }
        };
        let decoded = match decoder.decode(&frame.data, frame.timestamp) {
            Ok(decoded) => decoded,
            Err(error) => {
                tracing::debug!(%error, "a frame is not shown");
                self.shown.with(|counts| counts.undecodable += 1);
                return Ok(false);
            }
        };
        for picture in decoded {
            let size = (picture.picture.width(), picture.picture.height());
            self.shown.with(|counts| {
                counts.size = size;
                counts.playback.show(Instant::now(), low_bits(picture.timestamp));
            });
            if let Some(recorder) = recorder {
                recorder.write_video(frame, size, arrived)?;
            }
        }
        Ok(true)
    }

    fn handle_audio(&mut self, packet: &ReceivedPacket) -> anyhow::Result<()> {
        self.shown.with(|counts| counts.audio_packets += 1);
        match &mut self.pictures {
            Pictures::Decoded { recorder: Some(recorder), .. } => recorder.write_audio(packet),
            _ => Ok(()),
        }
    }
}

impl Pictures {
    /// Frames are missing: what comes next is of no use until a key frame.
    fn lost(&mut self) {
        match self {
            Self::Decoded { decoder, .. } => decoder.lost(),
            Self::Kept { needs_keyframe, .. } => *needs_keyframe = true,
        }
    }
}

/// The RTP timestamp that was unwrapped.
#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what is meant")]
fn low_bits(timestamp: u64) -> u32 {
    timestamp as u32
}
