//! What there is in a namespace, all of it; and the same without what is new each time.

use std::{cmp::Reverse, collections::BTreeMap};

use futures::future::join_all;
use kube::Client;
use operator::Kind;
use serde_json::{Value, json};

/// Objects as the API server has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects(pub(crate) BTreeMap<(Kind, String), Value>);

const KINDS: [(Kind, &str); 5] = [
    (Kind::Stream, "apis/acuity.video/v1alpha1/namespaces/NS/livestreams"),
    (Kind::Pod, "api/v1/namespaces/NS/pods"),
    (Kind::Service, "api/v1/namespaces/NS/services"),
    (Kind::Secret, "api/v1/namespaces/NS/secrets"),
    (Kind::Ingress, "apis/networking.k8s.io/v1/namespaces/NS/ingresses"),
];

impl Objects {
    pub(crate) async fn list(client: &Client, namespace: &str) -> Self {
        let lists = KINDS.map(|(kind, path)| async move {
            let list = get(client, &format!("/{}", path.replace("NS", namespace))).await;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            items.into_iter().map(move |item| ((kind, text(&item["metadata"]["name"]).to_owned()), item))
        });
        Self(join_all(lists).await.into_iter().flatten().collect())
    }

    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |((of, _), _)| *of == kind).map(|(_, object)| object)
    }

    pub(crate) fn get(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.0.get(&(kind, name.to_owned()))
    }

    /// Without names that the cluster made up, versions and times.
    pub(crate) fn picture(&self, namespace: &str) -> Picture {
        let mut made_up = MadeUp::from([(namespace.to_owned(), "NS".to_owned())]);
        for ((kind, name), object) in &self.0 {
            made_up.push((text(&object["metadata"]["uid"]).to_owned(), format!("UID of {kind:?} {name}")));
            for address in object["spec"]["clusterIPs"].as_array().into_iter().flatten() {
                made_up.push((text(address).to_owned(), format!("address of {name}")));
            }
        }
        for port in self.of(Kind::Service).flat_map(|service| service["spec"]["ports"].as_array().into_iter().flatten())
        {
            if let Some(port) = port["nodePort"].as_u64() {
                made_up.push((port.to_string(), "PORT".to_owned()));
            }
        }
        made_up.retain(|(name, _)| !name.is_empty());
        // An address may begin with another.
        made_up.sort_by_key(|(name, _)| Reverse(name.len()));
        let objects = self.0.iter().map(|((kind, name), object)| {
            let mut object = object.clone();
            strip(&mut object);
            // It is of the namespace, too; what it is made from is there.
            if let Some(hash) = object.pointer_mut("/metadata/annotations/acuity.video~1template-hash") {
                *hash = json!("…");
            }
            if *kind == Kind::Secret {
                let values = object["data"].as_object_mut().into_iter().flat_map(|data| data.values_mut());
                values.for_each(|value| *value = json!(text(value).len()));
            }
            rename(&mut object, &made_up);
            (format!("{kind:?} {name}"), object)
        });
        Picture(objects.collect())
    }
}

/// An idle connection may be closed at the moment in which it is used again.
async fn get(client: &Client, path: &str) -> Value {
    let request = || http::Request::get(path).body(Vec::new()).unwrap();
    match client.request(request()).await {
        Err(kube::Error::Service(_) | kube::Error::HyperError(_)) => client.request(request()).await.unwrap(),
        answer => answer.unwrap(),
    }
}

/// Equal for equal clusters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Picture(BTreeMap<String, Value>);

impl Picture {
    /// Without how often something was changed, and who wrote what.
    pub(crate) fn without_history(mut self) -> Self {
        self.0.values_mut().for_each(forget_history);
        self
    }

    /// Whichever of two names a successor has: that depends on whether the one before was still there.
    pub(crate) fn whatever_ordinals(self) -> Self {
        let mut text = json!(self.0).to_string();
        for role in ["media-node", "enhancer"] {
            let pods: Vec<_> = self.0.keys().filter_map(|key| key.strip_prefix(&format!("Pod game-{role}-"))).collect();
            if let [ordinal] = pods[..] {
                text = text.replace(&format!("game-{role}-{ordinal}"), &format!("game-{role}-0"));
            }
        }
        Self(serde_json::from_str(&text).unwrap())
    }

    /// Every value in which they differ, by where it is.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        compare("", &json!(self.0), &json!(other.0), &mut found);
        found
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Times and versions; who wrote what stays, in an order that does not depend on when.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for volatile in ["resourceVersion", "creationTimestamp", "lastTransitionTime", "time", "startTime"] {
                fields.remove(volatile);
            }
            fields.values_mut().for_each(strip);
            if let Some(Value::Array(writers)) = fields.get_mut("managedFields") {
                writers.sort_by_key(ToString::to_string);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}

/// What stands for each thing that the cluster made up.
type MadeUp = Vec<(String, String)>;

/// In texts and names of fields, wherever it stands in them, and node ports.
fn rename(value: &mut Value, made_up: &MadeUp) {
    let renamed = |text: String| made_up.iter().fold(text, |text, (from, to)| text.replace(from, to));
    match value {
        Value::String(text) => *text = renamed(std::mem::take(text)),
        Value::Object(fields) => {
            if let Some(port) = fields.get_mut("nodePort") {
                *port = json!(0);
            }
            *fields = std::mem::take(fields).into_iter().map(|(name, field)| (renamed(name), field)).collect();
            fields.values_mut().for_each(|value| rename(value, made_up));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, made_up)),
        _ => {}
    }
}

fn forget_history(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for counted in ["generation", "observedGeneration", "managedFields"] {
                fields.remove(counted);
            }
            fields.values_mut().for_each(forget_history);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_history),
        _ => {}
    }
}

fn compare(at: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<_> = one.keys().chain(other.keys()).collect();
            names.sort();
            names.dedup();
            let nothing = Value::Null;
            for name in names {
                let (one, other) = (one.get(name).unwrap_or(&nothing), other.get(name).unwrap_or(&nothing));
                compare(&format!("{at}/{name}"), one, other, found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{at}/{index}"), one, other, found);
            }
        }
        _ if one != other => found.push(format!("{at}: {one} became {other}")),
        _ => {}
    }
}
