//! Between the watches and the operator: what they show is held until it is asked for, so that a test knows what the
//! operator has seen, and may keep some of it back.

use std::{collections::BTreeMap, time::Duration};

use kube::{Client, runtime::watcher::Event};
use operator::{Kind, Metrics, Watched};
use proto::StreamName;
use tokio::{sync::mpsc, task::JoinSet};

use crate::picture::Objects;

const TIMEOUT: Duration = Duration::from_secs(60);
/// LiveStreams, Pods, Services, Secrets, Ingresses, Nodes.
const WATCHES: usize = 6;

/// The watches of one operator.
pub(crate) struct Feed {
    watched: mpsc::Receiver<Watched>,
    /// What they have shown, as the API server tells versions.
    shown: BTreeMap<(Kind, String), (String, u64)>,
    listed: usize,
    _watches: JoinSet<()>,
}

/// The object that a message is about; `None`: not about one object of a stream.
pub(crate) fn subject(message: &Watched) -> Option<(Kind, String)> {
    object(message).map(|seen| (seen.kind, seen.name))
}

struct Seen {
    kind: Kind,
    name: String,
    uid: String,
    version: u64,
    is_gone: bool,
}

impl Feed {
    pub(crate) fn start(client: &Client, namespace: &str) -> Self {
        let (sender, watched) = mpsc::channel(1024);
        let watches = operator::watch(client, Some(namespace), &Metrics::default(), &sender);
        Self { watched, shown: BTreeMap::new(), listed: 0, _watches: watches }
    }

    /// Everything that is shown until that shows what there is.
    pub(crate) async fn until(&mut self, objects: &Objects) -> Vec<Watched> {
        let expected = versions(objects);
        let mut messages = Vec::new();
        let collect = async {
            while self.listed < WATCHES || self.shown != expected {
                let message = self.watched.recv().await.unwrap();
                self.note(&message);
                messages.push(message);
            }
            // Watches run side by side.
            messages.sort_by_key(kind);
        };
        if tokio::time::timeout(TIMEOUT, collect).await.is_err() {
            panic!("the watches showed {:?}, and there is {expected:?}", self.shown);
        }
        messages
    }

    fn note(&mut self, message: &Watched) {
        if is_end_of_list(message) {
            self.listed += 1;
        }
        let Some(seen) = object(message) else { return };
        let key = (seen.kind, seen.name);
        if seen.is_gone {
            if self.shown.get(&key).is_some_and(|(uid, _)| *uid == seen.uid) {
                self.shown.remove(&key);
            }
        } else {
            self.shown.insert(key, (seen.uid, seen.version));
        }
    }
}

fn versions(objects: &Objects) -> BTreeMap<(Kind, String), (String, u64)> {
    let ours = objects.0.iter().filter(|((kind, _), object)| {
        let manager = &object["metadata"]["labels"]["app.kubernetes.io/managed-by"];
        *kind == Kind::Stream || manager == "acuity-operator"
    });
    let versions = ours.map(|(key, object)| {
        let metadata = &object["metadata"];
        let version = metadata["resourceVersion"].as_str().unwrap().parse().unwrap();
        (key.clone(), (metadata["uid"].as_str().unwrap().to_owned(), version))
    });
    versions.collect()
}

fn kind(message: &Watched) -> Option<Kind> {
    Some(match message {
        Watched::Stream(_) | Watched::Unreadable(_) => Kind::Stream,
        Watched::Pod(_) => Kind::Pod,
        Watched::Service(_) => Kind::Service,
        Watched::Secret(_) => Kind::Secret,
        Watched::Ingress(_) => Kind::Ingress,
        Watched::Gone { kind, .. } => *kind,
        Watched::Node(_) => return None,
    })
}

fn is_end_of_list(message: &Watched) -> bool {
    matches!(
        message,
        Watched::Stream(Event::InitDone)
            | Watched::Pod(Event::InitDone)
            | Watched::Service(Event::InitDone)
            | Watched::Secret(Event::InitDone)
            | Watched::Ingress(Event::InitDone)
            | Watched::Node(Event::InitDone)
    )
}

fn object(message: &Watched) -> Option<Seen> {
    fn of<T>(kind: Kind, event: &Event<(StreamName, T)>, identity: fn(&T) -> (String, String, u64)) -> Option<Seen> {
        let (object, is_gone) = match event {
            Event::Apply((_, object)) | Event::InitApply((_, object)) => (object, false),
            Event::Delete((_, object)) => (object, true),
            Event::Init | Event::InitDone => return None,
        };
        let (name, uid, version) = identity(object);
        Some(Seen { kind, name, uid, version, is_gone })
    }
    macro_rules! meta {
        () => {
            |view| (view.meta.name.clone(), view.meta.uid.clone(), view.meta.version)
        };
    }
    match message {
        Watched::Stream(event) => {
            of(Kind::Stream, event, |stream| (stream.name.to_string(), stream.uid.to_string(), stream.version))
        }
        Watched::Pod(event) => of(Kind::Pod, event, meta!()),
        Watched::Service(event) => of(Kind::Service, event, meta!()),
        Watched::Secret(event) => of(Kind::Secret, event, meta!()),
        Watched::Ingress(event) => of(Kind::Ingress, event, meta!()),
        Watched::Node(_) | Watched::Gone { .. } | Watched::Unreadable(_) => None,
    }
}
