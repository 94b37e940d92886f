//! Ports for children to listen on, known before they start and the same after each restart.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Below those that the kernel gives to connections, which would take a port again while nobody listens on it.
const PORTS: Range<u16> = 15_000..32_000;
const ATTEMPTS: usize = 200;

static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// An address with a port that is free for TCP and for UDP, and that this process was not given before.
///
/// # Errors
/// When no such port is found: the last reason why one cannot be bound.
pub fn free_address(ip: IpAddr) -> io::Result<SocketAddr> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let address = SocketAddr::new(ip, rand::random_range(PORTS));
        if !take(address.port()) {
            continue;
        }
        match (TcpListener::bind(address), UdpSocket::bind(address)) {
            (Ok(_), Ok(_)) => return Ok(address),
            (Err(error), _) | (_, Err(error)) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

/// From now on nobody is given this port; false when somebody was before.
pub fn take(port: u16) -> bool {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn nobody_is_given_a_port_twice_or_one_that_is_taken() {
        let given: BTreeSet<_> = (0..1000).map(|_| free_address(Ipv4Addr::LOCALHOST.into()).unwrap()).collect();
        assert_eq!(given.len(), 1000);
        assert!(given.iter().all(|address| PORTS.contains(&address.port()) && !take(address.port())));
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        assert!(free_address(Ipv4Addr::new(192, 0, 2, 1).into()).is_err());
    }
}
