//! A stream as the API server shows it, packed into a third of the room: most streams are idle most of the time.

use crds::LiveStream;
use kube::ResourceExt;

use super::parse_version;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedStream {
    pub name: Box<str>,
    pub uid: Box<str>,
    pub version: u64,
    json: Box<[u8]>,
}

impl PackedStream {
    /// Without the fields' managers, which nobody asks for.
    #[must_use]
    pub fn of(mut stream: LiveStream) -> Self {
        stream.metadata.managed_fields = None;
        Self {
            name: stream.name_any().into(),
            uid: stream.uid().unwrap_or_default().into(),
            version: stream.resource_version().as_deref().and_then(parse_version).unwrap_or(0),
            json: serde_json::to_vec(&stream).expect("its keys are strings").into(),
        }
    }

    #[must_use]
    pub fn open(&self) -> LiveStream {
        serde_json::from_slice(&self.json).expect("it was packed from one")
    }
}

#[cfg(test)]
mod tests {
    use crds::{LiveStreamSpec, conditions::Ready, conditions::condition};
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_packed_is_what_comes_out() {
        let spec = json!({
            "relay": {"signalling": {"exposure": "Ingress", "host": "game.example.com"}},
            "training": {"replicas": 2, "autoscaling": {"mode": "Fixed"}},
            "pods": {"trainer": {"nodeSelector": {"zone": "a"}, "resources": {"limits": {"cpu": "1500m"}}}},
        });
        let spec: LiveStreamSpec = serde_json::from_value(spec).unwrap();
        let mut stream = LiveStream::new("game", spec);
        stream.metadata.uid = Some("5e5b".to_owned());
        stream.metadata.resource_version = Some("7".to_owned());
        let mut status = crds::LiveStreamStatus::default();
        status.set_condition(condition(Ready::Accepting, "why", 1, &Time(Timestamp::UNIX_EPOCH)));
        stream.status = Some(status);
        let packed = PackedStream::of(stream.clone());
        assert_eq!((&*packed.name, &*packed.uid, packed.version), ("game", "5e5b", 7));
        assert_eq!(json!(packed.open()), json!(stream));
    }
}
