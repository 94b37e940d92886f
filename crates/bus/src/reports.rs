//! Reports of pods: KV bucket `acuity_reports`, key `<namespace>.<name>.<role>.<pod>`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::{context::KeyValueErrorKind, kv};
use futures::{StreamExt, stream, stream::BoxStream};
use prost::Message;
use proto::{
    StreamName,
    v1::{Report, report},
};

use crate::{
    Bus, BusError,
    connect::unavailable,
    names::{REPORTS, REPORTS_STREAM, report_key, reports_config},
};

const WATCH_AGAIN_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportRole {
    MediaNode,
    Trainer,
    Enhancer,
}

/// Whose report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportKey {
    pub stream: StreamName,
    pub role: ReportRole,
    pub pod: String,
}

/// What a watch of reports hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Report(ReportKey, Box<Report>),
    /// It expired, or was deleted.
    Gone(ReportKey),
    /// Something that no part of Acuity wrote; it is left out.
    Malformed,
    /// The newest report of each pod has been heard.
    Complete,
}

impl Bus {
    /// # Errors
    /// When NATS is away.
    pub async fn ensure_reports(&self) -> Result<(), BusError> {
        self.report_store().await.map(drop)
    }

    /// What `pod` says of itself now.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn put_report(&self, stream: &StreamName, pod: &str, role: report::Role) -> Result<(), BusError> {
        let key = ReportKey { stream: stream.clone(), role: ReportRole::of(&role), pod: pod.to_owned() };
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let report = Report {
            stream: Some(stream.to_id()),
            pod: pod.to_owned(),
            at_unix_us: u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX),
            role: Some(role),
        };
        let put = self.report_store().await?.put(key.to_text(), report.encode_to_vec().into()).await;
        put.map(drop).map_err(|error| self.reports.lost("storing a report", error))
    }

    /// Nobody counts on `pod` any more: who watches hears that it is gone.
    ///
    /// # Errors
    /// When NATS is away; the report then expires.
    pub async fn remove_report(&self, stream: &StreamName, pod: &str, role: ReportRole) -> Result<(), BusError> {
        let key = ReportKey { stream: stream.clone(), role, pod: pod.to_owned() };
        let removed = self.report_store().await?.delete(key.to_text()).await;
        removed.map_err(|error| unavailable("removing a report", error))
    }

    /// The newest report of each pod of `stream` (of every stream: `None`), then each change; `None` in a pair: gone.
    /// Goes on over losses of the connection; the newest reports then come once more.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn watch_reports(
        &self,
        stream: Option<&StreamName>,
    ) -> Result<BoxStream<'static, (ReportKey, Option<Report>)>, BusError> {
        let reports = self.hear_reports(stream).await?.filter_map(|heard| async move {
            match heard {
                Heard::Report(key, report) => Some((key, Some(*report))),
                Heard::Gone(key) => Some((key, None)),
                Heard::Malformed | Heard::Complete => None,
            }
        });
        Ok(reports.boxed())
    }

    /// As [`watch_reports`](Self::watch_reports), with what that leaves out.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn hear_reports(&self, stream: Option<&StreamName>) -> Result<BoxStream<'static, Heard>, BusError> {
        let keys =
            stream.map_or_else(|| ">".to_owned(), |stream| format!("{}.{}.>", stream.namespace(), stream.name()));
        let first = self.watch_keys(&keys).await?;
        let is_empty = self.has_no_reports().await;
        let heard =
            stream::unfold((self.clone(), keys, first, is_empty), |(bus, keys, mut watch, complete)| async move {
                loop {
                    match watch.next().await {
                        Some(Ok(entry)) => {
                            // Said after the last of those that were there when the watch began.
                            let is_last = entry.delta == 0 && !complete;
                            let heard = [Some(parse_entry(&entry)), is_last.then_some(Heard::Complete)];
                            return Some((heard, (bus, keys, watch, complete || is_last)));
                        }
                        Some(Err(error)) => tracing::warn!(%error, "watching reports"),
                        None => {}
                    }
                    watch = bus.watch_again(&keys).await;
                }
            });
        let heard = heard.flat_map(|heard| stream::iter(heard.into_iter().flatten()));
        let first = is_empty.then_some(Heard::Complete);
        Ok(stream::iter(first).chain(heard).boxed())
    }

    /// False, too, when it cannot be told.
    async fn has_no_reports(&self) -> bool {
        let found = self.context.get_stream(REPORTS_STREAM).await;
        found.is_ok_and(|stream| stream.cached_info().state.messages == 0)
    }

    async fn watch_keys(&self, keys: &str) -> Result<kv::Watch, BusError> {
        let watch = self.report_store().await?.watch_with_history(keys).await;
        watch.map_err(|error| self.reports.lost("watching reports", error))
    }

    async fn watch_again(&self, keys: &str) -> kv::Watch {
        loop {
            tokio::time::sleep(WATCH_AGAIN_AFTER).await;
            match self.watch_keys(keys).await {
                Ok(watch) => return watch,
                Err(error) => tracing::debug!(%error, "watching reports"),
            }
        }
    }

    async fn report_store(&self) -> Result<kv::Store, BusError> {
        self.connected()?;
        if let Some(store) = self.reports.known() {
            return Ok(store);
        }
        let found = match self.context.get_key_value(REPORTS).await {
            Err(error) if error.kind() == KeyValueErrorKind::GetBucket => self
                .context
                .create_key_value(reports_config())
                .await
                .map_err(|error| unavailable("creating acuity_reports", error)),
            found => found.map_err(|error| unavailable("looking for acuity_reports", error)),
        };
        found.map(|store| self.reports.remember(store))
    }
}

