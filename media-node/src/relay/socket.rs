//! The one UDP socket of all media.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{bind::with_ipv4_fallback, peer::DatagramSink};

/// A key frame to a thousand viewers is a burst; the kernel may grant less.
const BUFFER_BYTES: usize = 8 << 20;
/// Longer than any datagram that crosses an Ethernet path.
const MAX_DATAGRAM_BYTES: usize = 2048;

#[derive(Debug)]
pub(crate) struct MediaSocket(UdpSocket);

impl MediaSocket {
    /// # Errors
    /// When the address cannot be bound.
    pub(crate) fn bind(listen: SocketAddr) -> anyhow::Result<Self> {
        let socket =
            with_ipv4_fallback(listen, bind).with_context(|| format!("binding the media socket {listen}/udp"))?;
        Ok(Self(socket))
    }

    /// # Errors
    /// When the system does not say.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(super) fn into_async(self) -> io::Result<AsyncSocket> {
        let is_v6 = self.0.local_addr()?.is_ipv6();
        let sender = Sender { socket: self.0.try_clone()?, is_v6, dropped: 0 };
        Ok(AsyncSocket {
            socket: tokio::net::UdpSocket::from_std(self.0)?,
            sender,
            buffer: vec![0; MAX_DATAGRAM_BYTES],
        })
    }
}

fn bind(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    if listen.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    for result in [socket.set_recv_buffer_size(BUFFER_BYTES), socket.set_send_buffer_size(BUFFER_BYTES)] {
        if let Err(error) = result {
            tracing::debug!(%error, "the media socket keeps its default buffers");
        }
    }
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    Ok(socket.into())
}

pub(super) struct AsyncSocket {
    socket: tokio::net::UdpSocket,
    pub(super) sender: Sender,
    buffer: Vec<u8>,
}

impl AsyncSocket {
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// The next datagram that has arrived. IPv4 peers of a dual-stack socket get their IPv4 address back.
    pub(super) fn try_receive(&mut self) -> Option<(SocketAddr, &[u8])> {
        loop {
            match self.socket.try_recv_from(&mut self.buffer) {
                Ok((length, _)) if length == MAX_DATAGRAM_BYTES => {} // cut short
                Ok((length, from)) => return Some((canonical(from), &self.buffer[..length])),
                // An ICMP error of an earlier datagram to someone who is gone.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => return None,
            }
        }
    }
}

/// Sends without waiting: what the kernel does not take is dropped and counted.
pub(super) struct Sender {
    socket: UdpSocket,
    is_v6: bool,
    dropped: u64,
}

impl Sender {
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

impl DatagramSink for Sender {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        let to = match to {
            SocketAddr::V4(v4) if self.is_v6 => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
            to => to,
        };
        if self.socket.send_to(datagram, to).is_err() {
            self.dropped += 1;
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
