//! One namespace, an operator in it, and everybody else who has a part: the user, the kubelet, the garbage collector. They
//! take turns until nothing moves any more.

use bus::Bus;
use control_plane::User;
use crds::{ConditionType, LiveStream, LiveStreamSpec};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use operator::{Context, Credentials, Events, Kind, Metrics, Operator, Watched, client::client};
use serde_json::{Value, json};

use crate::{
    feed::{Feed, subject},
    harness::{Bed, reason},
    picture::{Objects, Picture},
    wire::Wire,
};

/// Nothing is said to move any more when nothing was written for so long.
const QUIET: SignedDuration = SignedDuration::from_mins(10);
/// What takes more turns does not settle.
const TURNS: usize = 2000;

pub(crate) struct World {
    pub(crate) bed: Bed,
    bus: Option<Bus>,
    pub(crate) wire: Wire,
    pub(crate) now: Timestamp,
    pub(crate) operator: Operator,
    feed: Feed,
    blind_for: BlindFor,
    /// What was held back, in order.
    held: Vec<Watched>,
    /// What the watches have shown, by turn.
    pub(crate) history: Vec<Vec<Watched>>,
    /// How many changes of objects the watches have shown since the operator was made blind.
    pub(crate) changes: usize,
    /// Something has moved since everybody looked.
    is_news: bool,
    /// The spec as it was created.
    spec: Value,
    /// Pods that are evicted once, by name.
    failing: Vec<String>,
    pub(crate) restarts: usize,
}

/// What the operator does not get to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlindFor {
    Nothing,
    /// The change of an object that comes after so many others; for ever.
    Change(usize),
    /// Everything of a kind, until it sees again.
    Kind(Kind),
}

impl World {
    pub(crate) async fn new(purpose: &str) -> Self {
        Self::with_bus(purpose, None).await
    }

    pub(crate) async fn with_bus(purpose: &str, bus: Option<Bus>) -> Self {
        let mut bed = Bed::new(purpose).await;
        // One port, lest namespaces differ in it.
        // No node port can be the same number: pictures have a word instead of these.
        bed.options.host_ports = (20900, 20900);
        let wire = Wire::default();
        let now = Timestamp::now();
        let (operator, feed) = start(&bed, &wire, bus.clone(), now);
        Self {
            bed,
            bus,
            wire,
            now,
            operator,
            feed,
            blind_for: BlindFor::Nothing,
            held: Vec::new(),
            history: Vec::new(),
            changes: 0,
            is_news: true,
            spec: Value::Null,
            failing: Vec::new(),
            restarts: 0,
        }
    }

    pub(crate) fn make_blind_for(&mut self, blind_for: BlindFor) {
        (self.blind_for, self.changes) = (blind_for, 0);
    }

    /// What was held back comes now.
    pub(crate) fn make_see(&mut self) {
        self.blind_for = BlindFor::Nothing;
        for message in std::mem::take(&mut self.held) {
            self.operator.handle_watched(message, self.now);
        }
    }

    /// Everything is listed anew.
    pub(crate) fn resync(&mut self) {
        self.make_see();
        self.feed = Feed::start(&self.bed.client, &self.bed.namespace);
        self.is_news = true;
    }

    /// Another process takes over, and knows nothing.
    pub(crate) fn restart(&mut self) {
        self.wire = Wire::default();
        (self.operator, self.feed) = start(&self.bed, &self.wire, self.bus.clone(), self.now);
        self.restarts += 1;
        self.is_news = true;
    }

    /// Another operator of which only `wire` is known; it sees nothing by itself.
    pub(crate) fn other(&self, wire: &Wire) -> Operator {
        start(&self.bed, wire, self.bus.clone(), self.now).0
    }

    pub(crate) async fn objects(&self) -> Objects {
        Objects::list(&self.bed.client, &self.bed.namespace).await
    }

    pub(crate) async fn picture(&self) -> Picture {
        self.objects().await.picture(&self.bed.namespace)
    }

    /// What the stream's status says of a condition: its reason.
    pub(crate) async fn reason(&self, condition: ConditionType) -> Option<String> {
        reason(&self.bed.api::<LiveStream>().get("game").await.unwrap(), condition)
    }

