//! How soon pods of new streams exist, and what streams cost in which nothing happens: a real operator process, a real API
//! server, no kubelet. `ONE`, `BURST` and `MANY` say how many streams, `IDLE_SECONDS` how long it is watched doing nothing;
//! without them it is what the goals are about.
//!
//! The machine is shared by everything that runs here, so each burst is compared with a client that does nothing but create
//! the same pods, as many at the same time, right after it.

#![allow(clippy::unwrap_used, reason = "a benchmark may end where it fails")]

mod figures;
mod process;

use std::{
    collections::BTreeMap,
    env,
    time::{Duration, Instant},
};

use control_plane::{ControlPlane, User};
use crds::{LiveStream, LiveStreamSpec};
use futures::{StreamExt, pin_mut, stream};
use k8s_openapi::api::{core::v1::Pod, rbac::v1::ClusterRoleBinding};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
    runtime::watcher::{self, Event, watcher},
};
use serde_json::json;
use tokio::sync::mpsc;

use figures::Figures;
use process::Process;

/// As many as the operator reconciles at the same time.
const PARALLEL: usize = 64;
/// More pods than this are not kept in a namespace.
const STREAMS_OF_A_NAMESPACE: usize = 1000;
const ACCOUNT: &str = "acuity-operator";

#[tokio::main]
async fn main() {
    let [one, burst, many] =
        [("ONE", 100), ("BURST", 1_000), ("MANY", 10_000)].map(|(name, count)| number(name, count));
    let idle = Duration::from_secs(number("IDLE_SECONDS", 60) as u64);
    let cluster = ControlPlane::builder().start().await.unwrap();
    cluster.install(&crds::definition()).await;
    let account = User::service_account("acuity-system", ACCOUNT);
    let client = cluster.client_as(&account);
    grant(&cluster.client()).await;
    let kubeconfig = cluster.kubeconfig(&account);
    let operator = Process::start(&kubeconfig).await;
    let mut figures = Figures::of("streams");

    let namespace = cluster.namespace("one").await;
    let mut births = Births::watch(&client, &namespace).await;
    // An API server holds the first object of a kind back until it has known the kind for two seconds.
    create(&client, &namespace, one, 1).await;
    births.until(3).await;
    let mut seconds = Vec::new();
    for index in 0..one {
        let began = Instant::now();
        create(&client, &namespace, index, 1).await;
        seconds.push((births.until(3 * (index + 2)).await - began).as_secs_f64() * 1e3);
    }
    seconds.sort_by(f64::total_cmp);
    let median = format!("median {:.0} ms, of {one}", seconds[one / 2]);
    let p99 = seconds[(one * 99).div_ceil(100) - 1];
    figures.add("created to last pod, one stream, p99", p99, "ms", "< 100", median);

    let mut namespaces = Vec::new();
    for (name, streams, trainers, goal) in [("burst", burst, 1, "< 15"), ("many", many, 0, "< 120")] {
        let pods = 2 + trainers as usize;
        let took = create_all(&cluster, &client, name, streams, trainers, &mut namespaces).await;
        let templates = templates(&client, namespaces.last().unwrap()).await;
        let plain = create_plain(&cluster, &client, &templates, streams.min(1000) * pods).await;
        let (rate, plain_rate) = ((streams * pods) as f64 / took, (streams.min(1000) * pods) as f64 / plain);
        let compared =
            format!("{rate:.0} pods/s; a plain client {plain_rate:.0} pods/s, ratio {:.2}", rate / plain_rate);
        figures.add(&format!("{streams} streams × {pods} pods, until the last exists"), took, "s", goal, compared);
    }

    operator.wait_until_still().await;
    let (before, began) = (operator.sample().await, Instant::now());
    tokio::time::sleep(idle).await;
    let (after, seconds) = (operator.sample().await, began.elapsed().as_secs_f64());
    let streams = 1 + one + burst + many;
    let with = format!("{streams} streams, {} writes before, {seconds:.0} s", before.writes);
    let writes = (after.writes - before.writes) as f64 * 60.0 / seconds;
    figures.add("idle: writes", writes, "/min", "0", with.clone());
    let share = (after.cpu_seconds - before.cpu_seconds) / seconds * 100.0;
    figures.add("idle: share of a core", share, "%", "< 1", with.clone());
    figures.add("idle: resident memory", after.resident_bytes as f64 / 1e6, "MB", "< 150", with);

    drop(operator);
    let began = Instant::now();
    let operator = Process::start(&kubeconfig).await;
    let ready = began.elapsed().as_secs_f64();
    let sample = operator.wait_for_reconciles(streams as u64).await;
    let in_sync = began.elapsed().as_secs_f64();
    let compared = format!("{} writes; everything seen after {ready:.1} s", sample.writes);
    figures.add("restart to in sync", in_sync, "s", "< 15, 0 writes", compared);
    operator.wait_until_still().await;
    let sample = operator.sample().await;
    let with = format!("{streams} streams, {} writes", sample.writes);
    figures.add("restarted: resident memory", sample.resident_bytes as f64 / 1e6, "MB", "< 150", with);
}

