//! What people do with it.

use std::{path::Path, process::Command};

use control_plane::{ControlPlane, User, eventually, find_program};
use crds::{ConditionType, LiveStream, LiveStreamStatus, children, conditions};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::server::install;

/// `kubectl` in a namespace of the test's own.
struct Kubectl {
    cluster: &'static ControlPlane,
    namespace: String,
}

impl Kubectl {
    async fn new(purpose: &str) -> Self {
        let cluster = install().await;
        Self { cluster, namespace: cluster.namespace(purpose).await }
    }

    /// Both outputs together, each run of spaces as one.
    fn run(&self, arguments: &str) -> String {
        let program = find_program("kubectl").expect("make setup-tests builds kubectl");
        let output = Command::new(program)
            .env("KUBECONFIG", self.cluster.kubeconfig(&User::admin()))
            .env("HOME", self.cluster.folder())
            .args(["--namespace", &self.namespace])
            .args(arguments.split(' '))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .output()
            .expect("kubectl runs");
        let text = [output.stdout, output.stderr].concat();
        let lines = String::from_utf8_lossy(&text);
        lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
    }

    async fn write_status(&self, name: &str, status: &LiveStreamStatus) {
        let streams: Api<LiveStream> = Api::namespaced(self.cluster.client(), &self.namespace);
        let patch = Patch::Merge(json!({"status": status}));
        streams.patch_status(name, &PatchParams::default(), &patch).await.expect("the status is valid");
    }
}

fn status() -> LiveStreamStatus {
    let now = Time(Timestamp::from_second(1_790_000_000).expect("a time of this age"));
    let example = include_str!("../../src/reference/status.yaml");
    let mut status: LiveStreamStatus = serde_saphyr::from_str(example).expect("the documented status is one");
    status.observed_generation = 1;
    status.conditions.clear();
    status.set_condition(conditions::condition(conditions::Ready::Accepting, "", 1, &now));
    status.set_condition(conditions::condition(conditions::Publishing::NoPublisher, "", 1, &now));
    assert!(status.is_true(ConditionType::Ready));
    status
}

#[tokio::test]
async fn the_committed_definition_applies_without_a_warning() {
    let kubectl = Kubectl::new("definition").await;
    let said =
        kubectl.run("apply --server-side --force-conflicts --dry-run=server -f crds/livestreams.acuity.video.yaml");
    let name = "customresourcedefinition.apiextensions.k8s.io/livestreams.acuity.video";
    assert_eq!(said, format!("{name} serverside-applied (server dry run)"));
}

#[tokio::test]
async fn the_examples_apply_and_apply_again_without_a_change() {
    let kubectl = Kubectl::new("examples").await;
    for name in ["game-night", "every-field"] {
        let apply = format!("apply --validate=strict -f examples/{name}.yaml");
        assert_eq!(kubectl.run(&apply), format!("livestream.acuity.video/{name} created"));
        assert_eq!(kubectl.run(&apply), format!("livestream.acuity.video/{name} unchanged"));
    }
}

#[tokio::test]
async fn columns_say_what_matters() {
    let kubectl = Kubectl::new("columns").await;
    kubectl.run("apply -f examples/game-night.yaml");
    let fresh = kubectl.run("get lst");
    assert!(fresh.starts_with("NAME READY LIVE GAIN VIEWERS TRAINERS AGE\ngame-night "), "{fresh}");

    kubectl.write_status("game-night", &status()).await;
    let row = kubectl.run("get lst --no-headers");
    assert!(row.starts_with("game-night True False +2.1 dB 120 1 "), "{row}");
    let wide = kubectl.run("get acuity -o wide");
    assert!(wide.starts_with("NAME READY LIVE GAIN VIEWERS TRAINERS WHIP WHEP CHECKPOINT REASON AGE\n"), "{wide}");
    assert!(wide.contains(" http://192.0.2.10:31880/whip http://192.0.2.10:31880/whep 57 Accepting "), "{wide}");
    assert!(kubectl.run("wait lst/game-night --for condition=Ready --timeout 10s").ends_with("condition met"));
}

#[tokio::test]
async fn scale_sets_trainers_where_people_decide_and_says_why_where_they_do_not() {
    let kubectl = Kubectl::new("scale").await;
    kubectl.run("apply -f examples/game-night.yaml");
    let refused = kubectl.run("scale lst game-night --replicas 1");
    assert!(refused.contains("the operator decides how many trainers there are"), "{refused}");

    kubectl.run(
        r#"patch lst game-night --type merge -p {"spec":{"training":{"replicas":1,"autoscaling":{"mode":"Fixed"}}}}"#,
    );
    assert_eq!(kubectl.run("scale lst game-night --replicas 2"), "livestream.acuity.video/game-night scaled");
    assert_eq!(kubectl.run("get lst game-night -o jsonpath={.spec.training.replicas}"), "2");
    let refused = kubectl.run("scale lst game-night --replicas 3");
    assert!(refused.contains("raise maxReplicas, or lower replicas"), "{refused}");

    kubectl.write_status("game-night", &status()).await;
    let streams: Api<LiveStream> = Api::namespaced(kubectl.cluster.client(), &kubectl.namespace);
    let scale = streams.get_scale("game-night").await.expect("there is a scale").status.expect("it has a status");
    assert_eq!((scale.replicas, scale.selector), (1, Some(children::selector("game-night", children::Role::Trainer))));
}

#[tokio::test]
async fn fields_select_and_are_explained() {
    let kubectl = Kubectl::new("fields").await;
    kubectl.run("apply -f examples/game-night.yaml");
    let by = |selector: &str| kubectl.run(&format!("get lst --no-headers -o name --field-selector {selector}"));
    assert_eq!(by("spec.paused=false"), "livestream.acuity.video/game-night");
    assert_eq!(by("spec.training.autoscaling.mode=Fixed"), "");
    // The documents that it reads follow a new definition after a second or so.
    eventually(async || {
        let explained = kubectl.run("explain lst.spec.relay.media.exposure");
        if explained.contains("`PodNetwork`: The pod's own address") { Ok(()) } else { Err(explained) }
    })
    .await;
    let refused = kubectl.run("create -f examples/game-night.yaml --dry-run=server --validate=strict");
    assert!(refused.contains("already exists"), "{refused}");
}