    /// Turns until nothing is written for ten minutes.
    pub(crate) async fn settle(&mut self) {
        self.settle_for(QUIET).await;
    }

    /// Turns until nothing is written for so long.
    pub(crate) async fn settle_for(&mut self, quiet: SignedDuration) {
        let mut quiet_since = self.now;
        for _ in 0..TURNS {
            if self.turn().await {
                quiet_since = self.now;
                continue;
            }
            match self.operator.next_due() {
                Some(at) if at <= quiet_since + quiet => self.now = self.now.max(at),
                _ => {
                    self.now = quiet_since + quiet;
                    return;
                }
            }
        }
        panic!("it does not settle: {:#?}", self.wire.calls());
    }

    /// Everybody looks, and does what there is to do; whether anybody did anything.
    pub(crate) async fn turn(&mut self) -> bool {
        let mut moved = false;
        if self.is_news {
            let objects = self.objects().await;
            let messages = self.feed.until(&objects).await;
            self.history.push(messages.clone());
            for message in messages {
                self.show(message);
            }
            moved = self.others_turn(&objects).await;
        }
        self.is_news = self.operators_turn().await | moved;
        self.is_news
    }

    /// A turn, or else the time until something is due; whether there is anything to wait for.
    pub(crate) async fn turn_or_wait(&mut self) -> bool {
        if self.turn().await {
            return true;
        }
        let due = self.operator.next_due().filter(|at| *at <= self.now + QUIET);
        self.now = due.unwrap_or(self.now + QUIET).max(self.now);
        due.is_some()
    }

    /// It will not last, should it run.
    pub(crate) fn evict_again(&mut self, pod: &str) {
        if self.failing.is_empty() {
            self.failing.push(pod.to_owned());
            self.is_news = true;
        }
    }

    fn show(&mut self, message: Watched) {
        let Some((kind, _)) = subject(&message) else { return self.operator.handle_watched(message, self.now) };
        let index = self.changes;
        self.changes += 1;
        match self.blind_for {
            BlindFor::Change(hidden) if hidden == index => {}
            BlindFor::Kind(hidden) if hidden == kind => self.held.push(message),
            _ => self.operator.handle_watched(message, self.now),
        }
    }

    /// Whether the operator asked for anything.
    async fn operators_turn(&mut self) -> bool {
        let (calls, wire) = (self.wire.count(), self.wire.clone());
        tokio::select! {
            () = self.operator.run_until_idle(self.now) => self.wire.count() > calls,
            () = wire.crashed() => {
                self.restart();
                true
            }
        }
    }

    /// Kubelet and garbage collector; whether they did anything.
    async fn others_turn(&mut self, objects: &Objects) -> bool {
        let failed = |name: &String| objects.get(Kind::Pod, name).is_some_and(|pod| pod["status"]["phase"] == "Failed");
        self.failing.retain(|name| !failed(name));
        let pods = objects.of(Kind::Pod).map(|pod| self.kubelets_turn(pod));
        join_all(pods).await.contains(&true) | self.collectors_turn(objects).await
    }

