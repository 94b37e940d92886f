//! What the watches have shown, by stream. One task owns it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use crds::{LiveStream, LiveStreamSpec};
use k8s_openapi::{
    api::{
        core::v1::{Node, Pod, Service},
        networking::v1::Ingress,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Resource, ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::watcher::Event,
};
use proto::StreamName;

use crate::nodes::{self, NodeView, Nodes};
use crate::views::{IngressView, PackedStream, PodView, SecretView, ServiceView, parse_version};

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Stream,
    Pod,
    Service,
    Secret,
    Ingress,
}

/// One message of a watch; objects come with the stream they belong to.
#[derive(Clone, Debug)]
pub enum Watched {
    Stream(Event<(StreamName, Arc<PackedStream>)>),
    Pod(Event<(StreamName, Arc<PodView>)>),
    Service(Event<(StreamName, Arc<ServiceView>)>),
    Secret(Event<(StreamName, Arc<SecretView>)>),
    Ingress(Event<(StreamName, Arc<IngressView>)>),
    Node(Event<NodeView>),
    /// A stream that these types cannot read: the operator is older than its definition.
    Unreadable(Event<(StreamName, Arc<InvalidObject>)>),
    /// Looked for, and not there.
    Gone {
        kind: Kind,
        stream: StreamName,
        name: String,
        uid: String,
    },
}

/// Everything watched.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    pub(crate) streams: Store<PackedStream>,
    /// Streams that are there, and cannot be read. None of them is among `streams`.
    pub(crate) unreadable: Store<InvalidObject>,
    pub(crate) pods: Store<PodView>,
    pub(crate) services: Store<ServiceView>,
    pub(crate) secrets: Store<SecretView>,
    pub(crate) ingresses: Store<IngressView>,
    pub(crate) nodes: Nodes,
}

/// Objects of one kind.
#[derive(Debug)]
pub(crate) struct Store<T> {
    /// By name.
    objects: BTreeMap<StreamName, Vec<Arc<T>>>,
    /// Names seen since the list began that is under way.
    listed: Option<HashMap<StreamName, Vec<Box<str>>>>,
    complete: bool,
    progress: u64,
    buried: Buried,
}

/// UIDs of what was last deleted, with the version it was deleted at: what is older and comes later is no longer true.
#[derive(Debug, Default)]
struct Buried {
    versions: HashMap<String, u64>,
    order: VecDeque<String>,
}

pub(crate) trait Stored {
    fn name(&self) -> &str;
    fn uid(&self) -> &str;
    fn version(&self) -> u64;
}

impl Watched {
    pub fn pod(event: Event<Pod>) -> Option<Self> {
        keyed(event, PodView::of).map(Self::Pod)
    }

    pub fn service(event: Event<Service>) -> Option<Self> {
        keyed(event, ServiceView::of).map(Self::Service)
    }

    /// From the metadata alone: what is in a Secret is not kept.
    pub fn secret<K: Resource<DynamicType = ()>>(event: Event<K>) -> Option<Self> {
        keyed(event, SecretView::of).map(Self::Secret)
    }

    pub fn ingress(event: Event<Ingress>) -> Option<Self> {
        keyed(event, IngressView::of).map(Self::Ingress)
    }

    pub fn node(event: Event<Node>) -> Option<Self> {
        map(event, nodes::view).map(Self::Node)
    }

    pub fn stream(event: Event<DeserializeGuard<LiveStream>>) -> Option<Self> {
        if let Event::Apply(DeserializeGuard(Err(unread)))
        | Event::InitApply(DeserializeGuard(Err(unread)))
        | Event::Delete(DeserializeGuard(Err(unread))) = &event
            && unread.metadata.deletion_timestamp.is_none()
        {
            return map(event, |stream| {
                let mut unread = stream.0.err()?;
                unread.metadata.managed_fields = None;
                let name = StreamName::new(unread.metadata.namespace.as_deref()?, unread.metadata.name.as_deref()?);
                Some((name.ok()?, Arc::new(unread)))
            })
            .map(Self::Unreadable);
        }
        map(event, |stream| {
            // Of one that is being deleted the spec does not matter.
            let stream = stream.0.unwrap_or_else(|unread| unread_stream(unread.metadata));
            Some((stream.stream_name().ok()?, Arc::new(PackedStream::of(stream))))
        })
        .map(Self::Stream)
    }
}

