//! Reports of pods: KV bucket `acuity_reports`, key `<namespace>.<name>.<role>.<pod>`.

use futures::stream::BoxStream;
use proto::{StreamName, v1::Report};

use crate::{Bus, BusError};

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

impl Bus {
    /// # Errors
    /// When NATS is away.
    pub async fn ensure_reports(&self) -> Result<(), BusError> {
        todo!()
    }

    /// # Errors
    /// When NATS is away, or the report names no role.
    pub async fn put_report(&self, _report: &Report) -> Result<(), BusError> {
        todo!()
    }

    /// The newest report of each pod of `stream` (of every stream: `None`), then each change; `None` in a pair: gone.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn watch_reports(&self, _stream: Option<&StreamName>) -> Result<BoxStream<'static, (ReportKey, Option<Report>)>, BusError> {
        todo!()
    }
}
