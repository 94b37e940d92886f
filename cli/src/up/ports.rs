//! Addresses to listen on, known before any child starts and the same after each restart.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
};

use anyhow::Context;

/// The address with its port, a free one for port 0.
///
/// # Errors
/// When it is taken; `option` is what to change then.
pub(crate) fn tcp_address(wanted: SocketAddr, option: &str) -> anyhow::Result<SocketAddr> {
    bound(wanted, TcpListener::bind).with_context(|| taken(wanted, "TCP", option))
}

/// The same for UDP.
///
/// # Errors
/// When it is taken.
pub(crate) fn udp_address(wanted: SocketAddr, option: &str) -> anyhow::Result<SocketAddr> {
    bound(wanted, UdpSocket::bind).with_context(|| taken(wanted, "UDP", option))
}

/// A free port that only this machine reaches.
///
/// # Errors
/// When there is none.
pub(crate) fn free_loopback_address() -> anyhow::Result<SocketAddr> {
    free_ports::free_address(Ipv4Addr::LOCALHOST.into()).context("looking for a free port")
}

fn bound<T>(wanted: SocketAddr, bind: impl FnOnce(SocketAddr) -> io::Result<T>) -> io::Result<SocketAddr> {
    if wanted.port() == 0 {
        return free_ports::free_address(wanted.ip());
    }
    free_ports::take(wanted.port());
    bind(wanted).map(|_| wanted)
}

fn taken(wanted: SocketAddr, protocol: &str, option: &str) -> String {
    format!("cannot listen on {wanted} ({protocol}): choose another address by {option}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_option() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = holder.local_addr().unwrap();
        let error = tcp_address(taken, "--listen").unwrap_err().to_string();
        assert!(error.contains(&taken.to_string()) && error.contains("--listen"), "{error}");
    }

    #[test]
    fn port_zero_becomes_a_free_port() {
        assert_ne!(udp_address((Ipv4Addr::LOCALHOST, 0).into(), "--media-listen").unwrap().port(), 0);
    }
}
