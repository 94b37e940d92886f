//! One operator at a time writes: whoever holds the Lease.
//!
//! ```text
//! renew sent ─┬──────────────────────────────┬── 2 s ──┬──▶
//!             │   the gate lets requests out │ closed  │ earliest moment another one may take the lease
//! ```
//!
//! A candidate takes the lease over when it has not seen it change for as long as the lease says, by its own monotonic
//! clock; nobody compares clocks. The holder counts from the moment *before* its renewal was sent, and stops
//! [`MARGIN`] early. A process that was stopped and goes on finds its gate closed, whatever it was about to do.
//! Not `kube-lease-manager`: it compares wall clocks, and does not say when a renewal was sent.

mod election;
mod gate;

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use rand::RngExt;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use election::{Candidate, Step};
pub use gate::{GateClosed, LeaseGate};

/// Between the last moment a request may begin and the first at which another operator may lead.
pub const MARGIN: Duration = Duration::from_secs(2);
/// How often a candidate looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// Which lease, and who wants it.
#[derive(Clone, Debug)]
pub struct LeadOptions {
    pub namespace: String,
    pub name: String,
    /// Of this process and no other; see [`identity`].
    pub identity: String,
    pub duration: Duration,
}

/// This process holds the lease, and renews it until it is released or lost.
#[derive(Debug)]
pub struct Leadership {
    gate: LeaseGate,
    leases: Leases,
    /// Tells the renewals to end; they give back the lease as last written, unless it is lost.
    end: watch::Sender<bool>,
    renewals: JoinHandle<Option<Lease>>,
    lost: watch::Receiver<bool>,
}

/// The pod's name, for people, and something no other process has: a container that was started again is another one.
#[must_use]
pub fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "operator".to_owned());
    format!("{host}_{:08x}", rand::rng().random::<u32>())
}

