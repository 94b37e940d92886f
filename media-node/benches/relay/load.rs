//! A publisher of 2.5 Mbit/s and its viewers, all on this thread.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{bare_peer::BarePeer, server::Server};

const FRAME: Duration = Duration::from_nanos(33_333_333);
/// While the other server is measured, so that sessions stay alive.
const RESTING_FRAME: Duration = Duration::from_millis(500);
const PACKETS_A_FRAME: u16 = 9;
const PAYLOAD_BYTES: usize = 1150;
const KEYFRAME_INTERVAL: u32 = 60;
const TURN: Duration = Duration::from_millis(2);

pub(crate) struct Load {
    publisher: BarePeer,
    viewers: Vec<BarePeer>,
    frame: u32,
    sequence: u16,
    next_frame: Instant,
    resting: bool,
}

impl Load {
    pub(crate) async fn begin(server: &Server, viewers: u32) -> Self {
        let publisher = BarePeer::connect(&format!("{}/whip", server.url), true).await;
        let mut load =
            Self { publisher, viewers: Vec::new(), frame: 0, sequence: 0, next_frame: Instant::now(), resting: false };
        // Viewers are let in once there is something to see.
        load.run(Duration::from_millis(500)).await;
        for _ in 0..viewers {
            let viewer = BarePeer::offer(&format!("{}/whep?rendition=source", server.url), false).await;
            load.viewers.push(viewer);
            load.run(Duration::from_millis(20)).await;
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while !load.viewers.iter().all(|viewer| viewer.packets > 0) {
            assert!(Instant::now() < deadline, "not every viewer is watching");
            load.run(Duration::from_millis(100)).await;
        }
        load
    }

    async fn run(&mut self, time: Duration) {
        let end = Instant::now() + time;
        self.next_frame = Instant::now();
        while Instant::now() < end {
            self.turn();
            tokio::time::sleep(TURN).await;
        }
    }

    /// Streams for this long while the other one rests; how many packets reached viewers.
    pub(crate) async fn run_alone(&mut self, other: &mut Self, time: Duration) -> f64 {
        let before = self.received();
        let end = Instant::now() + time;
        self.next_frame = Instant::now();
        self.resting = false;
        other.resting = true;
        while Instant::now() < end {
            self.turn();
            other.turn();
            tokio::time::sleep(TURN).await;
        }
        self.received() - before
    }

    fn turn(&mut self) {
        if Instant::now() >= self.next_frame {
            self.send_frame();
        }
        self.publisher.turn();
        for viewer in &mut self.viewers {
            viewer.turn();
            viewer.video_sequences.clear();
        }
    }

    fn received(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "millions")]
        self.viewers.iter().map(|viewer| viewer.packets as f64).sum()
    }

    fn send_frame(&mut self) {
        let keyframe = self.frame.is_multiple_of(KEYFRAME_INTERVAL);
        for index in 0..PACKETS_A_FRAME {
            let last = index + 1 == PACKETS_A_FRAME;
            let mut payload = vec![0x5a; PAYLOAD_BYTES];
            let header: &[u8] = match (keyframe, index) {
                (true, 0) => &[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2, 0, 2, 0x65, 0x88],
                (_, 0) => &[0x7c, 0x81, 0x9a],
                _ if last => &[0x7c, 0x41],
                _ => &[0x7c, 0x01],
            };
            payload[..header.len()].copy_from_slice(header);
            self.publisher.send_video(self.sequence, self.frame.wrapping_mul(3000), last, Bytes::from(payload));
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.frame += 1;
        self.next_frame += if self.resting { RESTING_FRAME } else { FRAME };
    }
}
