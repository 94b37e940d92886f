use telemetry::prometheus_client::metrics::counter::Counter;

use super::*;

const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 103\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:them\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
    a=fingerprint:sha-256 AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB\r\n\
    a=setup:actpass\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:103 H264/90000\r\n\
    a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn viewer(now: Instant) -> Negotiated {
    negotiate(now, Side::Viewer, OFFER, vec![address(8189)], &Counter::default()).unwrap()
}

/// A binding request as the client of this answer makes it.
fn binding_request(negotiated: &Negotiated) -> Vec<u8> {
    let password = negotiated.answer.lines().find_map(|line| line.strip_prefix("a=ice-pwd:")).unwrap();
    let mut username = format!("{}:them", negotiated.ufrag).into_bytes();
    let length = u8::try_from(username.len()).unwrap();
    username.resize(username.len().next_multiple_of(4), 0);
    let body = [&[0, 6, 0, length][..], &username, &[0x80, 0x2a, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
    let length = u8::try_from(body.len() + 24).unwrap();
    let covered = [&[0, 1, 0, length, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12], &body].concat();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    [&covered, &[0, 8, 0, 20][..], ring::hmac::sign(&key, &covered).as_ref()].concat()
}

#[derive(Default)]
struct Sent(Vec<(SocketAddr, Vec<u8>)>);

impl DatagramSink for Sent {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.0.push((to, datagram.to_vec()));
    }
}

struct Panics;

impl DatagramSink for Panics {
    fn send(&mut self, _to: SocketAddr, _datagram: &[u8]) {
        panic!("as the stack might");
    }
}

#[test]
fn a_binding_request_without_priority_is_answered() {
    let now = Instant::now();
    let mut negotiated = viewer(now);
    let request = binding_request(&negotiated);
    negotiated.peer.handle_datagram(now, address(5000), &request).unwrap();
    let mut sent = Sent::default();
    negotiated.peer.poll(now, &mut sent, &mut Vec::new());
    let answers = sent.0.iter().filter(|(to, datagram)| *to == address(5000) && datagram[..2] == [1, 1]);
    assert_eq!(answers.count(), 1);
}

#[test]
fn a_panic_of_the_stack_ends_the_peer_and_nothing_else() {
    let now = Instant::now();
    let mut negotiated = viewer(now);
    let request = binding_request(&negotiated);
    negotiated.peer.handle_datagram(now, address(5000), &request).unwrap();
    let mut events = Vec::new();
    negotiated.peer.poll(now, &mut Panics, &mut events);
    assert!(matches!(events[..], [PeerEvent::Gone("the stack panicked")]), "{events:?}");
}

#[test]
fn a_peer_that_never_connects_is_given_up() {
    let now = Instant::now();
    let mut peer = viewer(now).peer;
    let mut events = Vec::new();
    peer.handle_timeout(now + CONNECT_TIMEOUT);
    peer.poll(now + CONNECT_TIMEOUT, &mut Sent::default(), &mut events);
    assert!(events.is_empty(), "{events:?}");
    let late = now + CONNECT_TIMEOUT + Duration::from_millis(1);
    peer.handle_timeout(late);
    peer.poll(late, &mut Sent::default(), &mut events);
    assert!(matches!(events[..], [PeerEvent::Gone(_)]), "{events:?}");
}