/// What is known of a stream that cannot be read.
pub(crate) fn unread_stream(metadata: ObjectMeta) -> LiveStream {
    LiveStream { metadata, spec: LiveStreamSpec::default(), status: None }
}

impl Stores {
    /// Takes in what a watch shows; returns the streams whose picture changed.
    pub(crate) fn handle(&mut self, watched: Watched) -> Vec<StreamName> {
        match watched {
            Watched::Stream(event) => self.handle_stream(event),
            Watched::Unreadable(event) => {
                if let Event::Apply((name, unread)) | Event::InitApply((name, unread)) = &event {
                    self.streams.give_way(name, &**unread);
                }
                self.unreadable.handle(event)
            }
            Watched::Pod(event) => self.pods.handle(event),
            Watched::Service(event) => self.services.handle(event),
            Watched::Secret(event) => self.secrets.handle(event),
            Watched::Ingress(event) => self.ingresses.handle(event),
            Watched::Node(event) => {
                let Some(changed) = self.nodes.handle(event) else { return Vec::new() };
                let there = self.pods.iter().filter(|(_, pod)| pod.node.as_deref() == Some(changed.as_str()));
                there.map(|(stream, _)| stream.clone()).collect()
            }
            Watched::Gone { kind, stream, name, uid } => {
                let gone = match kind {
                    Kind::Stream => self.streams.forget(stream, &name, &uid),
                    Kind::Pod => self.pods.forget(stream, &name, &uid),
                    Kind::Service => self.services.forget(stream, &name, &uid),
                    Kind::Secret => self.secrets.forget(stream, &name, &uid),
                    Kind::Ingress => self.ingresses.forget(stream, &name, &uid),
                };
                gone.into_iter().collect()
            }
        }
    }

    /// One watch shows streams that can be read and others: one list begins and ends for both.
    fn handle_stream(&mut self, event: Event<(StreamName, Arc<PackedStream>)>) -> Vec<StreamName> {
        let mut changed = match &event {
            Event::Init => self.unreadable.handle(Event::Init),
            Event::InitDone => self.unreadable.handle(Event::InitDone),
            Event::Apply((name, stream)) | Event::InitApply((name, stream)) | Event::Delete((name, stream)) => {
                self.unreadable.give_way(name, &**stream);
                Vec::new()
            }
        };
        changed.extend(self.streams.handle(event));
        changed
    }

    /// Everything there is has been seen once.
    pub(crate) fn are_complete(&self) -> bool {
        let ours = self.streams.complete && self.pods.complete && self.services.complete;
        ours && self.secrets.complete && self.ingresses.complete && self.nodes.complete
    }

    /// The newest version seen of any object of `kind`: all older ones have been seen as well.
    pub(crate) fn progress(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Stream => self.streams.progress.max(self.unreadable.progress),
            Kind::Pod => self.pods.progress,
            Kind::Service => self.services.progress,
            Kind::Secret => self.secrets.progress,
            Kind::Ingress => self.ingresses.progress,
        }
    }
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), listed: None, complete: false, progress: 0, buried: Buried::default() }
    }
}

impl<T: Stored> Store<T> {
    /// The objects of `stream`, by name.
    pub(crate) fn of(&self, stream: &StreamName) -> impl Iterator<Item = &Arc<T>> {
        self.objects.get(stream).into_iter().flatten()
    }

    pub(crate) fn first_of(&self, stream: &StreamName) -> Option<&Arc<T>> {
        self.of(stream).next()
    }

    pub(crate) fn named(&self, stream: &StreamName, name: &str) -> Option<&Arc<T>> {
        self.of(stream).find(|object| object.name() == name)
    }

