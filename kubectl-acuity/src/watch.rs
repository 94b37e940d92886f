//! `watch`: a line for each change of a stream, and its gain as it goes.
//!
//! Changes of conditions come from the API server, gain and checkpoints from the media-node while it can be reached.

use std::{
    io::{Write, stdout},
    pin::pin,
    time::{Duration, Instant},
};

use crds::{LiveStream, LiveStreamStatus};
use futures::StreamExt;
use jiff::Timestamp;
use kube::runtime::{WatchStreamExt, watcher::watch_object};
use proto::status::{StreamEvent, StreamEventKind, StreamStatus};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{cluster::Cluster, output::Output, sse::Event};

const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// A gain is said again when it moved by so much, or so many seconds later.
const GAIN_STEP_DB: f64 = 0.05;
const GAIN_SECONDS: i64 = 10;
/// After so long without the media-node's, the operator's gain is said, which is rounded.
const GAIN_PATIENCE: Duration = Duration::from_secs(30);
const GAIN: &str = "gain";
const LINES: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Change {
    what: String,
    value: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl Change {
    fn new(what: &str, value: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.to_owned(), value: value.into(), detail: detail.into() }
    }
}

pub(crate) async fn run(cluster: &Cluster, name: &str, output: Output) -> anyhow::Result<()> {
    cluster.stream(name).await?;
    let (sender, mut heard) = mpsc::channel(LINES);
    let mut objects = pin!(watch_object(cluster.api::<LiveStream>(), name).default_backoff());
    let mut listen = pin!(listen(cluster, name, sender));
    let mut last = LiveStreamStatus::default();
    let mut gain_heard: Option<Instant> = None;
    loop {
        tokio::select! {
            object = objects.next() => match object {
                Some(Ok(Some(stream))) => {
                    let status = stream.status.unwrap_or_default();
                    let mut said = changes(&last, &status);
                    if gain_heard.is_none_or(|at| at.elapsed() > GAIN_PATIENCE) {
                        said.extend(rounded_gain(&last, &status));
                    }
                    say_all(said, output)?;
                    last = status;
                }
                Some(Ok(None)) => {
                    return say_all(vec![Change::new("stream", "deleted", "")], output);
                }
                Some(Err(error)) => eprintln!("{:#}", cluster.explain_watch(error, "watch livestreams")),
                None => return Ok(()),
            },
            Some(change) = heard.recv() => {
                if change.what == GAIN {
                    gain_heard = Some(Instant::now());
                }
                say_all(vec![change], output)?;
            }
            () = &mut listen => {}
        }
    }
}

