//! The UDP socket of a session: large kernel buffers, and a count of every byte that goes through it.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime,
    Transmit,
};

use crate::{
    engine::{OPUS, VIDEO, VIDEO_RTX},
    loss::Loss,
};

/// The kernel takes a key frame's burst only with more than its default of about 200 KiB; it may grant less.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// UDP payload bytes sent by kind since the session began: headers, SRTP tags and retransmissions included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkBytes {
    pub video: u64,
    pub audio: u64,
    /// All DTLS application data: the data channel and its own control.
    pub patches: u64,
    /// ICE, the DTLS handshake, RTCP
    pub other: u64,
}

impl std::ops::Add for UplinkBytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            video: self.video + other.video,
            audio: self.audio + other.audio,
            patches: self.patches + other.patches,
            other: self.other + other.other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Video,
    Audio,
    Patches,
    Other,
}

/// By the first byte, as RFC 7983 tells the protocols of one socket apart; RTP by its payload type.
fn kind(datagram: &[u8]) -> Kind {
    const DTLS_APPLICATION_DATA: u8 = 23;
    match datagram {
        [DTLS_APPLICATION_DATA, ..] => Kind::Patches,
        // RTCP's packet types 192 to 223 leave 64 to 95 to no RTP payload type (RFC 5761).
        [128..=191, second, ..] => match second & 0x7f {
            VIDEO | VIDEO_RTX => Kind::Video,
            OPUS => Kind::Audio,
            _ => Kind::Other,
        },
        _ => Kind::Other,
    }
}

pub(crate) fn is_rtp(datagram: &[u8]) -> bool {
    matches!(kind(datagram), Kind::Video | Kind::Audio)
}

/// What went through the sockets of a session.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    video: AtomicU64,
    audio: AtomicU64,
    patches: AtomicU64,
    other: AtomicU64,
    datagrams_received: AtomicU64,
}

impl Wire {
    pub(crate) fn sent(&self) -> UplinkBytes {
        UplinkBytes {
            video: self.video.load(Relaxed),
            audio: self.audio.load(Relaxed),
            patches: self.patches.load(Relaxed),
            other: self.other.load(Relaxed),
        }
    }

    /// A coalesced read counts once: whether anything came is what matters.
    pub(crate) fn datagrams_received(&self) -> u64 {
        self.datagrams_received.load(Relaxed)
    }

    fn count_sent(&self, transmit: &Transmit<'_>) {
        let datagram_bytes = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for datagram in transmit.contents.chunks(datagram_bytes) {
            let counter = match kind(datagram) {
                Kind::Video => &self.video,
                Kind::Audio => &self.audio,
                Kind::Patches => &self.patches,
                Kind::Other => &self.other,
            };
            counter.fetch_add(datagram.len() as u64, Relaxed);
        }
    }
}

/// tokio, with counted sockets.
#[derive(Debug)]
pub(crate) struct CountingRuntime {
    pub(crate) wire: Arc<Wire>,
    pub(crate) loss: Option<Arc<Mutex<Loss>>>,
}

impl Runtime for CountingRuntime {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let options = socket2::SockRef::from(&socket);
        if let Err(error) =
            options.set_recv_buffer_size(SOCKET_BUFFER_BYTES).and(options.set_send_buffer_size(SOCKET_BUFFER_BYTES))
        {
            tracing::debug!(%error, "the UDP socket keeps its default buffers");
        }
        let (wire, loss) = (self.wire.clone(), self.loss.clone());
        Ok(Arc::new(CountedSocket { socket: TokioRuntime.wrap_udp_socket(socket)?, wire, loss }))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        TokioRuntime.connect_tcp(remote)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        TokioRuntime.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.yield_now()
    }
}

#[derive(Debug)]
struct CountedSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    wire: Arc<Wire>,
    loss: Option<Arc<Mutex<Loss>>>,
}

impl AsyncUdpSocket for CountedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let sent = self.socket.poll_send(cx, transmit);
        if let Poll::Ready(Ok(_)) = sent {
            self.wire.count_sent(transmit);
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.socket.poll_recv(cx, buffers, meta);
        if let Poll::Ready(Ok(messages)) = received {
            self.wire.datagrams_received.fetch_add(messages as u64, Relaxed);
            if let Some(loss) = &self.loss {
                let mut loss = loss.lock().expect("nothing panics with the lock held");
                for (buffer, meta) in buffers.iter_mut().zip(meta).take(messages) {
                    meta.len = loss.thin(&mut buffer[..meta.len], meta.stride);
                }
            }
        }
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_told_apart_by_their_first_bytes() {
        for (datagram, expected) in [
            (&[0x80, 0x80 | VIDEO, 0, 1][..], Kind::Video),
            (&[0x90, VIDEO, 0, 1], Kind::Video),
            (&[0x90, VIDEO_RTX, 0, 1], Kind::Video),
            (&[0x80, OPUS, 0, 1], Kind::Audio),
            (&[0x80, 200, 0, 6], Kind::Other),
            (&[23, 0xfe, 0xfd], Kind::Patches),
            (&[22, 0xfe, 0xfd], Kind::Other),
            (&[0, 1, 0, 0x4c], Kind::Other),
            (&[], Kind::Other),
        ] {
            assert_eq!(kind(datagram), expected, "{datagram:?}");
        }
    }

    #[test]
    fn every_segment_of_a_batch_counts() {
        let wire = Wire::default();
        let batch = [[0x80, VIDEO, 0, 1], [0x80, VIDEO, 0, 2], [0x80, OPUS, 0, 3]].concat();
        let destination = "127.0.0.1:9".parse().unwrap();
        wire.count_sent(&Transmit { destination, ecn: None, contents: &batch, segment_size: Some(4), src_ip: None });
        wire.count_sent(&Transmit { destination, ecn: None, contents: &[23; 7], segment_size: None, src_ip: None });
        assert_eq!(wire.sent(), UplinkBytes { video: 8, audio: 4, patches: 7, other: 0 });
    }
}
