//! What the room costs for each packet it forwards, against a loop that only copies packets to viewers.

#![allow(clippy::expect_used, reason = "a benchmark may panic")]

use std::{
    collections::VecDeque,
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use media_node::room::{Input, MediaPacket, Origin, Output, PeerId, Rendition, Room, TrackKind};

const VIEWERS: u64 = 60;
/// A frame of 2.5 Mbit/s at 30 frames a second.
const PACKETS_A_FRAME: u16 = 9;
const FRAME: Duration = Duration::from_nanos(33_333_333);
const FRAMES: u16 = 3_000;
const ROUNDS: usize = 7;
const SOURCE: PeerId = PeerId(0);

fn main() {
    let packets: Vec<MediaPacket> = (0..FRAMES * PACKETS_A_FRAME).map(packet).collect();
    let room = median(|| forward_by_room(&packets));
    let copies = median(|| copy_to_viewers(&packets));
    println!("room: {room:.0} ns for each forwarded packet; copies only: {copies:.0} ns");

    let figure = serde_json::json!({
        "name": "room: one forwarded packet, 60 viewers",
        "value": room.round(),
        "unit": "ns",
        "goal": "<= 200",
        "machine": format!("1 thread of {} CPUs", std::thread::available_parallelism().map_or(0, Into::into)),
        "compared_with": format!("a loop that only copies the packet to each viewer: {copies:.0} ns"),
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    fs::write(folder.join("room.json"), format!("{figure:#}\n")).expect("the target folder can be written");
}

fn packet(number: u16) -> MediaPacket {
    let (frame, index) = (number / PACKETS_A_FRAME, number % PACKETS_A_FRAME);
    let mut payload = vec![0x5a; 1_150];
    let header: &[u8] = match (frame, index) {
        (0, 0) => &[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2],
        (_, 0) => &[0x7c, 0x81, 0x9a],
        (_, index) if index + 1 == PACKETS_A_FRAME => &[0x7c, 0x41],
        _ => &[0x7c, 0x01],
    };
    payload[..header.len()].copy_from_slice(header);
    MediaPacket {
        sequence: number,
        timestamp: u32::from(frame) * 3_000,
        marker: index + 1 == PACKETS_A_FRAME,
        payload: payload.into(),
    }
}

fn forward_by_room(packets: &[MediaPacket]) -> u64 {
    let mut room = Room::new();
    room.handle_input(
        Duration::ZERO,
        Input::PublisherJoined { peer: SOURCE, origin: Origin::Source, session: String::new() },
    );
    for viewer in 1..=VIEWERS {
        let peer = PeerId(viewer);
        let joined = Input::ViewerJoined { peer, rendition: Rendition::Source, audio: true, internal: false };
        room.handle_input(Duration::ZERO, joined);
    }
    let mut forwarded = 0;
    for packet in packets {
        let now = FRAME * (packet.timestamp / 3_000);
        let packet = packet.clone();
        room.handle_input(now, Input::PublisherPacket { peer: SOURCE, kind: TrackKind::Video, packet });
        while let Some(output) = room.poll_output() {
            forwarded += u64::from(matches!(black_box(output), Output::Forward { .. }));
        }
    }
    forwarded
}

/// What no relay can do without: a packet of its own for each viewer, in a queue.
fn copy_to_viewers(packets: &[MediaPacket]) -> u64 {
    let mut queue: VecDeque<(u64, MediaPacket)> = VecDeque::new();
    let mut forwarded = 0;
    for packet in packets {
        for viewer in 1..=VIEWERS {
            let payload: Bytes = packet.payload.clone();
            queue.push_back((viewer, MediaPacket { payload, ..*packet }));
        }
        while let Some(output) = queue.pop_front() {
            black_box(output);
            forwarded += 1;
        }
    }
    forwarded
}

/// Nanoseconds for each forwarded packet.
fn median(forward: impl Fn() -> u64) -> f64 {
    let mut costs: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let forwarded = forward();
            assert_eq!(forwarded, VIEWERS * u64::from(FRAMES * PACKETS_A_FRAME), "every packet to every viewer");
            start.elapsed().as_secs_f64() * 1e9 / forwarded as f64
        })
        .collect();
    costs.sort_by(f64::total_cmp);
    costs[ROUNDS / 2]
}