/// Hears the media-node, again and again, as long as somebody wants to know.
async fn listen(cluster: &Cluster, name: &str, lines: mpsc::Sender<Change>) {
    let mut told = String::new();
    let mut gain = Gain::default();
    loop {
        let heard: anyhow::Result<()> = async {
            let mut events = pin!(cluster.media_node(name).await?.events().await?);
            told.clear();
            while let Some(event) = events.next().await {
                if let Some(change) = media_change(&event?, &mut gain, Timestamp::now())
                    && lines.send(change).await.is_err()
                {
                    return Ok(());
                }
            }
            anyhow::bail!("the media-node ended the connection")
        }
        .await;
        if let Err(error) = heard {
            let said = format!("{error:#}");
            if said != told {
                eprintln!("nothing from the media-node for now: {said}");
                told = said;
            }
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

fn say_all(changes: Vec<Change>, output: Output) -> anyhow::Result<()> {
    let now = Timestamp::now();
    for change in changes {
        match output {
            Output::Table | Output::Wide => writeln!(stdout(), "{}", line(&change, now))?,
            Output::Json => writeln!(stdout(), "{}", serde_json::to_string(&stamped(&change, now))?)?,
            Output::Yaml => write!(stdout(), "---\n{}", serde_saphyr::to_string(&stamped(&change, now))?)?,
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Stamped<'a> {
    at: Timestamp,
    #[serde(flatten)]
    change: &'a Change,
}

fn stamped(change: &Change, at: Timestamp) -> Stamped<'_> {
    Stamped { at, change }
}

fn line(change: &Change, now: Timestamp) -> String {
    let text = format!("{}  {:<17} {:<10} {}", now.strftime("%H:%M:%SZ"), change.what, change.value, change.detail);
    text.trim_end().to_owned()
}

/// What the operator says now that it did not say before.
fn changes(old: &LiveStreamStatus, new: &LiveStreamStatus) -> Vec<Change> {
    let mut changes = Vec::new();
    for condition in &new.conditions {
        let before = old.conditions.iter().find(|before| before.type_ == condition.type_);
        let same = before.is_some_and(|before| {
            (&before.status, &before.reason, &before.message)
                == (&condition.status, &condition.reason, &condition.message)
        });
        if !same {
            let detail = [condition.reason.as_str(), condition.message.as_str()].join(" ");
            changes.push(Change::new(&condition.type_, condition.status.clone(), detail.trim()));
        }
    }
    if old.endpoints != new.endpoints
        && let Some(endpoints) = &new.endpoints
    {
        changes.push(Change::new("endpoints", "", format!("{} {}", endpoints.whip, endpoints.whep)));
    }
    if old.trainers != new.trainers
        && let Some(trainers) = &new.trainers
    {
        changes.push(Change::new("trainers", format!("{}/{}", trainers.ready, trainers.desired), "ready"));
    }
    if old.viewers != new.viewers
        && let Some(viewers) = new.viewers
    {
        changes.push(Change::new("viewers", viewers.to_string(), ""));
    }
    changes
}

fn rounded_gain(old: &LiveStreamStatus, new: &LiveStreamStatus) -> Option<Change> {
    let gain = new.gain.as_ref().filter(|gain| old.gain.as_ref() != Some(*gain))?;
    Some(Change::new(GAIN, gain.clone(), "as the operator has it"))
}

/// What was last said of the gain.
#[derive(Debug, Default)]
struct Gain {
    said: Option<(f64, Timestamp)>,
}

impl Gain {
    fn next_change(&mut self, status: &StreamStatus, now: Timestamp) -> Option<Change> {
        let gain = status.learning.gain_db?;
        let due = self.said.is_none_or(|(said, at)| {
            (gain - said).abs() >= GAIN_STEP_DB || now.as_second() - at.as_second() >= GAIN_SECONDS
        });
        due.then(|| {
            self.said = Some((gain, now));
            let weights = match status.learning.live_version {
                _ if status.learning.withdrawn => "exact bicubic: the weights are withdrawn".to_owned(),
                0 => "exact bicubic".to_owned(),
                1 => "the general weights".to_owned(),
                version => format!("version {version}"),
            };
            Change::new(GAIN, format!("{gain:+.2} dB"), weights)
        })
    }
}

/// What the media-node says.
fn media_change(event: &Event, gain: &mut Gain, now: Timestamp) -> Option<Change> {
    if event.name == "status" {
        return gain.next_change(&serde_json::from_str(&event.data).ok()?, now);
    }
    let event: StreamEvent = serde_json::from_str(&event.data).ok()?;
    Some(match event.kind {
        StreamEventKind::CheckpointAccepted { version, gain_db } => {
            Change::new("checkpoint", format!("version {version}"), format!("accepted, {gain_db:+.2} dB over bicubic"))
        }
        StreamEventKind::CheckpointRejected { reason, detail } => {
            Change::new("checkpoint", "refused", [reason, detail].join(" "))
        }
        StreamEventKind::Withdrawn { version, reason } => {
            Change::new("withdrawn", format!("version {version}"), reason)
        }
        StreamEventKind::Restored { version } => Change::new("restored", format!("version {version}"), ""),
        StreamEventKind::SceneChange => Change::new("scene", "changed", ""),
        StreamEventKind::PublisherConnected { .. } => Change::new("publisher", "connected", ""),
        StreamEventKind::PublisherGone { reason, .. } => Change::new("publisher", "gone", reason),
        StreamEventKind::EnhancerConnected => Change::new("enhancer", "connected", ""),
        StreamEventKind::EnhancerGone => Change::new("enhancer", "gone", ""),
        StreamEventKind::PairerStarted => Change::new("pairer", "started", ""),
        StreamEventKind::PairerDied { reason } => Change::new("pairer", "died", reason),
        StreamEventKind::Moved { .. } => Change::new("media-node", "moved", ""),
    })
}

#[cfg(test)]
mod tests;
