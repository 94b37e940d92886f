//! The program against a real API server. There is no kubelet: no port is forwarded and no log is read here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output, Stdio};

use control_plane::{ControlPlane, FakeKubelet, User, wait_for};
use crds::{LiveStream, LiveStreamSpec, LiveStreamStatus, Role, children, conditions};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

struct Bed {
    cluster: &'static ControlPlane,
    namespace: String,
}

impl Bed {
    async fn new(purpose: &str) -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let cluster = ControlPlane::shared().await;
        INSTALLED.get_or_init(async || cluster.install(&crds::definition()).await).await;
        Self { cluster, namespace: cluster.namespace(purpose).await }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }

    async fn stream(&self, name: &str) {
        let stream = LiveStream::new(name, LiveStreamSpec::default());
        let streams = self.api::<LiveStream>();
        streams.create(&PostParams::default(), &stream).await.unwrap();
        let mut status = LiveStreamStatus { observed_generation: 1, ..LiveStreamStatus::default() };
        let now = Time(Timestamp::now());
        status.set_condition(conditions::condition(conditions::Ready::Accepting, "", 1, &now));
        let patch = Patch::Merge(json!({ "status": status }));
        streams.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    async fn pod(&self, stream: &str, role: Role, ordinal: u32) -> Pod {
        let name = children::pod_name(stream, role, ordinal);
        let pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": children::pod_labels(stream, role)},
            "spec": {"containers": [{"name": role.as_str(), "image": "acuity/test"}]},
        }));
        self.api().create(&PostParams::default(), &pod.unwrap()).await.unwrap()
    }

    fn command(&self, user: &User, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-acuity"));
        command.env("KUBECONFIG", self.cluster.kubeconfig(user)).args(["-n", &self.namespace]);
        command.args(arguments.split(' ').filter(|word| !word.is_empty()));
        command
    }

    fn run(&self, user: &User, arguments: &str) -> Output {
        self.command(user, arguments).output().unwrap()
    }

    fn answer(&self, arguments: &str) -> String {
        let output = self.run(&User::admin(), arguments);
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.answer(&format!("{arguments} -o json"))).unwrap()
    }

    fn refusal(&self, user: &User, arguments: &str) -> String {
        let output = self.run(user, arguments);
        assert!(!output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_tells_of_all_streams_and_of_one_with_its_pods() {
    let bed = Bed::new("status").await;
    assert_eq!(bed.answer("status"), "");
    for name in ["game-night", "talk"] {
        bed.stream(name).await;
    }
    bed.pod("game-night", Role::Trainer, 0).await;
    bed.pod("game-night", Role::MediaNode, 0).await;

    let all = bed.answer("status");
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = all.lines().map(columns).collect();
    assert_eq!(rows[0][..3], ["NAME", "READY", "REASON"]);
    assert_eq!(rows[1][..3], ["game-night", "True", "Accepting"]);
    assert_eq!(rows[2][0], "talk");

    let one = bed.json("status game-night");
    let pods: Vec<_> = one["pods"].as_array().unwrap().iter().map(|pod| &pod["name"]).collect();
    assert_eq!(pods, ["game-night-media-node-0", "game-night-trainer-0"]);
    assert_eq!(bed.json("status")["items"][1]["name"], "talk");
    let yaml = bed.answer("status talk -o yaml");
    assert!(yaml.contains("name: talk") && yaml.contains("reason: Accepting"), "{yaml}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_heard_enough_ends_it_quietly() {
    let bed = Bed::new("closed-pipe").await;
    bed.stream("game-night").await;
    for arguments in ["status", "status -o json", "status game-night -o yaml", "watch game-night", "completion"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bed.command(&User::admin(), arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked") && !said.contains("error"), "{arguments}: {said}");
        assert_eq!(output.status.code(), Some(141), "{arguments}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_deletes_the_pods_of_one_role_or_of_all() {
    let bed = Bed::new("restart").await;
    for name in ["game-night", "talk"] {
        bed.stream(name).await;
        bed.pod(name, Role::MediaNode, 0).await;
    }
    bed.pod("game-night", Role::Trainer, 0).await;
    let kubelet = FakeKubelet::builder(bed.cluster.client()).namespace(&bed.namespace).start().await;
    wait_for(&bed.api::<Pod>(), "game-night-trainer-0", |pod| pod.status.as_ref().is_some_and(|s| s.pod_ip.is_some()))
        .await;

    let said = bed.answer("restart game-night --role trainer");
    assert_eq!(said, "pod game-night-trainer-0 deleted, the operator makes a new one\n");
    control_plane::wait_until_gone(&bed.api::<Pod>(), "game-night-trainer-0").await;
    assert_eq!(bed.json("restart game-night"), json!({"deleted": ["game-night-media-node-0"]}));
    control_plane::wait_until_gone(&bed.api::<Pod>(), "game-night-media-node-0").await;
    let left = bed.api::<Pod>().list(&Default::default()).await.unwrap();
    assert_eq!(left.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["talk-media-node-0"]);
    let none = bed.refusal(&User::admin(), "restart game-night");
    assert!(none.contains("has no pods to restart"), "{none}");
    drop(kubelet);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_and_who_may_not_are_told_what_to_do() {
    let bed = Bed::new("refusals").await;
    bed.stream("game-night").await;
    let admin = User::admin();
    for command in ["status", "watch", "logs", "restart", "checkpoint list", "checkpoint download", "checkpoint pin"] {
        let said = bed.refusal(&admin, &format!("{command} other"));
        let expected = format!("error: no stream other in namespace {}: `kubectl acuity status -A`", bed.namespace);
        assert!(said.starts_with(&expected), "{command}: {said}");
    }
    let said = bed.refusal(&admin, "checkpoint list game-night");
    assert!(said.contains("the media-node of game-night does not run: `kubectl acuity status game-night`"), "{said}");
    let said = bed.refusal(&admin, "logs game-night");
    assert!(said.contains("has no such pods"), "{said}");

    let stranger = User::named("stranger");
    for (command, doing) in [("status", "list livestreams"), ("restart game-night", "get livestreams")] {
        let said = bed.refusal(&stranger, command);
        assert!(said.contains(&format!("you may not {doing} in namespace {}", bed.namespace)), "{said}");
    }
    let said = bed.refusal(&admin, "status --context nowhere");
    assert!(said.contains("kubectl config get-contexts"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_streams_complete() {
    let bed = Bed::new("completion").await;
    for name in ["game-night", "game-day", "talk"] {
        bed.stream(name).await;
    }
    let place = format!("-n {}", bed.namespace);
    assert_eq!(bed.answer(&format!("__complete -- {place} status ga")), "game-day\ngame-night\n:4\n");
    assert_eq!(bed.answer(&format!("__complete -- logs {place} --role tr")), "trainer\n:4\n");
    assert_eq!(bed.answer("__complete -- --context te"), "test\n:4\n");
}
