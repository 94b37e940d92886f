//! STUN (RFC 8489) as ICE uses it: the user name and the HMAC of a message, verified before anything acts on it.

use std::net::{IpAddr, SocketAddr};

use ring::hmac;

use super::{IceCredentials, Refusal};

const HEADER_BYTES: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const USE_CANDIDATE: u16 = 0x0025;
const HMAC_BYTES: usize = 20;
/// Attributes below this must be understood, those from here on may be ignored.
const COMPREHENSION_OPTIONAL: u16 = 0x8000;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum StunKind {
    Request { nominates: bool },
    Response,
}

/// What authenticates messages of one peer.
pub(super) struct Credentials {
    /// `<ours>:<theirs>`
    username: String,
    local: hmac::Key,
    remote: hmac::Key,
}

impl Credentials {
    pub(super) fn new(ice: IceCredentials<'_>) -> Self {
        let key = |password: &str| hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        Self {
            username: format!("{}:{}", ice.local_ufrag, ice.remote_ufrag),
            local: key(ice.local_password),
            remote: key(ice.remote_password),
        }
    }

    /// Requests are signed with our password, responses with the peer's (RFC 8445 section 7.2.2). A request without
    /// PRIORITY is taken: some publishers leave it out.
    pub(super) fn verify(&self, datagram: &[u8]) -> Result<StunKind, Refusal> {
        let message = Message::parse(datagram).ok_or(Refusal::Malformed)?;
        let (key, kind) = match message.kind {
            BINDING_REQUEST if message.username == Some(self.username.as_bytes()) => {
                (&self.local, StunKind::Request { nominates: message.nominates })
            }
            BINDING_SUCCESS | BINDING_ERROR => (&self.remote, StunKind::Response),
            _ => return Err(Refusal::Unauthentic),
        };
        message.is_signed_with(key).then_some(kind).ok_or(Refusal::Unauthentic)
    }
}

/// Our user name fragment in a binding request, to find the peer it is for; not verified yet.
pub(crate) fn requested_peer(datagram: &[u8]) -> Option<&str> {
    let message = Message::parse(datagram).filter(|message| message.kind == BINDING_REQUEST)?;
    std::str::from_utf8(message.username?).ok()?.split(':').next()
}

/// A binding request of nobody in particular, who asks where it is seen from: the way to learn whether the media socket
/// is reached at an address. It carries no user name and no other attribute that must be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnonymousRequest {
    transaction: [u8; 12],
}

impl AnonymousRequest {
    pub(crate) fn parse(datagram: &[u8]) -> Option<Self> {
        let message = Message::parse(datagram).filter(|message| message.kind == BINDING_REQUEST)?;
        let transaction = *datagram.get(8..)?.first_chunk()?;
        message.is_ignorable.then_some(Self { transaction })
    }

    /// The answer to a request from `from`: the address and nothing else, 32 bytes (IPv6: 44), so that whoever forges
    /// the sender's address gains next to nothing.
    pub(crate) fn response(self, from: SocketAddr) -> Vec<u8> {
        // XORed with the cookie and the transaction id, lest something on the way rewrites it (RFC 8489 section 14.2).
        let mask = [&MAGIC_COOKIE[..], &self.transaction].concat();
        let (family, address) = match from.ip() {
            IpAddr::V4(ip) => (1, ip.octets().to_vec()),
            IpAddr::V6(ip) => (2, ip.octets().to_vec()),
        };
        let port = from.port() ^ u16::from_be_bytes([MAGIC_COOKIE[0], MAGIC_COOKIE[1]]);
        let value_bytes = 4 + address.len() as u16;
        let mut response = BINDING_SUCCESS.to_be_bytes().to_vec();
        response.extend((4 + value_bytes).to_be_bytes());
        response.extend(mask.iter());
        response.extend(XOR_MAPPED_ADDRESS.to_be_bytes());
        response.extend(value_bytes.to_be_bytes());
        response.extend([0, family]);
        response.extend(port.to_be_bytes());
        response.extend(address.iter().zip(&mask).map(|(byte, mask)| byte ^ mask));
        response
    }
}

struct Message<'a> {
    kind: u16,
    username: Option<&'a [u8]>,
    nominates: bool,
    /// What the HMAC covers, and the HMAC.
    integrity: Option<(&'a [u8], &'a [u8])>,
    /// Every attribute may be ignored.
    is_ignorable: bool,
}

impl<'a> Message<'a> {
    /// Reads up to MESSAGE-INTEGRITY: what follows it is not authentic.
    fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (header, mut attributes) = datagram.split_at_checked(HEADER_BYTES)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[4..8] != MAGIC_COOKIE || length != attributes.len() || length % 4 != 0 {
            return None;
        }
        let mut message = Self {
            kind: u16::from_be_bytes([header[0], header[1]]),
            username: None,
            nominates: false,
            integrity: None,
            is_ignorable: true,
        };
        while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
            let kind = u16::from_be_bytes([head[0], head[1]]);
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let value = rest.get(..length)?;
            message.is_ignorable &= kind >= COMPREHENSION_OPTIONAL;
            match kind {
                USERNAME => message.username = Some(value),
                USE_CANDIDATE => message.nominates = true,
                MESSAGE_INTEGRITY if length == HMAC_BYTES => {
                    message.integrity = Some((&datagram[..datagram.len() - attributes.len()], value));
                    break;
                }
                _ => {}
            }
            attributes = rest.get(length.next_multiple_of(4)..)?;
        }
        Some(message)
    }

    /// The HMAC is computed as if the message ended with it (RFC 8489 section 14.5).
    fn is_signed_with(&self, key: &hmac::Key) -> bool {
        let Some((covered, expected)) = self.integrity else { return false };
        let Ok(length) = u16::try_from(covered.len() - HEADER_BYTES + 4 + HMAC_BYTES) else { return false };
        let mut context = hmac::Context::with_key(key);
        context.update(&covered[..2]);
        context.update(&length.to_be_bytes());
        context.update(&covered[4..]);
        let actual = context.sign();
        subtle::ConstantTimeEq::ct_eq(actual.as_ref(), expected).into()
    }
}