fn number(variable: &str, or: usize) -> usize {
    env::var(variable).map_or(or, |text| text.parse().unwrap())
}

/// Seconds from the first creation until every pod of every stream exists.
async fn create_all(
    cluster: &ControlPlane,
    client: &Client,
    name: &str,
    streams: usize,
    trainers: u32,
    namespaces: &mut Vec<String>,
) -> f64 {
    let (count, before) = (streams.div_ceil(STREAMS_OF_A_NAMESPACE), namespaces.len());
    let mut births = Vec::new();
    for _ in 0..count {
        let namespace = cluster.namespace(name).await;
        births.push(Births::watch(client, &namespace).await);
        namespaces.push(namespace);
    }
    let namespaces = &namespaces[before..];
    let began = Instant::now();
    let creating = stream::iter(0..streams)
        .for_each_concurrent(PARALLEL, |index| create(client, &namespaces[index % count], index, trainers));
    let pods_of = |place: usize| (streams / count + usize::from(place < streams % count)) * (2 + trainers as usize);
    let born = async {
        let mut last = began;
        for (place, births) in births.iter_mut().enumerate() {
            last = last.max(births.until(pods_of(place)).await);
        }
        last
    };
    let ((), last) = tokio::join!(creating, born);
    (last - began).as_secs_f64()
}

async fn create(client: &Client, namespace: &str, index: usize, trainers: u32) {
    // A cluster has 2,768 node ports.
    let spec = json!({
        "relay": {"signalling": {"exposure": "ClusterIP"}},
        "training": {"replicas": trainers, "autoscaling": {"mode": "Fixed"}},
    });
    let spec: LiveStreamSpec = serde_json::from_value(spec).unwrap();
    let streams: Api<LiveStream> = Api::namespaced(client.clone(), namespace);
    streams.create(&PostParams::default(), &LiveStream::new(&format!("stream-{index}"), spec)).await.unwrap();
}

/// Pods of one stream, as a client would send them.
async fn templates(client: &Client, namespace: &str) -> Vec<Pod> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut by_component = BTreeMap::new();
    for mut pod in pods.list(&ListParams::default().limit(30)).await.unwrap() {
        pod.metadata.managed_fields = None;
        (pod.metadata.resource_version, pod.metadata.uid, pod.metadata.owner_references) = (None, None, None);
        pod.status = None;
        let component = pod.labels()["app.kubernetes.io/component"].clone();
        by_component.entry(component).or_insert(pod);
    }
    by_component.into_values().collect()
}

/// Seconds that a client takes which only creates pods.
async fn create_plain(cluster: &ControlPlane, client: &Client, templates: &[Pod], count: usize) -> f64 {
    let namespace = cluster.namespace("plain").await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let began = Instant::now();
    stream::iter(0..count)
        .for_each_concurrent(PARALLEL, |index| {
            let (mut pod, pods) = (templates[index % templates.len()].clone(), pods.clone());
            pod.metadata.name = Some(format!("pod-{index}"));
            pod.metadata.namespace = Some(namespace.clone());
            // Not the operator's: nobody takes it away.
            pod.metadata.labels = None;
            async move { drop(pods.create(&PostParams::default(), &pod).await.unwrap()) }
        })
        .await;
    began.elapsed().as_secs_f64()
}

/// When pods of a namespace came to be.
struct Births {
    born: mpsc::UnboundedReceiver<Instant>,
    count: usize,
    last: Instant,
}

impl Births {
    async fn watch(client: &Client, namespace: &str) -> Self {
        let pods: Api<kube::core::PartialObjectMeta<Pod>> = Api::namespaced(client.clone(), namespace);
        let (sender, born) = mpsc::unbounded_channel();
        let (listed, is_listed) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let (mut listed, mut known) = (Some(listed), std::collections::HashSet::new());
            let events = watcher(pods, watcher::Config::default());
            pin_mut!(events);
            // It ends with the server.
            while let Some(Ok(event)) = events.next().await {
                match event {
                    Event::InitDone => drop(listed.take().map(|listed| listed.send(()))),
                    // Nobody listens any more once all came.
                    Event::Apply(pod) | Event::InitApply(pod) if known.insert(pod.uid()) => {
                        let _ = sender.send(Instant::now());
                    }
                    _ => {}
                }
            }
        });
        is_listed.await.unwrap();
        Self { born, count: 0, last: Instant::now() }
    }

    /// When the last of so many came.
    async fn until(&mut self, count: usize) -> Instant {
        while self.count < count {
            self.last = self.born.recv().await.unwrap();
            self.count += 1;
        }
        self.last
    }
}

/// Everything: what it may do is not what is measured. As a service account it is subject to flow control, as in a cluster.
async fn grant(client: &Client) {
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "acuity-system"}],
    }))
    .unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &binding).await.unwrap();
}
