//! `<namespace>/<name>`: how a stream is named in every input, subject, key and message.

use std::{fmt, str::FromStr};

use crate::v1::StreamId;

/// The name of a stream. Both parts are DNS labels (RFC 1123), the name at most 40 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName {
    namespace: String,
    name: String,
}

/// Why a text names no stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamNameError {
    #[error("stream {0:?} is not <namespace>/<name>, for example default/demo")]
    Shape(String),
    #[error(
        "{part} {text:?} is not a DNS label: use 1 to {limit} of a-z, 0-9 and -, with a letter or digit at both ends"
    )]
    Label { part: &'static str, text: String, limit: usize },
}

const MAX_NAMESPACE: usize = 63;
const MAX_NAME: usize = 40;

impl StreamName {
    /// # Errors
    /// When a part is not a DNS label of its allowed length.
    pub fn new(namespace: &str, name: &str) -> Result<Self, StreamNameError> {
        check_label("namespace", namespace, MAX_NAMESPACE)?;
        check_label("name", name, MAX_NAME)?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn to_id(&self) -> StreamId {
        StreamId { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

fn check_label(part: &'static str, text: &str, limit: usize) -> Result<(), StreamNameError> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let well_formed =
        (1..=limit).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-');
    well_formed.then_some(()).ok_or_else(|| StreamNameError::Label {
        part,
        text: text.chars().take(80).collect(),
        limit,
    })
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) =
            text.split_once('/').ok_or_else(|| StreamNameError::Shape(text.chars().take(80).collect()))?;
        Self::new(namespace, name)
    }
}

impl TryFrom<&StreamId> for StreamName {
    type Error = StreamNameError;

    fn try_from(id: &StreamId) -> Result<Self, Self::Error> {
        Self::new(&id.namespace, &id.name)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_labels_name_a_stream() {
        let name: StreamName = "default/game-night".parse().unwrap();
        assert_eq!((name.namespace(), name.name()), ("default", "game-night"));
        assert_eq!(name.to_string(), "default/game-night");
        assert_eq!(StreamName::try_from(&name.to_id()), Ok(name));
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("default/{}", "a".repeat(41));
        for text in [
            "",
            "demo",
            "default/",
            "/demo",
            "a/b/c",
            "Default/demo",
            "default/-demo",
            "default/demo-",
            "a/b.c",
            "a/ü",
            &long,
        ] {
            assert!(text.parse::<StreamName>().is_err(), "{text:?} was accepted");
        }
        assert!(format!("default/{}", "a".repeat(40)).parse::<StreamName>().is_ok());
    }
}
