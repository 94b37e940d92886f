//! What demo and evaluation see of a running system: the children's lines, the media-node's events, the reports on NATS.

use std::time::Duration;

use bus::{Bus, BusError, ReportKey};
use futures::{StreamExt, stream::BoxStream};
use proto::{
    StreamName,
    status::{StreamEvent, StreamStatus},
    v1::{EnhancerReport, Report, TrainerReport, report::Role},
};
use tokio::{sync::mpsc, time::sleep};

use crate::up::{Addresses, supervisor::ChildEvent};

/// One thing seen.
#[derive(Clone, Debug)]
pub(crate) enum Observation {
    Child(ChildEvent),
    Status(Box<StreamStatus>),
    Event(StreamEvent),
    Trainer(TrainerReport),
    Enhancer(EnhancerReport),
}

const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn follow_children(mut events: mpsc::Receiver<ChildEvent>, observations: mpsc::Sender<Observation>) {
    while let Some(event) = events.recv().await {
        // After the run has ended the children still say their last words.
        observations.send(Observation::Child(event)).await.ok();
    }
}

/// Follows `/api/events` below `page`, for ever.
pub(crate) async fn follow_events(page: String, token: Option<String>, observations: mpsc::Sender<Observation>) {
    while !observations.is_closed() {
        if let Err(error) = read_events(&page, token.as_deref(), &observations).await {
            tracing::debug!(%error, "the events of the media-node broke off");
        }
        sleep(PAUSE).await;
    }
}

async fn read_events(page: &str, token: Option<&str>, observations: &mpsc::Sender<Observation>) -> anyhow::Result<()> {
    let mut request = reqwest::Client::new().get(format!("{page}api/events"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let mut body = request.send().await?.error_for_status()?.bytes_stream();
    let mut text = Vec::new();
    while let Some(bytes) = body.next().await {
        text.extend_from_slice(&bytes?);
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = text.drain(..end + 2).collect();
            if let Some(observation) = parse_event(&String::from_utf8_lossy(&block)) {
                observations.send(observation).await?;
            }
        }
    }
    Ok(())
}

/// One block of server-sent events; comments and what is not understood give nothing.
fn parse_event(block: &str) -> Option<Observation> {
    let field =
        |name: &str| block.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_start()));
    let data = field("data")?;
    match field("event") {
        Some("status") => serde_json::from_str(data).ok().map(|status| Observation::Status(Box::new(status))),
        _ => serde_json::from_str(data).ok().map(Observation::Event),
    }
}

/// Follows the reports of trainer and enhancer, for ever.
///
/// # Errors
/// When the name of the stream or the credentials are not usable.
pub(crate) async fn follow_reports(
    addresses: Addresses,
    stream: StreamName,
    observations: mpsc::Sender<Observation>,
) -> Result<(), BusError> {
    let bus = Bus::connect(&addresses.nats, Some(&addresses.observer_credentials), "acuity").await?;
    while !observations.is_closed() {
        match bus.watch_reports(Some(&stream)).await {
            Ok(reports) => read_reports(reports, &observations).await,
            Err(error) => tracing::debug!(%error, "the reports cannot be watched yet"),
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn read_reports(
    mut reports: BoxStream<'_, (ReportKey, Option<Report>)>,
    observations: &mpsc::Sender<Observation>,
) {
    while let Some((_, report)) = reports.next().await {
        let observation = match report.and_then(|report| report.role) {
            Some(Role::Trainer(report)) => Observation::Trainer(report),
            Some(Role::Enhancer(report)) => Observation::Enhancer(report),
            Some(Role::MediaNode(_)) | None => continue,
        };
        if observations.send(observation).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::status::StreamEventKind;

    use super::*;

    #[test]
    fn blocks_of_events_become_observations() {
        let status = parse_event("event: status\ndata: {\"stream\": \"default/demo\", \"viewers\": 2}\n\n");
        assert!(matches!(status, Some(Observation::Status(status)) if status.viewers == 2));
        let event = parse_event(
            "event: withdrawn\ndata: {\"at_unix_us\": 5, \"kind\": \"withdrawn\", \"version\": 3, \"reason\": \"worse\"}\n",
        );
        let withdrawn = StreamEventKind::Withdrawn { version: 3, reason: "worse".into() };
        assert!(matches!(event, Some(Observation::Event(event)) if event.kind == withdrawn));
        assert!(parse_event(": keep alive\n").is_none());
    }
}
