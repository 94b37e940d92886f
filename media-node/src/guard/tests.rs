use std::time::{Duration, Instant};

use super::*;

const ICE: IceCredentials<'static> = IceCredentials {
    local_ufrag: "ours",
    local_password: "our password of some length",
    remote_ufrag: "theirs",
    remote_password: "their password of some length",
};
const USE_CANDIDATE: u16 = 0x25;

fn peer(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn viewer() -> Guard {
    Guard::new(ICE, false, vec![])
}

/// A publisher whose address is known and whose handshake is done.
fn connected_publisher(now: Instant) -> Guard {
    let mut guard = Guard::new(ICE, true, vec![70_000]);
    guard.check(now, peer(1), &request("ours:theirs", ICE.local_password, &[])).unwrap();
    guard.handle_handshake_complete(now);
    guard
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    let mut attribute = [&kind.to_be_bytes()[..], &length.to_be_bytes(), value].concat();
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

fn message(kind: u16, password: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let body = attributes.concat();
    let length = u16::try_from(body.len() + 24).unwrap();
    let header = [&kind.to_be_bytes()[..], &length.to_be_bytes(), &[0x21, 0x12, 0xa4, 0x42], &[7; 12]].concat();
    let covered = [header, body].concat();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let integrity = attribute(8, ring::hmac::sign(&key, &covered).as_ref());
    [covered, integrity].concat()
}

fn request(username: &str, password: &str, more: &[Vec<u8>]) -> Vec<u8> {
    message(1, password, &[&[attribute(6, username.as_bytes())], more].concat())
}

#[test]
fn only_requests_signed_for_this_session_are_taken() {
    let now = Instant::now();
    let right = request("ours:theirs", ICE.local_password, &[]);
    let nominating = request("ours:theirs", ICE.local_password, &[attribute(USE_CANDIDATE, &[])]);
    let mut forged = right.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut longer = right.clone();
    longer.extend([0; 4]);
    // A role conflict without user name and integrity: one such packet would turn the agent's role around.
    let mut unsigned = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    unsigned.extend([9; 12]);
    unsigned.extend([0x80, 0x29, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    for (datagram, expected) in [
        (right.clone(), Ok(Datagram::BindingRequest { nominates: false })),
        (nominating, Ok(Datagram::BindingRequest { nominates: true })),
        (request("ours:others", ICE.local_password, &[]), Err(Refusal::Unauthentic)),
        (request("ours:theirs", "another password", &[]), Err(Refusal::Unauthentic)),
        (message(1, ICE.local_password, &[]), Err(Refusal::Unauthentic)),
        (message(0x11, ICE.local_password, &[]), Err(Refusal::Unauthentic)),
        (forged, Err(Refusal::Unauthentic)),
        (unsigned, Err(Refusal::Unauthentic)),
        (longer, Err(Refusal::Malformed)),
        (right[..right.len() - 3].to_vec(), Err(Refusal::Malformed)),
        (vec![0, 1], Err(Refusal::Malformed)),
        (vec![], Err(Refusal::Malformed)),
        (vec![70; 40], Err(Refusal::Malformed)),
    ] {
        assert_eq!(viewer().check(now, peer(1), &datagram), expected, "{datagram:?}");
    }
}

/// Without integrity.
fn plain(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    let body = attributes.concat();
    let length = u16::try_from(body.len()).unwrap();
    [&kind.to_be_bytes()[..], &length.to_be_bytes(), &[0x21, 0x12, 0xa4, 0x42], &[7; 12], &body].concat()
}

#[test]
fn a_stranger_who_asks_for_nothing_else_is_told_its_address() {
    let software = attribute(0x8022, b"somebody's client");
    let fingerprint = attribute(0x8028, &[0; 4]);
    for (datagram, answered) in [
        (plain(1, &[]), true),
        (plain(1, &[software.clone(), fingerprint]), true),
        (plain(1, &[attribute(6, b"ours:theirs")]), false),
        (plain(1, &[software.clone(), attribute(USE_CANDIDATE, &[])]), false),
        (plain(1, &[attribute(3, &[0, 0, 0, 6])]), false), // CHANGE-REQUEST: to another address
        (message(1, ICE.local_password, &[]), false),
        (plain(0x101, &[]), false),
        (plain(0x11, &[]), false),
        (plain(3, &[]), false), // TURN
        (plain(1, &[software])[..30].to_vec(), false),
        (plain(1, &[])[..19].to_vec(), false),
    ] {
        assert_eq!(AnonymousRequest::parse(&datagram).is_some(), answered, "{datagram:?}");
    }
}

#[test]
fn the_answer_is_what_rfc_5769_has_for_the_address() {
    let mut request = plain(1, &[]);
    let transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
    request[8..].copy_from_slice(&transaction);
    let request = AnonymousRequest::parse(&request).unwrap();
    let head = |length| [&[1, 1, 0, length, 0x21, 0x12, 0xa4, 0x42][..], &transaction].concat();
    let v4 = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
    assert_eq!(request.response("192.0.2.1:32853".parse().unwrap()), [head(12), v4.to_vec()].concat());
    let v6 = [
        0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
        0xbe, 0xd2, 0xb9, 0xd9,
    ];
    let from = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
    assert_eq!(request.response(from), [head(24), v6.to_vec()].concat());
}

#[test]
fn what_follows_the_signature_does_not_count() {
    let mut late = request("ours:theirs", ICE.local_password, &[]);
    late.extend(attribute(USE_CANDIDATE, &[]));
    let length = u16::try_from(late.len() - 20).unwrap().to_be_bytes();
    late[2..4].copy_from_slice(&length);
    let taken = viewer().check(Instant::now(), peer(1), &late);
    assert_eq!(taken, Ok(Datagram::BindingRequest { nominates: false }));
}

#[test]
fn a_response_counts_when_the_peer_signed_it_and_its_address_is_known() {
    let now = Instant::now();
    let response = message(0x101, ICE.remote_password, &[]);
    let mut guard = viewer();
    assert_eq!(guard.check(now, peer(1), &response), Err(Refusal::UnknownPeer));
    guard.check(now, peer(1), &request("ours:theirs", ICE.local_password, &[])).unwrap();
    assert_eq!(guard.check(now, peer(1), &response), Ok(Datagram::BindingResponse));
    assert_eq!(guard.check(now, peer(1), &message(0x101, ICE.local_password, &[])), Err(Refusal::Unauthentic));
}

#[test]
fn requests_and_addresses_are_limited() {
    let now = Instant::now();
    let right = request("ours:theirs", ICE.local_password, &[]);
    let mut guard = viewer();
    let taken = (0..100).filter(|_| guard.check(now, peer(1), &right).is_ok()).count();
    assert_eq!(taken, 50);
    let mut later = now;
    let taken = (1..40).filter(|port| {
        later += Duration::from_secs(1);
        guard.check(later, peer(*port), &right).is_ok()
    });
    assert_eq!(taken.count(), 16);
}

/// One handshake record with one fragment.
fn record(message_sequence: u16, length: u32, offset: u32, fragment: u32) -> Vec<u8> {
    let u24 = |value: u32| value.to_be_bytes()[1..].to_vec();
    let record_length = u16::try_from(12 + fragment).unwrap();
    let mut record = [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1][..], &record_length.to_be_bytes(), &[1]].concat();
    record.extend([u24(length), message_sequence.to_be_bytes().to_vec(), u24(offset), u24(fragment)].concat());
    record.resize(record.len() + fragment as usize, 0);
    record
}

#[test]
fn handshakes_in_crumbs_or_without_end_are_refused() {
    let now = Instant::now();
    for (datagram, taken) in [
        (record(0, 200, 0, 200), true),
        (record(0, 2000, 1000, 1000), true),
        (record(0, 1010, 1000, 10), true),
        ([record(0, 200, 0, 200), record(1, 30, 0, 30)].concat(), true),
        (record(0, 60_000, 500, 1), false),
        (record(0, 60_000, 500, 0), false),
        (record(0, 100, 50, 100), false),
        (record(17, 200, 0, 200), false),
        (record(0, 200, 0, 200)[..100].to_vec(), false),
        ([record(0, 200, 0, 200), record(0, 60_000, 7, 1)].concat(), false),
    ] {
        let mut guard = viewer();
        guard.check(now, peer(1), &request("ours:theirs", ICE.local_password, &[])).unwrap();
        assert!(guard.check(now, peer(2), &datagram).is_err(), "an unknown address");
        assert_eq!(guard.check(now, peer(1), &datagram).is_ok(), taken, "{datagram:?}");
    }
}

#[test]
fn a_handshake_is_limited_in_all_and_hardly_goes_on_after_its_end() {
    let now = Instant::now();
    let mut guard = viewer();
    guard.check(now, peer(1), &request("ours:theirs", ICE.local_password, &[])).unwrap();
    let whole = record(0, 100, 0, 100);
    // Encrypted records that cannot be read yet are kept by the stack.
    let early = [&[23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 9][..], &[0; 9]].concat();
    let taken =
        (0..200).filter(|round| guard.check(now, peer(1), if round % 2 == 0 { &whole } else { &early }).is_ok());
    assert_eq!(taken.count(), 96);

    let mut guard = connected_publisher(now);
    assert_eq!(guard.check(now + Duration::from_secs(4), peer(1), &whole), Ok(Datagram::Dtls));
    assert_eq!(guard.check(now + Duration::from_secs(6), peer(1), &whole), Err(Refusal::Handshake));
    for _ in 0..1000 {
        assert_eq!(guard.check(now + Duration::from_secs(6), peer(1), &early), Ok(Datagram::Dtls));
    }
}

fn rtp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 102, 0, 1, 0, 0, 0, 1][..], &ssrc.to_be_bytes(), &[0; 40]].concat()
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes(), &[0; 14]].concat()
}

