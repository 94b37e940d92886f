//! Entry point for a fuzz target: any datagram, at each place of the guard that reads one.

use std::{net::SocketAddr, time::Instant};

use super::{AnonymousRequest, IceCredentials, dtls::Handshake, requested_peer, sctp::Acknowledged, stun::Credentials};

/// Takes the bytes as STUN, as DTLS records, and as an SCTP packet sent and received; panics where the guard would, or
/// where it takes STUN for authentic that nobody signed, or answers a stranger at length.
pub fn datagram(bytes: &[u8]) {
    let _ = requested_peer(bytes);
    let ice = IceCredentials { local_ufrag: "a", local_password: "b", remote_ufrag: "c", remote_password: "d" };
    assert!(Credentials::new(ice).verify(bytes).is_err(), "nobody signed this");

    if let Some(request) = AnonymousRequest::parse(bytes) {
        assert_eq!(requested_peer(bytes), None, "it has no name");
        let from: [SocketAddr; 2] = [([192, 0, 2, 1], 9).into(), ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9).into()];
        assert_eq!(from.map(|from| request.response(from).len()), [32, 44]);
    }

    let now = Instant::now();
    let mut handshake = Handshake::default();
    let _ = handshake.check(now, bytes);
    handshake.complete(now);
    let _ = handshake.check(now, bytes);

    let acknowledged = Acknowledged::default();
    let _ = acknowledged.check_received(bytes);
    acknowledged.observe_sent(bytes);
    let _ = acknowledged.check_received(bytes);
}
