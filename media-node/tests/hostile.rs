//! What a single peer can do to the bare stack (abort, panic, stall, memory), done to a media-node: it lives on, and
//! everyone else goes on watching.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bare_peer;
mod node;

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use bare_peer::{BarePeer, Change, attribute};
use node::{Audience, Node, Streaming, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use webrtc_client::Viewer;

/// No other viewer may notice an attack; the machine that runs the tests is allowed this much of its own.
const LONGEST_GAP: Duration = Duration::from_secs(3);

/// A node with a live source and a viewer who notices everything.
struct Stage {
    node: Node,
    _streaming: Streaming,
    _viewer: Viewer,
    audience: Audience,
}

impl Stage {
    async fn set() -> Self {
        let node = Node::start().await;
        let (publisher, events) = node.publish().await;
        let streaming = stream(publisher, events);
        let (viewer, events) = node.view("source").await;
        Self { node, _streaming: streaming, _viewer: viewer, audience: Audience::of(events).await }
    }

    /// Ends the test: the viewer got everything until now, and gets more.
    async fn viewer_noticed_nothing(self) {
        let gap = self.audience.misses_nothing(20).await;
        assert!(gap < LONGEST_GAP, "no picture for {gap:?}");
        self.node.end().await;
    }

    fn whep(&self) -> String {
        self.node.url("/whep")
    }
}

/// 55 handshake records, each with one byte of the same message, the last bytes first.
fn crumbs(round: u32, total: u32) -> Vec<u8> {
    let mut datagram = Vec::new();
    for crumb in 0..55 {
        let (sequence, offset) = (u64::from(round * 55 + crumb) + 1000, total - 1 - (round * 55 + crumb));
        datagram.extend([22, 254, 253, 0, 0]);
        datagram.extend(&sequence.to_be_bytes()[2..]);
        datagram.extend([0, 13, 1]);
        datagram.extend(&60_000u32.to_be_bytes()[1..]);
        datagram.extend([0, 0]);
        datagram.extend(&offset.to_be_bytes()[1..]);
        datagram.extend([0, 0, 1, 0]);
    }
    datagram
}

async fn send_crumbs(peer: &mut BarePeer) {
    for round in 0..700 {
        peer.send_raw(&crumbs(round, 700 * 55));
        if round % 50 == 0 {
            peer.run_for(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_in_forty_thousand_fragments_aborts_nothing() {
    let stage = Stage::set().await;
    let mut before = BarePeer::offer(&stage.whep(), false).await;
    before.only_ice = true;
    before.run_for(Duration::from_millis(500)).await;
    send_crumbs(&mut before).await;
    let mut after = BarePeer::connect(&stage.whep(), false).await;
    send_crumbs(&mut after).await;
    stage.node.until_above("datagrams_refused_total{reason=\"handshake\"}", 100.0).await;
    stage.viewer_noticed_nothing().await;
}

/// What it is, and what it makes of a DATA chunk.
type Attack = (&'static str, fn(&mut [u8]));

/// Rewrites the chunk that holds the marked message.
fn change_marked_chunk(change: impl Fn(&mut [u8]) + Send + 'static) -> Change {
    Box::new(move |packet| {
        if packet.len() > 40 && packet[12] == 0 && packet[28] == 0xAA {
            change(&mut packet[12..]);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_chunks_inside_dtls_neither_panic_nor_stall() {
    let stage = Stage::set().await;
    let attacks: [Attack; 4] = [
        ("channel control of type 0, too short", |chunk| {
            chunk[2..4].copy_from_slice(&[0, 18]);
            chunk[12..16].copy_from_slice(&50u32.to_be_bytes());
            chunk[16] = 0;
        }),
        ("ABORT with a cause longer than its chunk", |chunk| {
            chunk[..2].copy_from_slice(&[6, 0]);
            chunk[4..8].copy_from_slice(&[0, 12, 0xff, 0xff]);
        }),
        ("ERROR with a cause longer than its chunk", |chunk| {
            chunk[..2].copy_from_slice(&[9, 0]);
            chunk[4..8].copy_from_slice(&[0, 12, 0xff, 0xff]);
        }),
        ("FORWARD-TSN two thousand million ahead", |chunk| {
            let tsn = u32::from_be_bytes(chunk[4..8].try_into().unwrap());
            chunk[..4].copy_from_slice(&[192, 0, 0, 8]);
            chunk[4..8].copy_from_slice(&tsn.wrapping_add(0x7fff_ff00).to_be_bytes());
            chunk[8..].fill(0);
        }),
    ];
    for (attack, change) in attacks {
        // The internal endpoint takes publishers of its own, so the source goes on.
        let mut peer = BarePeer::connect(&stage.node.internal_url("/whip/enhanced"), true).await;
        *peer.sctp_change.lock().unwrap() = Some(change_marked_chunk(change));
        let refused = stage.node.metric("sctp_packets_refused_total").await;
        peer.send_marked();
        peer.run_for(Duration::from_millis(200)).await;
        eprintln!("to be refused: {attack}");
        stage.node.until_above("sctp_packets_refused_total", refused).await;
    }
    stage.viewer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_stun_changes_nothing_for_anyone() {
    let stage = Stage::set().await;
    let mut peer = BarePeer::connect(&stage.whep(), false).await;
    let username = format!("{}:{}", attribute(&peer.answer, "ice-ufrag"), attribute(&peer.offer, "ice-ufrag"));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    for round in 0..2000u32 {
        // Right user name, ICE-CONTROLLED in conflict with the server's role, no integrity.
        let mut body = vec![0, 6, 0, u8::try_from(username.len()).unwrap()];
        body.extend(username.as_bytes());
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend([0x80, 0x29, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut request = vec![0, 1, 0, u8::try_from(body.len()).unwrap(), 0x21, 0x12, 0xa4, 0x42];
        request.extend([&round.to_be_bytes()[..], &[7; 8], &body].concat());
        let from = if round % 2 == 0 { &stranger } else { &peer.socket };
        let _ = from.send_to(&request, peer.server);
        if round % 100 == 0 {
            peer.run_for(Duration::from_millis(5)).await;
        }
    }
    let before = peer.packets;
    peer.run_until("the attacked session goes on", |peer| peer.packets > before + 20).await;
    assert!(stranger.recv_from(&mut [0; 100]).is_err(), "nobody unknown is answered");
    assert!(stage.node.metric("datagrams_refused_total{reason=\"unauthentic\"}").await > 500.0);
    stage.viewer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_learn_their_address_and_a_flood_of_them_gets_little() {
    let stage = Stage::set().await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = |transaction: u32| {
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend([&transaction.to_be_bytes()[..], &[7; 8]].concat());
        request
    };
    let mut buffer = [0; 2048];
    stranger.send_to(&request(1), stage.node.ports.media_listen).unwrap();
    let (length, _) = stranger.recv_from(&mut buffer).unwrap();
    assert_eq!((length, &buffer[..2], &buffer[4..20]), (32, &[1, 1][..], &request(1)[4..]));
    let port = u16::from_be_bytes([buffer[26] ^ 0x21, buffer[27] ^ 0x12]);
    assert_eq!(port, stranger.local_addr().unwrap().port());

    let started = Instant::now();
    for transaction in 0..20_000 {
        let _ = stranger.send_to(&request(transaction), stage.node.ports.media_listen);
        if transaction % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stage.node.until_above("datagrams_refused_total{reason=\"too_many\"}", 1000.0).await;
    let most = 101 + 100 * (1 + started.elapsed().as_secs());
    let answered = stage.node.metric("strangers_answered_total").await;
    assert!(answered > 1.0 && answered <= most as f64, "{answered} of at most {most}");
    stage.viewer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unauthentic_media_of_a_hundred_thousand_sources_leaves_no_trace() {
    let stage = Stage::set().await;
    let mut peer = BarePeer::connect(&stage.whep(), false).await;
    for ssrc in 0..100_000u32 {
        let kind = if ssrc % 2 == 0 { 201 } else { 102 };
        peer.send_raw(&[&[0x80, kind, 0, 9, 0, 0, 0, 1][..], &ssrc.to_be_bytes(), &[0; 30]].concat());
        if ssrc % 200 == 0 {
            peer.run_for(Duration::from_millis(1)).await;
        }
    }
    let before = peer.packets;
    peer.run_until("the session itself goes on", |peer| peer.packets > before + 20).await;
    stage.node.until_above("datagrams_refused_total{reason=\"source\"}", 1000.0).await;
    stage.viewer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_of_every_kind_is_survived() {
    let stage = Stage::set().await;
    let mut peer = BarePeer::connect(&stage.whep(), false).await;
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..20_000 {
        let first = [0, 1, 20, 22, 23, 63, 64, 128, 129, 143, 191, 255][round % 12];
        let length = random.random_range(0..300);
        let mut datagram: Vec<u8> = (0..length).map(|_| random.random()).collect();
        datagram.splice(..0, [first]);
        if first < 2 && datagram.len() > 20 {
            let length = u16::try_from(datagram.len() - 20).unwrap().to_be_bytes();
            datagram[2..4].copy_from_slice(&length);
            datagram[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        }
        peer.send_raw(&datagram);
        if round % 100 == 0 {
            peer.run_for(Duration::from_millis(2)).await;
        }
    }
    let before = peer.packets;
    peer.run_until("the session itself goes on", |peer| peer.packets > before + 20).await;
    stage.viewer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_whose_address_changes_goes_on_watching() {
    let stage = Stage::set().await;
    let mut peer = BarePeer::connect(&stage.whep(), false).await;
    peer.run_until("it watches", |peer| peer.packets > 20).await;
    peer.rebind();
    let before = peer.packets;
    peer.run_until("it watches from its new address", |peer| peer.packets > before + 60).await;
    stage.viewer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_offers_get_an_answer_and_never_an_error_of_the_server() {
    let stage = Stage::set().await;
    let seed = BarePeer::offer(&stage.whep(), false).await.offer.into_bytes();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..300 {
        let mut offer = seed.clone();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..offer.len());
            match random.random_range(0..4) {
                0 => offer[at] = random.random_range(0x20..0x7f),
                1 => drop(offer.remove(at)),
                2 => offer.truncate(at.max(1)),
                _ => {
                    let piece = offer[at..(at + 40).min(offer.len())].to_vec();
                    offer.splice(at..at, piece);
                }
            }
        }
        let request = client.post(stage.whep()).header("content-type", "application/sdp").body(offer);
        let status = request.send().await.unwrap().status().as_u16();
        assert!([201, 400, 406].contains(&status), "{status}");
    }
    stage.viewer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_that_breaks_depacketizers_is_relayed_as_it_is() {
    let stage = Stage::set().await;
    // An aggregate with one trailing byte, a fragment without a type, an empty unit: each panics some depacketizer.
    let (publisher, _events) =
        stage.node.try_publish(&stage.node.internal_url("/whip/enhanced"), Some("other")).await.unwrap();
    for (index, unit) in
        [&[0x78u8, 0, 0, 0x67][..], &[0x7c], &[0x7c, 0x85], &[0x78, 0xff, 0xff, 1], &[0x78]].iter().enumerate()
    {
        let annex_b = [&[0, 0, 0, 1][..], unit].concat();
        publisher.send_video(&annex_b, u32::try_from(index).unwrap() * 3000);
    }
    stage.node.until_above("packets_received_total", 50.0).await;
    stage.viewer_noticed_nothing().await;
}