    /// Each object with its stream.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&StreamName, &Arc<T>)> {
        self.objects.iter().flat_map(|(stream, objects)| objects.iter().map(move |object| (stream, object)))
    }

    fn handle(&mut self, event: Event<(StreamName, Arc<T>)>) -> Vec<StreamName> {
        match event {
            Event::Init => {
                self.listed = Some(HashMap::new());
                Vec::new()
            }
            Event::InitApply((stream, object)) => {
                if let Some(listed) = &mut self.listed {
                    listed.entry(stream.clone()).or_default().push(object.name().into());
                }
                self.insert(stream, object).into_iter().collect()
            }
            Event::InitDone => {
                self.complete = true;
                let Some(listed) = self.listed.take() else { return Vec::new() };
                let is_listed = |stream: &StreamName, object: &T| {
                    listed.get(stream).is_some_and(|names| names.iter().any(|name| **name == *object.name()))
                };
                let gone = self.iter().filter(|(stream, object)| !is_listed(stream, object));
                let gone: Vec<_> = gone.map(|(stream, object)| (stream.clone(), object.clone())).collect();
                gone.into_iter().filter_map(|(stream, object)| self.take(stream, object.name())).collect()
            }
            Event::Apply((stream, object)) => self.insert(stream, object).into_iter().collect(),
            Event::Delete((stream, object)) => self.remove(stream, &object).into_iter().collect(),
        }
    }

    /// What is older than what is known is left out.
    fn insert(&mut self, stream: StreamName, object: Arc<T>) -> Option<StreamName> {
        self.progress = self.progress.max(object.version());
        let is_old = self.named(&stream, object.name()).is_some_and(|known| known.version() >= object.version());
        if is_old || self.buried.knows_better(object.uid(), object.version()) {
            return None;
        }
        let objects = self.objects.entry(stream.clone()).or_default();
        match objects.binary_search_by(|known| known.name().cmp(object.name())) {
            Ok(place) => objects[place] = object,
            Err(place) => objects.insert(place, object),
        }
        Some(stream)
    }

    /// Takes the object of that name away, when there is one.
    fn take(&mut self, stream: StreamName, name: &str) -> Option<StreamName> {
        let objects = self.objects.get_mut(&stream)?;
        let place = objects.iter().position(|object| object.name() == name)?;
        objects.remove(place);
        if objects.is_empty() {
            self.objects.remove(&stream);
        }
        Some(stream)
    }

    fn forget(&mut self, stream: StreamName, name: &str, uid: &str) -> Option<StreamName> {
        self.buried.bury(uid, u64::MAX);
        self.named(&stream, name).filter(|known| known.uid() == uid)?;
        self.take(stream, name)
    }

    /// The same object, or one of its name, is newer and of another kind.
    fn give_way(&mut self, stream: &StreamName, to: &impl Stored) {
        if self.named(stream, to.name()).is_some_and(|known| known.version() < to.version()) {
            self.take(stream.clone(), to.name());
        }
    }

    /// The deletion of an older object of this name changes nothing.
    fn remove(&mut self, stream: StreamName, object: &T) -> Option<StreamName> {
        self.progress = self.progress.max(object.version());
        self.buried.bury(object.uid(), object.version());
        let known = self.named(&stream, object.name())?;
        if known.uid() != object.uid() && known.version() > object.version() {
            return None;
        }
        self.take(stream, object.name())
    }
}

impl Buried {
    const MOST: usize = 4096;

    fn bury(&mut self, uid: &str, version: u64) {
        if self.versions.insert(uid.to_owned(), version).is_some() {
            return;
        }
        self.order.push_back(uid.to_owned());
        if self.order.len() > Self::MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.versions.remove(&oldest);
        }
    }

    /// One that has merely lost its labels is shown as deleted, too; it comes back with the same version or a newer one.
    fn knows_better(&self, uid: &str, version: u64) -> bool {
        self.versions.get(uid).is_some_and(|buried| version < *buried)
    }
}

macro_rules! stored_views {
    ($($view:ty),+) => {
        $(impl Stored for $view {
            fn name(&self) -> &str {
                &self.meta.name
            }

            fn uid(&self) -> &str {
                &self.meta.uid
            }

            fn version(&self) -> u64 {
                self.meta.version
            }
        })+
    };
}

stored_views!(PodView, ServiceView, SecretView, IngressView);

impl Stored for PackedStream {
    fn name(&self) -> &str {
        &self.name
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn version(&self) -> u64 {
        self.version
    }
}

impl Stored for InvalidObject {
    fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version.as_deref().and_then(parse_version).unwrap_or(0)
    }
}

/// The stream an object belongs to: the one that controls it, else the one its label names.
fn stream_of<K: Resource<DynamicType: Default>>(object: &K) -> Option<StreamName> {
    let kind = LiveStream::kind(&());
    let owner = object.owner_references().iter().find(|owner| owner.controller == Some(true) && owner.kind == kind);
    let name = match owner {
        Some(owner) => &owner.name,
        None => object.labels().get(crds::children::STREAM_LABEL)?,
    };
    StreamName::new(object.meta().namespace.as_deref()?, name).ok()
}