/// Waits until this process leads, however long that takes; then `gate` lets requests out. `client` must not be behind
/// that gate.
pub async fn lead(client: Client, options: LeadOptions, gate: LeaseGate) -> Leadership {
    let leases = Leases { api: Api::namespaced(client, &options.namespace), options };
    let mut candidate = Candidate::default();
    let mut is_blind = false;
    let (held, sent) = loop {
        match leases.try_to_acquire(&mut candidate).await {
            Ok(Some(acquired)) => break acquired,
            Ok(None) => is_blind = false,
            // It may go on so for hours.
            Err(error) => match std::mem::replace(&mut is_blind, true) {
                false => tracing::warn!(%error, "looking at the lease"),
                true => tracing::debug!(%error, "looking at the lease again"),
            },
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    };
    gate.open_until(sent + leases.reach());
    tracing::info!(identity = leases.options.identity, "leading");
    let (end, ending) = watch::channel(false);
    let (is_lost, lost) = watch::channel(false);
    let renewals = tokio::spawn(leases.clone().renew(held, gate.clone(), ending, is_lost));
    Leadership { gate, leases, end, renewals, lost }
}

impl Leadership {
    /// Returns when another process leads, or may soon: the gate is closed, and this process must end.
    pub async fn lost(&self) {
        // The sender ends without a word only when the renewals were told to end.
        if self.lost.clone().wait_for(|lost| *lost).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Lets another process lead at once. Nothing may be under way any more.
    pub async fn release(self) {
        self.gate.close();
        self.end.send_replace(true);
        let Ok(Some(held)) = self.renewals.await else { return };
        if let Err(error) = self.leases.release(held).await {
            tracing::warn!(%error, "releasing the lease");
        }
    }
}

#[derive(Clone, Debug)]
struct Leases {
    api: Api<Lease>,
    options: LeadOptions,
}

impl Leases {
    /// How long after a renewal was sent requests may begin.
    fn reach(&self) -> Duration {
        self.options.duration.saturating_sub(MARGIN)
    }

    /// The lease as written, and the moment before it was sent.
    async fn try_to_acquire(&self, candidate: &mut Candidate) -> Result<Option<(Lease, Instant)>, kube::Error> {
        let lease = limit(self.api.get_opt(&self.options.name)).await?;
        match candidate.next_step(Instant::now(), lease.as_ref()) {
            Step::Wait => Ok(None),
            Step::Take => {
                let sent = Instant::now();
                let written = self.write(self.mine(lease.as_ref())).await;
                match written {
                    // Another candidate was quicker.
                    Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
                    written => Ok(Some((written?, sent))),
                }
            }
        }
    }

    /// Renews until told to end, and then gives the lease back; `None`: it was lost.
    async fn renew(
        self,
        mut held: Lease,
        gate: LeaseGate,
        mut ending: watch::Receiver<bool>,
        is_lost: watch::Sender<bool>,
    ) -> Option<Lease> {
        let interval = self.options.duration / 5;
        let mut next = Instant::now() + interval;
        loop {
            tokio::select! {
                _ = ending.wait_for(|end| *end) => return Some(held),
                () = tokio::time::sleep_until(next.min(gate.closes_at())) => {}
            }
            let sent = Instant::now();
            if sent >= gate.closes_at() {
                break;
            }
            match self.write(self.mine(Some(&held))).await {
                Ok(renewed) => {
                    gate.open_until(sent + self.reach());
                    held = renewed;
                    next = sent + interval;
                }
                Err(kube::Error::Api(status)) if status.is_conflict() => match self.reread().await {
                    // The answer to an earlier renewal was lost on its way.
                    Ok(Some(lease)) => held = lease,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "looking at the lease");
                        next = Instant::now() + LOOK_INTERVAL;
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "renewing the lease");
                    next = Instant::now() + LOOK_INTERVAL;
                }
            }
        }
        gate.close();
        tracing::error!("the lease is lost");
        is_lost.send_replace(true);
        None
    }

    /// The lease, if it is still ours.
    async fn reread(&self) -> Result<Option<Lease>, kube::Error> {
        let lease = limit(self.api.get_opt(&self.options.name)).await?;
        Ok(lease.filter(|lease| election::holder(lease) == Some(&self.options.identity)))
    }

    /// Creates or replaces; replaces only the version that `lease` was made from.
    async fn write(&self, lease: Lease) -> Result<Lease, kube::Error> {
        let params = PostParams::default();
        match lease.metadata.resource_version {
            None => limit(self.api.create(&params, &lease)).await,
            Some(_) => limit(self.api.replace(&self.options.name, &params, &lease)).await,
        }
    }

    fn mine(&self, before: Option<&Lease>) -> Lease {
        let now = MicroTime(jiff::Timestamp::now());
        let spec = before.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_mine = spec.holder_identity.as_deref() == Some(&self.options.identity);
        let transitions = spec.lease_transitions.unwrap_or(-1) + i32::from(!is_mine);
        Lease {
            metadata: ObjectMeta {
                name: Some(self.options.name.clone()),
                resource_version: before.and_then(|lease| lease.metadata.resource_version.clone()),
                ..before.map(|lease| lease.metadata.clone()).unwrap_or_default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.options.identity.clone()),
                lease_duration_seconds: Some(i32::try_from(self.options.duration.as_secs()).unwrap_or(i32::MAX)),
                acquire_time: if is_mine { spec.acquire_time } else { Some(now.clone()) },
                renew_time: Some(now),
                lease_transitions: Some(transitions.max(0)),
                ..LeaseSpec::default()
            }),
        }
    }

    async fn release(&self, mut held: Lease) -> Result<(), kube::Error> {
        if let Some(spec) = &mut held.spec {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(jiff::Timestamp::now()));
        }
        self.write(held).await.map(drop)
    }
}

async fn limit<T>(request: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(kube::Error::Service(Box::new(elapsed))),
    }
}