    async fn kubelets_turn(&self, pod: &Value) -> bool {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let pods = format!("/api/v1/namespaces/{}/pods/{name}", self.bed.namespace);
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            self.request("DELETE", &pods, json!({"gracePeriodSeconds": 0})).await;
            return true;
        }
        let fails = self.failing.iter().any(|failing| failing == name);
        let phase = if fails { "Failed" } else { "Running" };
        if pod["status"]["phase"] == phase || pod["status"]["phase"] == "Failed" {
            return false;
        }
        if pod["spec"]["nodeName"].is_null() {
            let target = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
                "target": {"kind": "Node", "name": "node"}});
            self.request("POST", &format!("{pods}/binding"), target).await;
        }
        let ready = if fails { "False" } else { "True" };
        let condition = |kind| json!({"type": kind, "status": ready, "lastTransitionTime": Time(self.now)});
        let status = json!({"status": {
            "phase": phase, "reason": if fails { json!("Evicted") } else { Value::Null },
            "hostIP": "192.0.2.1", "podIP": "192.0.2.2", "podIPs": [{"ip": "192.0.2.2"}],
            "conditions": [condition("Ready"), condition("ContainersReady")],
        }});
        self.request("PATCH", &format!("{pods}/status"), status).await;
        true
    }

    /// What belongs to nobody any more goes.
    async fn collectors_turn(&self, objects: &Objects) -> bool {
        let streams: Vec<_> = objects.of(Kind::Stream).map(|stream| stream["metadata"]["uid"].clone()).collect();
        let mut moved = false;
        for (path, kind) in [("pods", Kind::Pod), ("services", Kind::Service), ("secrets", Kind::Secret)] {
            for object in objects.of(kind).filter(|object| object["metadata"]["deletionTimestamp"].is_null()) {
                let owner = &object["metadata"]["ownerReferences"][0]["uid"];
                if !owner.is_null() && !streams.contains(owner) {
                    let name = object["metadata"]["name"].as_str().unwrap();
                    let path = format!("/api/v1/namespaces/{}/{path}/{name}", self.bed.namespace);
                    self.request("DELETE", &path, json!({})).await;
                    moved = true;
                }
            }
        }
        moved
    }

    /// What has changed meanwhile gets its turn again.
    async fn request(&self, method: &str, path: &str, body: Value) {
        let patch = "application/strategic-merge-patch+json";
        let format = if method == "PATCH" { patch } else { "application/json" };
        let request = http::Request::builder().method(method).uri(path).header("content-type", format);
        match self.bed.client.request::<Value>(request.body(body.to_string().into_bytes()).unwrap()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
            answer => drop(answer.unwrap()),
        }
    }

    pub(crate) async fn act(&mut self, step: &Step) {
        self.is_news = true;
        let streams = self.bed.api::<LiveStream>();
        match step {
            Step::Create(spec) => {
                let spec: LiveStreamSpec = serde_json::from_value(spec.clone()).unwrap();
                let created = streams.create(&PostParams::default(), &LiveStream::new("game", spec)).await.unwrap();
                self.spec = json!(created.spec);
            }
            Step::Change(spec) => {
                let patch = Patch::Merge(json!({"spec": spec}));
                streams.patch("game", &PatchParams::default(), &patch).await.unwrap();
            }
            Step::ChangeBack => {
                let mut stream = streams.get("game").await.unwrap();
                stream.spec = serde_json::from_value(self.spec.clone()).unwrap();
                streams.replace("game", &PostParams::default(), &stream).await.unwrap();
            }
            Step::Delete => drop(streams.delete("game", &DeleteParams::background()).await.unwrap()),
            Step::Evict(pod) => {
                self.failing.push((*pod).to_owned());
                // It runs already, and the kubelet looks at what does not.
                let path = format!("/api/v1/namespaces/{}/pods/{pod}/status", self.bed.namespace);
                self.request("PATCH", &path, json!({"status": {"phase": "Pending"}})).await;
            }
            Step::DeletePod(pod) => {
                self.bed.api::<Pod>().delete(pod, &DeleteParams::default()).await.unwrap();
            }
        }
    }
}

/// What a user does, or what happens without anybody's wish.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create(Value),
    /// Of the spec; null takes away.
    Change(Value),
    /// To the spec as it was created.
    ChangeBack,
    Delete,
    Evict(&'static str),
    DeletePod(&'static str),
}

/// An operator as a new process is one.
fn start(bed: &Bed, wire: &Wire, bus: Option<Bus>, now: Timestamp) -> (Operator, Feed) {
    let metrics = Metrics::default();
    let account = User::service_account(&bed.namespace, "acuity-operator");
    let client = client(bed.cluster.config_as(&account), &metrics, wire).unwrap();
    let context = Context {
        client: client.clone(),
        options: bed.options.clone(),
        credentials: Credentials::default(),
        bus,
        events: Events::new(client),
        metrics,
    };
    let mut operator = Operator::new(context);
    operator.lead(now);
    (operator, Feed::start(&bed.client, &bed.namespace))
}
