//! The end of a stream: everything of it goes.

use async_nats::jetstream::{ErrorCode, stream::ConsumerErrorKind};
use proto::StreamName;

use crate::{
    Bus, BusError,
    connect::unavailable,
    names::{REPORTS, REPORTS_STREAM, patch_consumer, patch_subject},
};

impl Bus {
    /// Removes what is kept of `stream`: its patches and their consumer, its reports, its checkpoints and its trainer's
    /// state. What is not there is no error; what its pods write afterwards stays until it expires. Those who watch
    /// reports are not told.
    ///
    /// # Errors
    /// When NATS is away, or not all is removed.
    pub async fn delete_stream(&self, stream: &StreamName) -> Result<(), BusError> {
        self.delete_patches(stream).await?;
        self.delete_reports(stream).await?;
        for name in self.objects_of(stream).await? {
            self.remove_object(&name).await?;
        }
        Ok(())
    }

    async fn delete_patches(&self, stream: &StreamName) -> Result<(), BusError> {
        let patches = self.patch_stream().await?;
        match patches.delete_consumer(&patch_consumer(stream)).await {
            Ok(_) => {}
            Err(error) if is_absent(error.kind()) => {}
            Err(error) => return Err(self.patches.lost("removing the consumer of the patches", error)),
        }
        let purged = patches.purge().filter(patch_subject(stream)).await;
        purged.map(drop).map_err(|error| self.patches.lost("removing patches", error))
    }

    async fn delete_reports(&self, stream: &StreamName) -> Result<(), BusError> {
        self.ensure_reports().await?;
        let doing = "removing reports";
        let reports =
            self.context.get_stream_no_info(REPORTS_STREAM).await.map_err(|error| unavailable(doing, error))?;
        let keys = format!("$KV.{REPORTS}.{}.{}.>", stream.namespace(), stream.name());
        let purged = reports.purge().filter(keys).await;
        purged.map(drop).map_err(|error| self.reports.lost(doing, error))
    }
}

fn is_absent(kind: ConsumerErrorKind) -> bool {
    matches!(kind, ConsumerErrorKind::JetStream(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND)
}
