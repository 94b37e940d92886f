//! Names and limits of everything Acuity keeps in NATS.

use std::time::Duration;

use async_nats::jetstream::{consumer, kv, object_store, stream};
use proto::StreamName;

use crate::reports::ReportRole;

pub(crate) const PATCHES: &str = "ACUITY_PATCHES";
pub(crate) const REPORTS: &str = "acuity_reports";
pub(crate) const CHECKPOINTS: &str = "acuity_checkpoints";

/// JetStream's own names of the streams behind the two buckets.
pub(crate) const REPORTS_STREAM: &str = "KV_acuity_reports";
pub(crate) const CHECKPOINTS_STREAM: &str = "OBJ_acuity_checkpoints";

/// The most patches of one stream that are kept.
pub(crate) const MAX_PATCHES: usize = 4096;
/// The longest training patch, in bytes.
pub(crate) const MAX_PATCH_BYTES: usize = 128 << 10;
/// The longest report, in bytes.
pub(crate) const MAX_REPORT_BYTES: usize = 16 << 10;
/// The longest stored object, in bytes: a checkpoint, or weights with both moments of Adam.
pub(crate) const MAX_OBJECT_BYTES: usize = 64 << 20;

const PATCH_AGE: Duration = Duration::from_mins(10);
const REPORT_AGE: Duration = Duration::from_mins(15);
/// What nobody removed (a stream whose last pod died, chunks of a broken upload) is gone after this.
const CHECKPOINT_AGE: Duration = Duration::from_hours(30 * 24);
/// A trainer that has a patch this long without acknowledging it is taken for dead.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// A consumer nobody asks any more is removed.
const CONSUMER_AGE: Duration = Duration::from_hours(1);

pub(crate) fn patch_subject(stream: &StreamName) -> String {
    format!("acuity.patches.{}.{}", stream.namespace(), stream.name())
}

/// Labels hold no underscore, so two streams never share a consumer.
pub(crate) fn patch_consumer(stream: &StreamName) -> String {
    format!("{}_{}", stream.namespace(), stream.name())
}

pub(crate) fn report_key(stream: &StreamName, role: ReportRole, pod: &str) -> String {
    format!("{}.{}.{}.{pod}", stream.namespace(), stream.name(), role.as_str())
}

pub(crate) fn checkpoint_object(stream: &StreamName, version: u64) -> String {
    format!("{stream}/{version}")
}

pub(crate) fn trainer_state_object(stream: &StreamName) -> String {
    format!("{stream}/trainer-state")
}

pub(crate) fn pin_object(stream: &StreamName) -> String {
    format!("{stream}/pin")
}

pub(crate) fn patches_config() -> stream::Config {
    stream::Config {
        name: PATCHES.to_owned(),
        subjects: vec!["acuity.patches.*.*".to_owned()],
        storage: stream::StorageType::File,
        retention: stream::RetentionPolicy::Limits,
        discard: stream::DiscardPolicy::Old,
        max_age: PATCH_AGE,
        max_messages_per_subject: MAX_PATCHES as i64,
        max_message_size: MAX_PATCH_BYTES as i32,
        ..Default::default()
    }
}

pub(crate) fn patch_consumer_config(stream: &StreamName) -> consumer::pull::Config {
    consumer::pull::Config {
        durable_name: Some(patch_consumer(stream)),
        filter_subject: patch_subject(stream),
        ack_policy: consumer::AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_ack_pending: MAX_PATCHES as i64,
        inactive_threshold: CONSUMER_AGE,
        ..Default::default()
    }
}

pub(crate) fn reports_config() -> kv::Config {
    kv::Config {
        bucket: REPORTS.to_owned(),
        history: 1,
        max_age: REPORT_AGE,
        max_value_size: MAX_REPORT_BYTES as i32,
        limit_markers: Some(REPORT_AGE),
        ..Default::default()
    }
}

pub(crate) fn checkpoints_config() -> object_store::Config {
    object_store::Config { bucket: CHECKPOINTS.to_owned(), max_age: CHECKPOINT_AGE, ..Default::default() }
}
