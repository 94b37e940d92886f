//! The addresses that peers are told to reach the media socket at.

use std::{
    fs::File,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
};

/// Longer files hold something else.
const MAX_FILE_BYTES: u64 = 4096;
/// More candidates only cost a peer time.
const MAX_ADVERTISED: usize = 16;

/// Documentation addresses (RFC 5737, RFC 3849): nothing is sent there, they only choose a route.
const FAR_AWAY: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
];

/// Where public clients reach the media socket.
#[derive(Clone, Debug)]
pub(crate) enum Advertised {
    /// Nobody said: where it listens.
    Own,
    These(Vec<SocketAddr>),
    /// What the file says at the time; nowhere yet while it says nothing.
    File(PathBuf),
}

#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    bound: SocketAddr,
    advertised: Advertised,
    own: Vec<IpAddr>,
}

impl Candidates {
    /// Of a media socket bound to `bound`.
    #[must_use]
    pub(crate) fn new(bound: SocketAddr, advertised: Advertised) -> Self {
        Self { bound, advertised, own: FAR_AWAY.iter().filter_map(|(from, to)| own_address(*from, *to)).collect() }
    }

    /// For a client whose request came to our address `reached`: that address works for it by experience, so it comes
    /// first, and the machine's own follow. Public clients get the advertised ones; `None`: those are not known yet.
    pub(super) fn select(&self, reached: IpAddr, internal: bool) -> Option<Vec<SocketAddr>> {
        match &self.advertised {
            Advertised::These(addresses) if !internal => Some(addresses.clone()),
            Advertised::File(path) if !internal => read_advertised(path),
            _ => Some(self.select_own(reached)),
        }
    }

    fn select_own(&self, reached: IpAddr) -> Vec<SocketAddr> {
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

impl Advertised {
    /// As the settings have it.
    #[must_use]
    pub(crate) fn new(addresses: Vec<SocketAddr>, file: Option<PathBuf>) -> Self {
        match file {
            Some(path) => Self::File(path),
            None if addresses.is_empty() => Self::Own,
            None => Self::These(addresses),
        }
    }
}

/// The file is read for each session: what was changed is in force at once.
fn read_advertised(path: &Path) -> Option<Vec<SocketAddr>> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "the file of advertised addresses cannot be read");
            return None;
        }
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let addresses = parts.map(str::parse).collect::<Result<Vec<SocketAddr>, _>>();
    match addresses {
        Ok(addresses) if addresses.is_empty() => None,
        Ok(mut addresses) => {
            addresses.truncate(MAX_ADVERTISED);
            Some(addresses)
        }
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "the file of advertised addresses is malformed");
            None
        }
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

    fn candidates(bound: &str, advertised: Advertised, own: &[&str]) -> Candidates {
        Candidates { bound: address(bound), advertised, own: own.iter().map(|own| own.parse().unwrap()).collect() }
    }

    #[test]
    fn public_sessions_get_the_advertised_addresses_and_internal_ones_our_own() {
        let advertised = Advertised::new(vec![address("203.0.113.7:30000")], None);
        let candidates = candidates("[::]:8189", advertised, &["10.0.0.4"]);
        let reached = "10.0.0.4".parse().unwrap();
        assert_eq!(candidates.select(reached, false), Some(vec![address("203.0.113.7:30000")]));
        assert_eq!(candidates.select(reached, true), Some(vec![address("10.0.0.4:8189")]));
    }

    #[test]
    fn without_advertised_addresses_the_one_that_was_reached_comes_first() {
        let own = ["10.0.0.4", "2001:db8::4"];
        let nobody_said = || Advertised::new(Vec::new(), None);
        let any = candidates("[::]:8189", nobody_said(), &own);
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        let all = ["127.0.0.1:8189", "10.0.0.4:8189", "[2001:db8::4]:8189"].map(address);
        assert_eq!(any.select(mapped, false).unwrap(), all);
        let v4 = candidates("0.0.0.0:8189", nobody_said(), &own);
        assert_eq!(v4.select(mapped, false).unwrap(), all[..2]);
        let one = candidates("127.0.0.1:8189", nobody_said(), &[]);
        assert_eq!(one.select(mapped, true).unwrap(), [address("127.0.0.1:8189")]);
    }

    #[test]
    fn a_file_counts_as_it_is_at_the_time_and_says_nothing_unless_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("advertised-addresses");
        let candidates = candidates("[::]:8189", Advertised::new(Vec::new(), Some(path.clone())), &["10.0.0.4"]);
        let reached = "10.0.0.4".parse().unwrap();
        assert_eq!(candidates.select(reached, false), None, "no file yet");
        assert_eq!(candidates.select(reached, true), Some(vec![address("10.0.0.4:8189")]));
        let two = [address("203.0.113.7:30000"), address("[2001:db8::4]:30000")];
        for (text, expected) in [
            ("", None),
            ("\n", None),
            ("203.0.113.7:30000,[2001:db8::4]:30000", Some(two.to_vec())),
            (" 203.0.113.7:30000 ,\n[2001:db8::4]:30000,\n", Some(two.to_vec())),
            ("203.0.113.7:30000,[2001:db8::4]", None),
            ("node-1:30000", None),
            ("203.0.113.7:30000", Some(vec![two[0]])),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(candidates.select(reached, false), expected, "{text:?}");
        }
        std::fs::write(&path, "10.0.0.1:1,".repeat(100)).unwrap();
        assert_eq!(candidates.select(reached, false).unwrap().len(), MAX_ADVERTISED);
    }
}
