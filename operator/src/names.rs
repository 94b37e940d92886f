//! What the operator calls things, beyond what users meet ([`crds::children`]).

use std::fmt;

pub use crds::Role;
use crds::children::pod_name;
use proto::StreamName;

/// Whose fields these are, in `managedFields`.
pub const FIELD_MANAGER: &str = crds::children::MANAGER;
/// Selects every child of every stream.
pub const CHILDREN: &str = "app.kubernetes.io/managed-by=acuity-operator";

/// Annotation: hash of the template a pod was made from.
pub const TEMPLATE_HASH: &str = "acuity.video/template-hash";
/// Annotation: the host port of a media-node, while `media.exposure` is `HostPort`.
pub const MEDIA_PORT: &str = "acuity.video/media-port";
/// Keeps a stream until what NATS holds of it is gone.
pub const FINALIZER: &str = "acuity.video/bus";

/// Which of a stream's pods: `<stream>-<role>-<ordinal>`, and `-cpu` behind it when it stands in on the CPU for one
/// that waits for an accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodName {
    pub role: Role,
    pub ordinal: u32,
    pub stand_in: bool,
}

const STAND_IN: &str = "-cpu";

impl PodName {
    #[must_use]
    pub fn new(role: Role, ordinal: u32) -> Self {
        Self { role, ordinal, stand_in: false }
    }

    #[must_use]
    pub fn stand_in(self) -> Self {
        Self { stand_in: true, ..self }
    }

    /// Media-nodes and enhancers follow each other under changing ordinals, a trainer under its own: pods that do the same
    /// work, one after the other, have the same slot.
    #[must_use]
    pub fn slot(self) -> Self {
        Self { ordinal: if self.role == Role::Trainer { self.ordinal } else { 0 }, ..self }
    }

    #[must_use]
    pub fn of(self, stream: &str) -> String {
        pod_name(stream, self.role, self.ordinal) + if self.stand_in { STAND_IN } else { "" }
    }

    /// The inverse of [`Self::of`].
    #[must_use]
    pub fn parse(stream: &str, name: &str) -> Option<Self> {
        let (name, stand_in) = name.strip_suffix(STAND_IN).map_or((name, false), |name| (name, true));
        let (role, ordinal) = crds::children::parse_pod_name(stream, name)?;
        Some(Self { role, ordinal, stand_in })
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}{}", self.role, self.ordinal, if self.stand_in { STAND_IN } else { "" })
    }
}

/// The Service that trainers and enhancers speak to. One of its own: a Service that is exposed opens all its ports.
#[must_use]
pub fn internal_service(stream: &StreamName) -> String {
    format!("{}-media-node", stream.name())
}

/// The Service of media, where they come through one.
#[must_use]
pub fn media_service(stream: &StreamName) -> String {
    format!("{}-media", stream.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_pod_says_what_it_is() {
        let trainer = PodName::new(Role::Trainer, 12);
        for (name, text) in [
            (PodName::new(Role::MediaNode, 0), "game-night-media-node-0"),
            (trainer, "game-night-trainer-12"),
            (trainer.stand_in(), "game-night-trainer-12-cpu"),
        ] {
            assert_eq!(name.of("game-night"), text);
            assert_eq!(PodName::parse("game-night", text), Some(name));
        }
        for foreign in ["game-night", "game-night-cook-0", "game-trainer-0", "game-night-cpu"] {
            assert_eq!(PodName::parse("game-night", foreign), None, "{foreign}");
        }
    }
}
