//! Puts the parts together, and takes them apart at the end.

use std::{pin::pin, time::Duration};

use anyhow::{Context as _, bail};
use bus::Bus;
use jiff::Timestamp;
use proto::StreamName;
use telemetry::{Health, Shutdown};
use tokio::sync::mpsc;
use tower::layer::util::Identity;

use crate::{
    client::client,
    context::{Context, Credentials},
    controller::Operator,
    events::Events,
    leader::{self, LeadOptions, Leadership, LeaseGate},
    metrics::Metrics,
    options::Options,
    probe::{self, Probed, Target},
    reports,
    stores::Watched,
    watches::watch,
};

/// Messages of the watches on their way.
const SEEN: usize = 256;
/// As long as a timer runs.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How long what has begun may take at the end.
const END_TIMEOUT: Duration = Duration::from_secs(10);
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// Runs until the shutdown.
///
/// # Errors
/// When the options cannot be obeyed, or another operator leads.
pub async fn run(options: Options, shutdown: Shutdown) -> anyhow::Result<()> {
    let config = kube::Config::infer().await.context("finding the API server")?;
    let (registered, health) = (telemetry::metrics("operator"), Health::default());
    let metrics = Metrics::register(&mut registered.lock().expect("nobody else has it yet"));
    telemetry::serve_health(options.health_listen, &health, registered, shutdown.clone())
        .await
        .context("serving health")?;
    let gate = if options.lease_namespace.is_some() { LeaseGate::closed() } else { LeaseGate::open() };
    let electorate = client(config.clone(), &metrics, &Identity::new())?;
    let client = client(config, &metrics, &gate)?;
    let credentials = Credentials::read(options.nats.nats_credentials.as_deref())?;
    let bus = match &options.nats.nats_credentials {
        Some(folder) => Some(Bus::connect(&options.nats.nats_url, Some(&folder.join("operator")), "operator").await?),
        None => None,
    };

    let probe = match options.probe {
        true => Some(probe::spawn(shutdown.clone()).context("opening the sockets of the probe")?),
        false => None,
    };
    let (seen, watched) = mpsc::channel(SEEN);
    let watches = watch(&client, options.namespace.as_deref(), &metrics, &seen);
    let lease = lease(&options);
    let events = Events::new(client.clone());
    let operator = Operator::new(Context { client, options, credentials, bus, events, metrics });
    let driver = Driver { operator, watched, probe, health, shutdown };
    let election = lease.map(|lease| leader::lead(electorate, lease, gate));
    let (ended, leadership) = driver.run(election).await;
    drop(watches);
    if let Some(leadership) = leadership.filter(|_| ended == Ended::AsAsked) {
        leadership.release().await;
    }
    if ended == Ended::LeadershipLost { bail!("another operator may lead") } else { Ok(()) }
}

fn lease(options: &Options) -> Option<LeadOptions> {
    Some(LeadOptions {
        namespace: options.lease_namespace.clone()?,
        name: options.lease_name.clone(),
        identity: leader::identity(),
        duration: Duration::from_secs(options.lease_seconds.into()),
    })
}

/// Brings the time to the operator, and what comes in.
pub struct Driver {
    pub operator: Operator,
    pub watched: mpsc::Receiver<Watched>,
    /// `None`: nobody probes addresses.
    pub probe: Option<Probe>,
    pub health: Health,
    pub shutdown: Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    AsAsked,
    LeadershipLost,
}

type Triggers = Option<mpsc::Receiver<StreamName>>;
/// Where targets go, and answers come from.
pub type Probe = (mpsc::Sender<Target>, mpsc::Receiver<Probed>);

impl Driver {
    /// Looks until everything has been seen and heard once and this process leads, then acts until the end is asked for
    /// or another operator leads. Without an election it leads at once.
    pub async fn run(mut self, election: Option<impl Future<Output = Leadership>>) -> (Ended, Option<Leadership>) {
        let mut triggers = None;
        if self.look_until(&mut triggers, std::future::ready(())).await.is_none() {
            return (Ended::AsAsked, None);
        }
        self.health.set_ready(true);
        if let Some(bus) = self.operator.bus() {
            let (reports, triggered) = reports::spawn(bus, self.operator.metrics(), self.shutdown.clone());
            self.operator.hear(reports.clone());
            triggers = Some(triggered);
            if self.look_until(&mut triggers, reports.listed()).await.is_none() {
                return (Ended::AsAsked, None);
            }
        }
        let leadership = match election {
            None => None,
            Some(election) => match self.look_until(&mut triggers, election).await {
                None => return (Ended::AsAsked, None),
                leadership => leadership,
            },
        };
        let ended = self.act(triggers, leadership.as_ref()).await;
        (ended, leadership)
    }

    /// Only looks, until everything has been seen once and `ready` is over; `None`: the end is asked for.
    async fn look_until<T>(&mut self, triggers: &mut Triggers, ready: impl Future<Output = T>) -> Option<T> {
        let mut ready = pin!(ready);
        let mut answer = None;
        while answer.is_none() || !self.operator.has_seen_all() {
            tokio::select! {
                () = self.shutdown.requested() => return None,
                ready = &mut ready, if answer.is_none() => answer = Some(ready),
                Some(message) = self.watched.recv() => self.operator.handle_watched(message, Timestamp::now()),
                Some(_) = next(triggers) => {}
            }
        }
        answer
    }

    /// What the probe has no room for now is tried again with what comes next.
    fn aim(&mut self) {
        let Some((targets, _)) = &self.probe else { return };
        while let Ok(room) = targets.try_reserve() {
            let Some(target) = self.operator.next_target() else { return };
            room.send(target);
        }
    }

    async fn act(&mut self, mut triggers: Triggers, leadership: Option<&Leadership>) -> Ended {
        self.operator.lead(Timestamp::now());
        let mut lost = pin!(async {
            match leadership {
                Some(leadership) => leadership.lost().await,
                None => std::future::pending().await,
            }
        });
        let mut measure = tokio::time::interval(MEASURE_INTERVAL);
        loop {
            self.operator.start_due(Timestamp::now());
            self.aim();
            let wait = self.operator.next_due().map(|at| at.duration_since(Timestamp::now()));
            let wait = wait.map_or(LONGEST_WAIT, |wait| Duration::try_from(wait).unwrap_or_default().min(LONGEST_WAIT));
            tokio::select! {
                () = self.shutdown.requested() => break,
                () = &mut lost => return Ended::LeadershipLost,
                Some(message) = self.watched.recv() => self.operator.handle_watched(message, Timestamp::now()),
                Some(stream) = next(&mut triggers) => self.operator.handle_trigger(&stream, Timestamp::now()),
                Some(probed) = answer(&mut self.probe) => self.operator.handle_probed(probed, Timestamp::now()),
                finished = self.operator.next_finished() => self.operator.handle_finished(finished, Timestamp::now()),
                _ = measure.tick() => self.operator.measure(Timestamp::now()),
                () = tokio::time::sleep(wait) => {}
            }
        }
        // What has begun is brought to its end; nothing new begins.
        let ending = async {
            while !self.operator.is_idle() {
                let finished = self.operator.next_finished().await;
                self.operator.handle_finished(finished, Timestamp::now());
            }
        };
        if tokio::time::timeout(END_TIMEOUT, ending).await.is_err() {
            tracing::warn!("reconciliations were broken off");
        }
        Ended::AsAsked
    }
}

async fn answer(probe: &mut Option<Probe>) -> Option<Probed> {
    match probe {
        Some((_, probed)) => probed.recv().await,
        None => std::future::pending().await,
    }
}

async fn next<T>(receiver: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}
