//! Names and labels of what a stream owns. Deterministic: the same stream has the same children for ever.

use std::{collections::BTreeMap, fmt};

/// What a pod of a stream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    MediaNode,
    Enhancer,
    Trainer,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::MediaNode, Self::Enhancer, Self::Trainer];

    /// As in names, labels and images.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MediaNode => "media-node",
            Self::Enhancer => "enhancer",
            Self::Trainer => "trainer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub const NAME_LABEL: &str = "app.kubernetes.io/name";
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
pub const STREAM_LABEL: &str = "acuity.video/stream";
/// A pod's own name: the stream's Services select the one media-node that serves by it.
pub const POD_LABEL: &str = "acuity.video/pod";

/// Value of [`MANAGED_BY_LABEL`], and the operator's name as a field manager.
pub const MANAGER: &str = "acuity-operator";

/// Pod annotation that holds where publishers and viewers reach the media-node: `IP:PORT`, separated by commas.
pub const ADVERTISED_ADDRESSES_ANNOTATION: &str = "acuity.video/advertised-addresses";
/// Readiness gate of media-nodes: the operator reached the advertised addresses.
pub const REACHABLE_GATE: &str = "acuity.video/Reachable";

#[must_use]
pub fn pod_name(stream: &str, role: Role, ordinal: u32) -> String {
    format!("{stream}-{role}-{ordinal}")
}

/// What [`pod_name`] made `name` from: the role and the ordinal, when `name` is of `stream`.
#[must_use]
pub fn parse_pod_name(stream: &str, name: &str) -> Option<(Role, u32)> {
    let rest = name.strip_prefix(stream)?.strip_prefix('-')?;
    let (role, ordinal) = rest.rsplit_once('-')?;
    let role = Role::ALL.into_iter().find(|candidate| candidate.as_str() == role)?;
    let ordinal = ordinal.parse().ok()?;
    (pod_name(stream, role, ordinal) == name).then_some((role, ordinal))
}

#[must_use]
pub fn service_name(stream: &str) -> String {
    stream.to_owned()
}

/// The Secret with the stream's internal token and its credentials for NATS.
#[must_use]
pub fn secret_name(stream: &str) -> String {
    format!("{stream}-acuity")
}

/// Labels of everything the operator makes for a stream.
#[must_use]
pub fn labels(stream: &str) -> BTreeMap<String, String> {
    [(NAME_LABEL, "acuity"), (INSTANCE_LABEL, stream), (MANAGED_BY_LABEL, MANAGER), (STREAM_LABEL, stream)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Labels of a stream's pods of one role.
#[must_use]
pub fn pod_labels(stream: &str, role: Role) -> BTreeMap<String, String> {
    let mut labels = labels(stream);
    labels.insert(COMPONENT_LABEL.to_owned(), role.as_str().to_owned());
    labels
}

/// Selects a stream's pods of one role.
#[must_use]
pub fn selector(stream: &str, role: Role) -> String {
    format!("{STREAM_LABEL}={stream},{COMPONENT_LABEL}={role}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_name_tells_role_and_ordinal() {
        for role in Role::ALL {
            let name = pod_name("game-night", role, 12);
            assert_eq!(parse_pod_name("game-night", &name), Some((role, 12)));
        }
    }

    #[test]
    fn names_of_others_tell_nothing() {
        for name in [
            "game-night",
            "game-night-trainer",
            "game-night-trainer-",
            "game-night-trainer-01",
            "game-night-trainer-+1",
            "game-night-coach-0",
            "other-trainer-0",
            "game-night-2-trainer-0",
        ] {
            assert_eq!(parse_pod_name("game-night", name), None, "{name}");
        }
    }

    #[test]
    fn every_name_of_the_longest_stream_is_a_dns_label() {
        let stream = "a".repeat(40);
        for role in Role::ALL {
            assert!(pod_name(&stream, role, 9999).len() <= 63);
        }
        assert!(secret_name(&stream).len() <= 63);
    }

    #[test]
    fn the_selector_selects_by_labels_that_pods_have() {
        let labels = pod_labels("game-night", Role::Trainer);
        for pair in selector("game-night", Role::Trainer).split(',') {
            let (key, value) = pair.split_once('=').unwrap();
            assert_eq!(labels[key], value);
        }
    }
}
