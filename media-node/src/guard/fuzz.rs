//! Entry point for a fuzz target: any datagram, at each place of the guard that reads one.

use std::time::Instant;

use super::{IceCredentials, dtls::Handshake, requested_peer, sctp::Acknowledged, stun::Credentials};

/// Takes the bytes as STUN, as DTLS records, and as an SCTP packet sent and received; panics where the guard would, or
/// where it takes STUN for authentic that nobody signed.
pub fn datagram(bytes: &[u8]) {
    let _ = requested_peer(bytes);
    let ice = IceCredentials { local_ufrag: "a", local_password: "b", remote_ufrag: "c", remote_password: "d" };
    assert!(Credentials::new(ice).verify(bytes).is_err(), "nobody signed this");

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