fn keyed<K, T>(event: Event<K>, view: fn(&K) -> Option<T>) -> Option<Event<(StreamName, Arc<T>)>>
where
    K: Resource<DynamicType: Default>,
{
    map(event, |object| Some((stream_of(&object)?, Arc::new(view(&object)?))))
}

/// `None`: the object is nothing of ours.
fn map<A, B>(event: Event<A>, view: impl FnOnce(A) -> Option<B>) -> Option<Event<B>> {
    Some(match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::Apply(object) => Event::Apply(view(object)?),
        Event::InitApply(object) => Event::InitApply(view(object)?),
        Event::Delete(object) => Event::Delete(view(object)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{PodName, Role};

    const POD: PodName = PodName { role: Role::MediaNode, ordinal: 0, stand_in: false };

    fn stream() -> StreamName {
        StreamName::new("games", "game").unwrap()
    }

    fn pod(uid: &str, version: u64) -> (StreamName, Arc<PodView>) {
        let mut pod = PodView::for_tests(POD);
        (pod.meta.uid, pod.meta.version) = (uid.to_owned(), version);
        (stream(), pod.into())
    }

    /// UID and version of the pod, after these events.
    fn after(events: Vec<Event<(StreamName, Arc<PodView>)>>) -> Option<(String, u64)> {
        let mut store = Store::default();
        for event in events {
            store.handle(event);
        }
        store.first_of(&stream()).map(|pod| (pod.meta.uid.clone(), pod.meta.version))
    }

    #[test]
    fn the_newest_is_kept_whatever_comes_later() {
        let known = |uid: &str, version| Some((uid.to_owned(), version));
        let (apply, delete) =
            (|uid, version| Event::Apply(pod(uid, version)), |uid, version| Event::Delete(pod(uid, version)));
        assert_eq!(after(vec![apply("a", 1), apply("a", 3), apply("a", 2)]), known("a", 3));
        assert_eq!(after(vec![apply("a", 1), delete("a", 2)]), None);
        assert_eq!(after(vec![apply("a", 1), delete("a", 3), apply("a", 2)]), None, "an answer that was late");
        assert_eq!(after(vec![apply("a", 1), delete("a", 2), apply("a", 2)]), known("a", 2), "it had lost its labels");
        assert_eq!(after(vec![apply("a", 1), apply("b", 5), delete("a", 4)]), known("b", 5), "another one of its name");
    }

    #[test]
    fn a_list_shows_what_the_watch_kept_to_itself() {
        let mut store = Store::default();
        store.handle(Event::Apply(pod("a", 1)));
        store.handle(Event::Init);
        assert_eq!(store.handle(Event::InitDone), [stream()]);
        store.handle(Event::Apply(pod("a", 1)));
        assert!(store.first_of(&stream()).is_some(), "a list may be older than what comes after it");
    }

    #[test]
    fn a_stream_is_readable_or_not_as_it_was_last_shown() {
        let metadata = |version: u64| ObjectMeta {
            name: Some("game".to_owned()),
            uid: Some("a".to_owned()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        };
        let packed = |version| Arc::new(PackedStream::of(unread_stream(metadata(version))));
        let readable = |version| Watched::Stream(Event::Apply((stream(), packed(version))));
        let unreadable = |version| {
            let object = InvalidObject { error: "why".to_owned(), metadata: metadata(version) };
            Watched::Unreadable(Event::Apply((stream(), Arc::new(object))))
        };
        let check = |shown: Vec<Watched>, expected: (bool, bool)| {
            let mut stores = Stores::default();
            shown.into_iter().for_each(|watched| drop(stores.handle(watched)));
            let there = (stores.streams.first_of(&stream()).is_some(), stores.unreadable.first_of(&stream()).is_some());
            assert_eq!(there, expected);
        };
        check(vec![readable(1), unreadable(2)], (false, true));
        check(vec![readable(1), unreadable(2), readable(3)], (true, false));
        let listed_without = vec![unreadable(2), Watched::Stream(Event::Init), Watched::Stream(Event::InitDone)];
        check(listed_without, (false, false));
    }

    #[test]
    fn one_that_was_looked_for_in_vain_is_gone() {
        let mut store = Store::default();
        store.handle(Event::Apply(pod("a", 1)));
        assert_eq!(store.forget(stream(), &POD.of("game"), "another"), None);
        assert_eq!(store.forget(stream(), &POD.of("game"), "a"), Some(stream()));
        assert_eq!(store.handle(Event::Apply(pod("a", 9))), []);
    }
}
