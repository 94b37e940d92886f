//! Whether media-nodes are reached at the addresses they advertise: binding requests over UDP, as any client of theirs
//! begins with.
//!
//! [`Schedule`] is pure: who is asked when, and what follows from answers and from their absence. [`spawn`] runs one task
//! with one socket for each family of addresses; 10,000 streams cost some two hundred small packets a second.

mod message;
mod schedule;

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use proto::StreamName;
use telemetry::Shutdown;
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use message::TransactionId;
use schedule::Schedule;

/// Targets and findings on their way.
const CHANNEL: usize = 1024;
/// Requests leave in small groups, not in bursts.
const TICK: Duration = Duration::from_millis(20);
const REQUESTS_PER_TICK: usize = 50;
const MAX_DATAGRAM_BYTES: usize = 1500;

/// A media-node and where it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub stream: StreamName,
    /// Another pod is another target: nothing is known of it.
    pub pod_uid: String,
    /// Without any, the stream is not probed any more.
    pub addresses: Vec<SocketAddr>,
}

/// Told when it is first known, and when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    pub stream: StreamName,
    pub pod_uid: String,
    /// At one of its addresses at least.
    pub reachable: bool,
}

/// Probes until the shutdown whatever it is given.
///
/// # Errors
/// When no socket can be bound.
pub fn spawn(shutdown: Shutdown) -> io::Result<(mpsc::Sender<Target>, mpsc::Receiver<Probed>)> {
    let v4 = bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
    // Not every machine has the newer family.
    let v6 = bind((Ipv6Addr::UNSPECIFIED, 0).into()).ok();
    let (target_sender, targets) = mpsc::channel(CHANNEL);
    let (findings, finding_receiver) = mpsc::channel(CHANNEL);
    let prober = Prober { v4, v6, schedule: Schedule::default(), started: Instant::now() };
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.requested() => {}
            () = prober.run(targets, findings) => {}
        }
    });
    Ok((target_sender, finding_receiver))
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

struct Prober {
    v4: UdpSocket,
    v6: Option<UdpSocket>,
    schedule: Schedule,
    started: Instant,
}

impl Prober {
    async fn run(mut self, mut targets: mpsc::Receiver<Target>, findings: mpsc::Sender<Probed>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_idle = self.schedule.is_empty();
            tokio::select! {
                target = targets.recv() => {
                    let Some(target) = target else { return };
                    self.schedule.handle_target(self.started.elapsed(), target);
                }
                Ok(()) = self.v4.readable() => self.receive(),
                Ok(()) = readable(self.v6.as_ref()) => self.receive(),
                _ = ticks.tick(), if !is_idle => self.handle_tick(),
            }
            while let Some(found) = self.schedule.poll_finding() {
                if findings.send(found).await.is_err() {
                    return;
                }
            }
        }
    }

    fn handle_tick(&mut self) {
        let now = self.started.elapsed();
        self.schedule.handle_timeout(now);
        for _ in 0..REQUESTS_PER_TICK {
            let transaction: TransactionId = rand::random();
            let Some(to) = self.schedule.poll_request(now, transaction) else { return };
            let socket = if to.is_ipv4() { Some(&self.v4) } else { self.v6.as_ref() };
            let sent = socket.map(|socket| socket.try_send_to(&message::request(transaction), to));
            if let Some(Err(error)) = sent {
                tracing::debug!(%to, %error, "a probe was not sent");
            }
        }
    }

    fn receive(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM_BYTES];
        for socket in [Some(&self.v4), self.v6.as_ref()].into_iter().flatten() {
            // An error is that of an earlier datagram to somebody who is not there.
            while let Ok((length, _)) = socket.try_recv_from(&mut buffer) {
                if let Some(transaction) = buffer.get(..length).and_then(message::answered) {
                    self.schedule.handle_answer(self.started.elapsed(), transaction);
                }
            }
        }
    }
}

async fn readable(socket: Option<&UdpSocket>) -> io::Result<()> {
    match socket {
        Some(socket) => socket.readable().await,
        None => std::future::pending().await,
    }
}
