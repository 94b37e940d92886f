//! Files of a pod: secrets, its addresses, room for temporary ones.

use crds::{LiveStream, Role, SecretKeyRef, children::ADVERTISED_ADDRESSES_ANNOTATION, children::secret_name};
use k8s_openapi::api::core::v1::{
    DownwardAPIProjection, DownwardAPIVolumeFile, EmptyDirVolumeSource, KeyToPath, ObjectFieldSelector,
    ProjectedVolumeSource, SecretProjection, Volume, VolumeMount, VolumeProjection,
};
use proto::StreamName;

/// Keys of the stream's Secret.
pub(crate) const INTERNAL_TOKEN_KEY: &str = "internal-token";

pub(super) const FOLDER: &str = "/etc/acuity";
pub(super) const INTERNAL_TOKEN: &str = "/etc/acuity/internal-token";
pub(super) const NATS_CREDENTIALS: &str = "/etc/acuity/nats";
pub(super) const PUBLISH_TOKEN: &str = "/etc/acuity/publish-token";
pub(super) const VIEW_TOKEN: &str = "/etc/acuity/view-token";
pub(super) const ADVERTISED_ADDRESSES: &str = "/etc/acuity/advertised-addresses";
const TEMPORARY: &str = "/tmp";

/// Readable by the pod's group.
const MODE: i32 = 0o440;

/// The key of the stream's Secret that holds a role's `user:password` for NATS.
pub(crate) fn nats_key(role: Role) -> String {
    format!("nats-{role}")
}

pub(super) fn volumes(stream: &LiveStream, name: &StreamName, role: Role) -> Vec<Volume> {
    let own = secret(
        &secret_name(name.name()),
        &[(INTERNAL_TOKEN_KEY, INTERNAL_TOKEN), (nats_key(role).as_str(), NATS_CREDENTIALS)],
    );
    let mut sources = vec![own];
    if role == Role::MediaNode {
        let spec = &stream.spec;
        let token = |reference: &Option<SecretKeyRef>, path| {
            reference.as_ref().map(|reference| secret(&reference.name, &[(reference.key.as_str(), path)]))
        };
        sources.extend(token(&spec.ingest.publish_token_secret_ref, PUBLISH_TOKEN));
        sources.extend(token(&spec.relay.view_token_secret_ref, VIEW_TOKEN));
        sources.push(advertised_addresses());
    }
    let files = ProjectedVolumeSource { default_mode: Some(MODE), sources: Some(sources) };
    vec![
        Volume { name: "acuity".to_owned(), projected: Some(files), ..Volume::default() },
        Volume { name: "tmp".to_owned(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() },
    ]
}

pub(super) fn mounts() -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    };
    vec![mount("acuity", FOLDER, Some(true)), mount("tmp", TEMPORARY, None)]
}

fn secret(name: &str, files: &[(&str, &str)]) -> VolumeProjection {
    let items = files.iter().map(|(key, path)| KeyToPath { key: (*key).to_owned(), path: in_folder(path), mode: None });
    let secret = SecretProjection { name: name.to_owned(), items: Some(items.collect()), optional: None };
    VolumeProjection { secret: Some(secret), ..VolumeProjection::default() }
}

/// The annotation, which the operator writes once it knows the addresses.
fn advertised_addresses() -> VolumeProjection {
    let field = ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: format!("metadata.annotations['{ADVERTISED_ADDRESSES_ANNOTATION}']"),
    };
    let file = DownwardAPIVolumeFile {
        path: in_folder(ADVERTISED_ADDRESSES),
        field_ref: Some(field),
        ..DownwardAPIVolumeFile::default()
    };
    let addresses = DownwardAPIProjection { items: Some(vec![file]) };
    VolumeProjection { downward_api: Some(addresses), ..VolumeProjection::default() }
}

fn in_folder(path: &str) -> String {
    path.strip_prefix(FOLDER).unwrap_or(path).trim_start_matches('/').to_owned()
}
