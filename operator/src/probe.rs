//! Whether media-nodes are reached at the addresses they advertise: binding requests over UDP, as any client of theirs
//! begins with.
//!
//! [`Schedule`] is pure: who is asked when, and what follows from answers and from their absence. [`spawn`] runs one task
//! with one socket for each family of addresses; 10,000 streams cost some two hundred small packets a second.
//!
//! The sockets are new ones every second. A request that comes to a node before the pod's host port is mapped leaves an
//! entry in the node's connection tracking, and whatever follows from the same port goes the same way into nothing.

mod message;
mod schedule;

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use futures::future::select_all;
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
const BIND_AGAIN: Duration = Duration::from_secs(1);

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
    let sockets = Sockets::bind()?;
    let (target_sender, targets) = mpsc::channel(CHANNEL);
    let (findings, finding_receiver) = mpsc::channel(CHANNEL);
    let (schedule, started) = (Schedule::default(), Instant::now());
    let prober = Prober { sockets, before: None, bound_at: Duration::ZERO, schedule, started };
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

/// One for each family.
struct Sockets {
    v4: UdpSocket,
    v6: Option<UdpSocket>,
}

struct Prober {
    sockets: Sockets,
    /// Those of the second before: answers are on their way to them.
    before: Option<Sockets>,
    bound_at: Duration,
    schedule: Schedule,
    started: Instant,
}

impl Sockets {
    fn bind() -> io::Result<Self> {
        let v4 = bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
        // Not every machine has the newer family.
        let v6 = bind((Ipv6Addr::UNSPECIFIED, 0).into()).ok();
        Ok(Self { v4, v6 })
    }

    fn of(&self, to: SocketAddr) -> Option<&UdpSocket> {
        if to.is_ipv4() { Some(&self.v4) } else { self.v6.as_ref() }
    }
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
                () = self.readable() => self.receive(),
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
            let Some(to) = self.schedule.poll_request(now, transaction) else { break };
            let sent = self.sockets.of(to).map(|socket| socket.try_send_to(&message::request(transaction), to));
            if let Some(Err(error)) = sent {
                tracing::debug!(%to, %error, "a probe was not sent");
            }
        }
        // Last: a socket can send only when the runtime has met it once.
        if now.saturating_sub(self.bound_at) >= BIND_AGAIN {
            self.bind_again(now);
        }
    }

    fn bind_again(&mut self, now: Duration) {
        self.bound_at = now;
        match Sockets::bind() {
            Ok(sockets) => self.before = Some(std::mem::replace(&mut self.sockets, sockets)),
            Err(error) => tracing::debug!(%error, "no new sockets to probe from"),
        }
    }

    /// An error shows when the socket is read.
    async fn readable(&self) {
        let sockets = answered_at(&self.sockets, self.before.as_ref());
        drop(select_all(sockets.map(|socket| Box::pin(socket.readable()))).await);
    }

    fn receive(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM_BYTES];
        for socket in answered_at(&self.sockets, self.before.as_ref()) {
            // An error is that of an earlier datagram to somebody who is not there.
            while let Ok((length, _)) = socket.try_recv_from(&mut buffer) {
                if let Some(transaction) = buffer.get(..length).and_then(message::answered) {
                    self.schedule.handle_answer(self.started.elapsed(), transaction);
                }
            }
        }
    }
}

/// Where answers may come to.
fn answered_at<'a>(now: &'a Sockets, before: Option<&'a Sockets>) -> impl Iterator<Item = &'a UdpSocket> {
    std::iter::once(now).chain(before).flat_map(|sockets| std::iter::once(&sockets.v4).chain(&sockets.v6))
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_is_new_after_a_long_rest_is_asked_at_the_first_tick() {
        let asked = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sockets = Sockets::bind().unwrap();
        sockets.v4.writable().await.unwrap();
        let started = Instant::now() - 2 * BIND_AGAIN;
        let mut prober =
            Prober { sockets, before: None, bound_at: Duration::ZERO, schedule: Schedule::default(), started };
        let addresses = vec![asked.local_addr().unwrap()];
        let target = Target { stream: "default/demo".parse().unwrap(), pod_uid: "1".to_owned(), addresses };
        prober.schedule.handle_target(started.elapsed(), target);
        prober.handle_tick();
        let request = timeout(Duration::from_secs(5), asked.recv_from(&mut [0; MAX_DATAGRAM_BYTES])).await;
        request.expect("nothing was sent").unwrap();
    }
}
