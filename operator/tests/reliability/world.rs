//! One namespace, an operator in it, and everybody else who has a part: the user, the kubelet, the garbage collector. They
//! take turns until nothing moves any more.

use control_plane::User;
use crds::{LiveStream, LiveStreamSpec};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use operator::{Context, Credentials, Events, Kind, Metrics, Operator, Watched, client::client};
use serde_json::{Value, json};

use crate::{
    feed::Feed,
    harness::Bed,
    picture::{Objects, Picture},
    wire::Wire,
};

/// Nothing is said to move any more when nothing was written for so long.
const QUIET: SignedDuration = SignedDuration::from_mins(10);
/// What takes more turns does not settle.
const TURNS: usize = 2000;

pub(crate) struct World {
    pub(crate) bed: Bed,
    pub(crate) wire: Wire,
    pub(crate) now: Timestamp,
    pub(crate) operator: Operator,
    feed: Feed,
    /// Which messages of the watches the operator gets.
    shows: Box<dyn FnMut(&Watched) -> bool + Send>,
    /// Pods that fail once, by name.
    failing: Vec<String>,
    pub(crate) restarts: usize,
}

impl World {
    pub(crate) async fn new(purpose: &str) -> Self {
        let mut bed = Bed::new(purpose).await;
        // One port, lest namespaces differ in it.
        bed.options.host_ports = (30900, 30900);
        let wire = Wire::default();
        let now = Timestamp::now();
        let (operator, feed) = start(&bed, &wire, now);
        Self { bed, wire, now, operator, feed, shows: Box::new(|_| true), failing: Vec::new(), restarts: 0 }
    }

    /// From now on only these messages of the watches come through.
    pub(crate) fn show_only(&mut self, shows: impl FnMut(&Watched) -> bool + Send + 'static) {
        self.shows = Box::new(shows);
    }

    /// The operator lists everything anew.
    pub(crate) fn resync(&mut self) {
        self.show_only(|_| true);
        self.feed = Feed::start(&self.bed.client, &self.bed.namespace);
    }

    /// Another process takes over, and knows nothing.
    pub(crate) fn restart(&mut self) {
        self.wire = Wire::default();
        (self.operator, self.feed) = start(&self.bed, &self.wire, self.now);
        self.restarts += 1;
    }

    pub(crate) async fn objects(&self) -> Objects {
        Objects::list(&self.bed.client, &self.bed.namespace).await
    }

    pub(crate) async fn picture(&self) -> Picture {
        self.objects().await.picture(&self.bed.namespace)
    }

    /// Turns until nothing is written for ten minutes.
    pub(crate) async fn settle(&mut self) {
        let mut quiet_since = self.now;
        let mut is_news = true;
        for _ in 0..TURNS {
            let mut moved = false;
            if is_news {
                let objects = self.objects().await;
                for message in self.feed.until(&objects).await {
                    if (self.shows)(&message) {
                        self.operator.handle_watched(message, self.now);
                    }
                }
                moved = self.others_turn(&objects).await;
            }
            is_news = self.operators_turn().await | moved;
            if is_news {
                quiet_since = self.now;
                continue;
            }
            match self.operator.next_due() {
                Some(at) if at <= quiet_since + QUIET => self.now = self.now.max(at),
                _ => {
                    self.now = quiet_since + QUIET;
                    return;
                }
            }
        }
        panic!("it does not settle: {:#?}", self.wire.calls());
    }

    /// Whether it asked for anything.
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
        let condition = |kind| json!({"type": kind, "status": ready});
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

    /// What a user does.
    pub(crate) async fn act(&mut self, step: &Step) {
        let streams = self.bed.api::<LiveStream>();
        match step {
            Step::Create(spec) => {
                let spec: LiveStreamSpec = serde_json::from_value(spec.clone()).unwrap();
                streams.create(&PostParams::default(), &LiveStream::new("game", spec)).await.unwrap();
            }
            Step::Change(spec) => {
                let patch = Patch::Merge(json!({"spec": spec}));
                streams.patch("game", &PatchParams::default(), &patch).await.unwrap();
            }
            Step::Fail(pod) => {
                self.failing.push((*pod).to_owned());
                // It runs already.
                let path = format!("/api/v1/namespaces/{}/pods/{pod}/status", self.bed.namespace);
                self.request("PATCH", &path, json!({"status": {"phase": "Pending"}})).await;
            }
            Step::DeletePod(pod) => {
                self.bed.api::<Pod>().delete(pod, &DeleteParams::default()).await.unwrap();
            }
            Step::Delete => drop(streams.delete("game", &DeleteParams::background()).await.unwrap()),
        }
    }
}

/// What a user does, or what happens without anybody's wish.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create(Value),
    /// Of the spec; null takes away.
    Change(Value),
    Delete,
    /// The pod is evicted.
    Fail(&'static str),
    DeletePod(&'static str),
}

/// An operator as a new process is one.
fn start(bed: &Bed, wire: &Wire, now: Timestamp) -> (Operator, Feed) {
    let metrics = Metrics::default();
    let account = User::service_account(&bed.namespace, "acuity-operator");
    let client = client(bed.cluster.config_as(&account), &metrics, wire).unwrap();
    let context = Context {
        client: client.clone(),
        options: bed.options.clone(),
        credentials: Credentials::default(),
        bus: None,
        events: Events::new(client),
        metrics,
    };
    let mut operator = Operator::new(context);
    operator.lead(now);
    (operator, Feed::start(&bed.client, &bed.namespace))
}