impl ReportRole {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::MediaNode => "media-node",
            Self::Trainer => "trainer",
            Self::Enhancer => "enhancer",
        }
    }

    fn of(role: &report::Role) -> Self {
        match role {
            report::Role::MediaNode(_) => Self::MediaNode,
            report::Role::Trainer(_) => Self::Trainer,
            report::Role::Enhancer(_) => Self::Enhancer,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::MediaNode, Self::Trainer, Self::Enhancer].into_iter().find(|role| role.as_str() == text)
    }
}

impl ReportKey {
    fn to_text(&self) -> String {
        report_key(&self.stream, self.role, &self.pod)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let (namespace, name, role, pod) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            stream: StreamName::new(namespace, name).ok()?,
            role: ReportRole::parse(role)?,
            pod: pod.to_owned(),
        })
    }
}

fn parse_entry(entry: &kv::Entry) -> Heard {
    let Some(key) = ReportKey::parse(&entry.key) else {
        tracing::warn!(key = entry.key, "left out a report with a foreign key");
        return Heard::Malformed;
    };
    if entry.operation != kv::Operation::Put {
        return Heard::Gone(key);
    }
    match Report::decode(entry.value.clone()) {
        Ok(report) if report.role.as_ref().map(ReportRole::of) == Some(key.role) => {
            Heard::Report(key, Box::new(report))
        }
        Ok(_) => {
            tracing::warn!(key = entry.key, "left out a report of another role than its key's");
            Heard::Malformed
        }
        Err(error) => {
            tracing::warn!(key = entry.key, %error, "left out a malformed report");
            Heard::Malformed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_also_when_the_pod_has_dots() {
        for pod in ["demo-media-node", "host.local"] {
            let key = ReportKey {
                stream: StreamName::new("default", "demo").unwrap(),
                role: ReportRole::MediaNode,
                pod: pod.to_owned(),
            };
            assert_eq!(ReportKey::parse(&key.to_text()), Some(key));
        }
        for text in ["", "default.demo.trainer", "default.demo.cook.pod", "Default.demo.trainer.pod"] {
            assert_eq!(ReportKey::parse(text), None, "{text}");
        }
    }
}
