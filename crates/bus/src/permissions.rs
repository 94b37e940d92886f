//! What each role may do, as NATS permissions: the operator and `acuity up` write them into the server's configuration.

use proto::StreamName;

use crate::{
    names::{CHECKPOINTS, CHECKPOINTS_STREAM, PATCHES, REPORTS, REPORTS_STREAM, patch_consumer, patch_subject},
    reports::ReportRole,
};

/// Who connects to NATS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    MediaNode,
    Trainer,
    Enhancer,
    Operator,
}

/// Subjects a user may publish to and subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
}

impl Role {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MediaNode => "media-node",
            Self::Trainer => "trainer",
            Self::Enhancer => "enhancer",
            Self::Operator => "operator",
        }
    }
}

/// The NATS user of a role, of all streams or of one. Inboxes are named after it, so that no user reads another's.
#[must_use]
pub fn user_name(role: Role, stream: Option<&StreamName>) -> String {
    stream.map_or_else(|| role.as_str().to_owned(), |stream| format!("{}_{}", role.as_str(), patch_consumer(stream)))
}

pub(crate) fn inbox_prefix(user: Option<&str>) -> String {
    user.map_or_else(|| "_INBOX".to_owned(), |user| format!("_INBOX_{user}"))
}

/// What `role` needs for its work, for every stream or for one. The object store codes names, so it cannot be narrowed
/// to a stream.
#[must_use]
pub fn permissions(role: Role, stream: Option<&StreamName>) -> Permissions {
    let subscribe = vec![format!("{}.>", inbox_prefix(Some(&user_name(role, stream))))];
    let publish = match role {
        Role::MediaNode => [
            vec![stream.map_or_else(|| "acuity.patches.*.*".to_owned(), patch_subject)],
            vec![format!("$JS.API.CONSUMER.INFO.{PATCHES}.{}", consumer_of(stream))],
            ensure(&[PATCHES, REPORTS_STREAM, CHECKPOINTS_STREAM]),
            write_reports(ReportRole::MediaNode, stream),
            use_checkpoints(),
        ]
        .concat(),
        Role::Trainer => [
            take_patches(stream),
            ensure(&[PATCHES, REPORTS_STREAM, CHECKPOINTS_STREAM]),
            write_reports(ReportRole::Trainer, stream),
            use_checkpoints(),
        ]
        .concat(),
        Role::Enhancer => [ensure(&[REPORTS_STREAM]), write_reports(ReportRole::Enhancer, stream)].concat(),
        Role::Operator => ["$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$KV.acuity_reports.>", "$O.acuity_checkpoints.>"]
            .map(str::to_owned)
            .to_vec(),
    };
    Permissions { publish, subscribe }
}

/// A stream is created or looked at, never changed or deleted.
fn ensure(streams: &[&str]) -> Vec<String> {
    let calls = |name: &&str| [format!("$JS.API.STREAM.INFO.{name}"), format!("$JS.API.STREAM.CREATE.{name}")];
    streams.iter().flat_map(calls).chain(["$JS.API.INFO".to_owned()]).collect()
}

/// The durable consumer of the trainers, and ephemeral ones (named `<durable>-<random>`) for the refill at the start;
/// the filter is part of the subject, so a trainer of one stream sees no other's patches.
fn take_patches(stream: Option<&StreamName>) -> Vec<String> {
    let subject = stream.map_or_else(|| "acuity.patches.*.*".to_owned(), patch_subject);
    let durable = consumer_of(stream);
    vec![
        format!("$JS.API.CONSUMER.CREATE.{PATCHES}.*.{subject}"),
        format!("$JS.API.CONSUMER.INFO.{PATCHES}.*"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{PATCHES}.*"),
        format!("$JS.ACK.{PATCHES}.{durable}.>"),
    ]
}

fn consumer_of(stream: Option<&StreamName>) -> String {
    stream.map_or_else(|| "*".to_owned(), patch_consumer)
}

fn write_reports(role: ReportRole, stream: Option<&StreamName>) -> Vec<String> {
    let of = stream.map_or_else(|| "*.*".to_owned(), |stream| format!("{}.{}", stream.namespace(), stream.name()));
    vec![format!("$KV.{REPORTS}.{of}.{}.>", role.as_str())]
}

fn use_checkpoints() -> Vec<String> {
    vec![
        format!("$O.{CHECKPOINTS}.>"),
        format!("$JS.API.DIRECT.GET.{CHECKPOINTS_STREAM}.>"),
        format!("$JS.API.STREAM.PURGE.{CHECKPOINTS_STREAM}"),
        format!("$JS.API.CONSUMER.CREATE.{CHECKPOINTS_STREAM}"),
        format!("$JS.API.CONSUMER.CREATE.{CHECKPOINTS_STREAM}.>"),
        format!("$JS.API.CONSUMER.INFO.{CHECKPOINTS_STREAM}.*"),
        format!("$JS.FC.{CHECKPOINTS_STREAM}.>"),
    ]
}
