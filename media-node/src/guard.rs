//! What stands between the network and the WebRTC stack: every datagram of a peer is checked here before the stack sees
//! it, because a single peer can make the stack panic, stall, abort the process or grow without bound.
//!
//! Pure: it judges bytes by what it knows of the peer, and never touches the stack. What travels inside DTLS is judged
//! by [`screen`] once it is decrypted.

mod dtls;
pub mod fuzz;
mod rate;
pub(crate) mod screen;
mod sctp;
mod stun;

use std::{net::SocketAddr, time::Instant};

use dtls::Handshake;
pub(crate) use rate::Rate;
pub(crate) use stun::{AnonymousRequest, requested_peer};
use stun::{Credentials, StunKind};

const MAX_ADDRESSES: usize = 16;
const MAX_UNNAMED_SOURCES: usize = 8;
const MAX_BINDING_REQUESTS_PER_SECOND: u32 = 50;
/// Of all strangers together.
pub(crate) const MAX_ANONYMOUS_REQUESTS_PER_SECOND: u32 = 100;
const MAX_RTCP_PER_SECOND: u32 = 1000;

/// A datagram that the stack may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Datagram {
    /// An authentic binding request: its source address is the peer's.
    BindingRequest {
        nominates: bool,
    },
    BindingResponse,
    Dtls,
    Rtp,
    Rtcp,
}

/// Why a datagram is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// Nobody is known by this user name or address.
    UnknownPeer,
    /// Not STUN, DTLS, RTP or RTCP, or cut short.
    Malformed,
    /// STUN without the right user name and message integrity.
    Unauthentic,
    /// More than a well-behaved peer sends.
    TooMany,
    /// A handshake record that would cost the stack more than it costs the sender.
    Handshake,
    /// Media of a peer that does not send any, or of one more source than a peer may have.
    Source,
    /// The stack itself takes it for wrong: not authentic, or out of place.
    Stack,
    /// The stack panicked over it; the peer is gone.
    Panic,
}

impl Refusal {
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UnknownPeer => "unknown_peer",
            Self::Malformed => "malformed",
            Self::Unauthentic => "unauthentic",
            Self::TooMany => "too_many",
            Self::Handshake => "handshake",
            Self::Source => "source",
            Self::Stack => "stack",
            Self::Panic => "panic",
        }
    }
}

/// The user name fragments and passwords of both ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IceCredentials<'a> {
    pub(crate) local_ufrag: &'a str,
    pub(crate) local_password: &'a str,
    pub(crate) remote_ufrag: &'a str,
    pub(crate) remote_password: &'a str,
}

/// What is known of one peer.
pub(crate) struct Guard {
    credentials: Credentials,
    sends_media: bool,
    /// Addresses that an authentic binding request came from.
    addresses: Vec<SocketAddr>,
    sources: Vec<u32>,
    max_sources: usize,
    handshake: Handshake,
    binding_requests: Rate,
    rtcp: Rate,
}

impl Guard {
    /// `sends_media`: a publisher; a viewer's RTP is dropped. `sources` are those that its offer names; a few more may
    /// come.
    pub(crate) fn new(credentials: IceCredentials<'_>, sends_media: bool, sources: Vec<u32>) -> Self {
        Self {
            credentials: Credentials::new(credentials),
            sends_media,
            addresses: Vec::new(),
            max_sources: sources.len() + MAX_UNNAMED_SOURCES,
            sources,
            handshake: Handshake::default(),
            binding_requests: Rate::new(MAX_BINDING_REQUESTS_PER_SECOND),
            rtcp: Rate::new(MAX_RTCP_PER_SECOND),
        }
    }

    /// Judges one datagram. Protocols are told apart by the first byte (RFC 7983).
    pub(crate) fn check(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Result<Datagram, Refusal> {
        match datagram.first().ok_or(Refusal::Malformed)? {
            0..=3 => self.check_stun(now, from, datagram),
            20..=63 => {
                self.check_address(from)?;
                self.handshake.check(now, datagram).map(|()| Datagram::Dtls)
            }
            128..=191 => {
                self.check_address(from)?;
                self.check_media(now, datagram)
            }
            _ => Err(Refusal::Malformed),
        }
    }

    /// The DTLS handshake is complete: from now on hardly any handshake record is right.
    pub(crate) fn handle_handshake_complete(&mut self, now: Instant) {
        self.handshake.complete(now);
    }

    fn check_stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Result<Datagram, Refusal> {
        match self.credentials.verify(datagram)? {
            StunKind::Request { nominates } => {
                if !self.binding_requests.admits(now) {
                    return Err(Refusal::TooMany);
                }
                if !self.addresses.contains(&from) {
                    if self.addresses.len() == MAX_ADDRESSES {
                        return Err(Refusal::TooMany);
                    }
                    self.addresses.push(from);
                }
                Ok(Datagram::BindingRequest { nominates })
            }
            StunKind::Response => self.check_address(from).map(|()| Datagram::BindingResponse),
        }
    }

    fn check_address(&self, from: SocketAddr) -> Result<(), Refusal> {
        self.addresses.contains(&from).then_some(()).ok_or(Refusal::UnknownPeer)
    }

    /// Sources are counted before the stack authenticates them, because it keeps state of each from then on.
    fn check_media(&mut self, now: Instant, datagram: &[u8]) -> Result<Datagram, Refusal> {
        if !self.handshake.is_complete() {
            return Err(Refusal::Handshake);
        }
        let is_rtcp = matches!(datagram.get(1), Some(192..=223));
        let (kind, ssrc_at) = if is_rtcp { (Datagram::Rtcp, 4) } else { (Datagram::Rtp, 8) };
        let ssrc = datagram.get(ssrc_at..).and_then(|rest| rest.first_chunk()).ok_or(Refusal::Malformed)?;
        if is_rtcp && !self.rtcp.admits(now) {
            return Err(Refusal::TooMany);
        }
        if !is_rtcp && !self.sends_media {
            return Err(Refusal::Source);
        }
        let ssrc = u32::from_be_bytes(*ssrc);
        if !self.sources.contains(&ssrc) {
            if self.sources.len() == self.max_sources {
                return Err(Refusal::Source);
            }
            self.sources.push(ssrc);
        }
        Ok(kind)
    }
}

#[cfg(test)]
mod tests;
