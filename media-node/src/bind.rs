//! Listening addresses on machines without IPv6.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

/// Binds `listen`; where the system has no IPv6, `[::]` stands for `0.0.0.0`.
pub(crate) fn with_ipv4_fallback<T>(listen: SocketAddr, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    match bind(listen) {
        Err(error) if listen.is_ipv6() && listen.ip().is_unspecified() && error.kind() != io::ErrorKind::AddrInUse => {
            bind((Ipv4Addr::UNSPECIFIED, listen.port()).into()).map_err(|_| error)
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_falls_back_to_ipv4_and_nothing_else_does() {
        let without_ipv6 = |address: SocketAddr| match address {
            SocketAddr::V4(_) => Ok(address),
            SocketAddr::V6(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        };
        let any = with_ipv4_fallback("[::]:8080".parse().unwrap(), without_ipv6);
        assert_eq!(any.unwrap().to_string(), "0.0.0.0:8080");
        assert!(with_ipv4_fallback("[::1]:8080".parse().unwrap(), without_ipv6).is_err());
    }
}