#[test]
fn a_peer_has_a_handful_of_sources_besides_those_of_its_offer() {
    let now = Instant::now();
    let mut guard = connected_publisher(now);
    let taken = (0..1_000).filter(|ssrc| guard.check(now, peer(1), &rtp(*ssrc)).is_ok()).count();
    assert_eq!(taken, 8);
    assert_eq!(guard.check(now, peer(1), &rtp(3)), Ok(Datagram::Rtp));
    assert_eq!(guard.check(now, peer(1), &rtp(70_000)), Ok(Datagram::Rtp), "the one that the offer named");
    assert_eq!(guard.check(now, peer(1), &rtcp(3)), Ok(Datagram::Rtcp));
    assert_eq!(guard.check(now, peer(1), &rtcp(9000)), Err(Refusal::Source));
    assert_eq!(guard.check(now, peer(2), &rtp(3)), Err(Refusal::UnknownPeer));
    assert_eq!(guard.check(now, peer(1), &rtp(3)[..11]), Err(Refusal::Malformed));
}

#[test]
fn viewers_send_no_media_and_nobody_does_before_the_handshake() {
    let now = Instant::now();
    let mut guard = viewer();
    guard.check(now, peer(1), &request("ours:theirs", ICE.local_password, &[])).unwrap();
    assert_eq!(guard.check(now, peer(1), &rtcp(1)), Err(Refusal::Handshake));
    guard.handle_handshake_complete(now);
    assert_eq!(guard.check(now, peer(1), &rtcp(1)), Ok(Datagram::Rtcp));
    assert_eq!(guard.check(now, peer(1), &rtp(1)), Err(Refusal::Source));
    let taken = (0..5000).filter(|_| guard.check(now, peer(1), &rtcp(1)).is_ok()).count();
    assert!(taken < 1000, "{taken}");
}
