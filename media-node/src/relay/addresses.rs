//! The addresses that peers are told to reach the media socket at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Documentation addresses (RFC 5737, RFC 3849): nothing is sent there, they only choose a route.
const FAR_AWAY: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
];

#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    bound: SocketAddr,
    advertised: Vec<SocketAddr>,
    own: Vec<IpAddr>,
}

impl Candidates {
    /// Of a media socket bound to `bound`.
    #[must_use]
    pub(crate) fn new(bound: SocketAddr, advertised: Vec<SocketAddr>) -> Self {
        Self { bound, advertised, own: FAR_AWAY.iter().filter_map(|(from, to)| own_address(*from, *to)).collect() }
    }

    /// For a client whose request came to our address `reached`: that address works for it by experience, so it comes
    /// first, and the machine's own follow. Public clients get the advertised ones, where there are any.
    pub(super) fn select(&self, reached: IpAddr, internal: bool) -> Vec<SocketAddr> {
        if !internal && !self.advertised.is_empty() {
            return self.advertised.clone();
        }
        if !self.bound.ip().is_unspecified() {
            return vec![self.bound];
        }
        let reached = reached.to_canonical();
        let mut addresses = vec![reached];
        addresses.extend(self.own.iter().filter(|own| **own != reached));
        addresses.retain(|address| self.bound.is_ipv6() || address.is_ipv4());
        addresses.into_iter().map(|address| SocketAddr::new(address, self.bound.port())).collect()
    }
}

/// Our address on the way to another one.
fn own_address(any: IpAddr, far_away: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((far_away, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn public_sessions_get_the_advertised_addresses_and_internal_ones_our_own() {
        let advertised = vec![address("203.0.113.7:30000")];
        let candidates = Candidates { bound: address("[::]:8189"), advertised, own: vec!["10.0.0.4".parse().unwrap()] };
        let reached = "10.0.0.4".parse().unwrap();
        assert_eq!(candidates.select(reached, false), [address("203.0.113.7:30000")]);
        assert_eq!(candidates.select(reached, true), [address("10.0.0.4:8189")]);
    }

    #[test]
    fn without_advertised_addresses_the_one_that_was_reached_comes_first() {
        let own = vec!["10.0.0.4".parse().unwrap(), "2001:db8::4".parse().unwrap()];
        let any = Candidates { bound: address("[::]:8189"), advertised: vec![], own: own.clone() };
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        let all = ["127.0.0.1:8189", "10.0.0.4:8189", "[2001:db8::4]:8189"].map(address);
        assert_eq!(any.select(mapped, false), all);
        let v4 = Candidates { bound: address("0.0.0.0:8189"), advertised: vec![], own };
        assert_eq!(v4.select(mapped, false), all[..2]);
        let one = Candidates { bound: address("127.0.0.1:8189"), advertised: vec![], own: vec![] };
        assert_eq!(one.select(mapped, true), [address("127.0.0.1:8189")]);
    }
}
