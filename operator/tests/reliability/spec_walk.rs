//! Every field of the spec is changed, and changed back: all is as it was.

use std::collections::BTreeSet;

use k8s_openapi::api::{core::v1::ServiceAccount, node::v1::RuntimeClass};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::world::{Step, World};

/// A port that Kubernetes gave is lost when the exposure leaves it: it cannot change.
const UNCHANGEABLE: [&str; 1] = ["/relay/signalling/exposure"];

fn walk_of_the_stream() -> Vec<Value> {
    let secret = json!({"name": "tokens", "key": "token"});
    vec![
        json!({"paused": true}),
        json!({"ingest": {"publishTokenSecretRef": secret, "idleTimeoutSeconds": 30}}),
        json!({"relay": {"viewTokenSecretRef": secret, "maxViewers": 10}}),
        json!({"relay": {"media": {"exposure": "NodePort"}}}),
        json!({"relay": {"media": {"exposure": "LoadBalancer"}}}),
        json!({"relay": {"media": {"exposure": "PodNetwork"}}}),
    ]
}

fn walk_of_the_ingress() -> Vec<Value> {
    vec![
        json!({"relay": {"signalling": {"host": "other.example"}}}),
        json!({"relay": {"signalling": {"tlsSecretRef": {"name": "certificate"}, "ingressClassName": "special"}}}),
    ]
}

fn walk_of_the_networks() -> Vec<Value> {
    vec![
        json!({"enhancement": {"mode": "Disabled"}}),
        json!({"enhancement": {"scale": 3, "network": {"unshuffle": 2, "features": 32, "layers": 3}}}),
        json!({"enhancement": {"accelerator": {"resourceName": "nvidia.com/gpu", "count": 2}, "onNoAccelerator": "Wait"}}),
        json!({"enhancement": {"accelerator": {"resourceClaimTemplateName": "gpu"}}}),
        json!({"enhancement": {"encoder": {"implementation": "Nvenc", "bitrateKbps": 3000}, "unjudged": "Bicubic"}}),
        json!({"training": {"enabled": false}}),
        json!({"training": {"patches": {"perSecond": 10, "sizePixels": 64, "maxKbps": 100}, "start": "General"}}),
        json!({"training": {"accelerator": {"resourceName": "nvidia.com/gpu", "count": 2}, "onNoAccelerator": "Cpu"}}),
        json!({"training": {"accelerator": {"resourceClaimTemplateName": "gpu"}}}),
        json!({"training": {"replicas": 2, "autoscaling": {"maxReplicas": 3, "weight": 5}}}),
        json!({"training": {"replicas": null, "autoscaling": {"mode": "External", "minReplicas": 2}}}),
    ]
}

fn walk_of_the_pods() -> Vec<Value> {
    let overlay = json!({
        "labels": {"team": "video"},
        "annotations": {"example.com/note": "x"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "video", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"team": "video"}}}],
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
        "priorityClassName": "system-cluster-critical",
        "runtimeClassName": "reliability",
        "serviceAccountName": "streams",
        "imagePullSecrets": [{"name": "registry"}],
        "extraEnv": [{"name": "RUST_LOG", "value": "debug"}],
    });
    ["mediaNode", "trainer", "enhancer"].map(|role| json!({"pods": {role: overlay}})).into()
}

#[tokio::test]
async fn ports_tokens_and_exposures_that_are_changed_back_leave_no_trace() {
    walk(json!({}), walk_of_the_stream()).await;
}

#[tokio::test]
async fn an_ingress_that_is_changed_back_leaves_no_trace() {
    walk(json!({"relay": {"signalling": {"exposure": "Ingress", "host": "a.example"}}}), walk_of_the_ingress()).await;
}

#[tokio::test]
async fn networks_and_trainers_that_are_changed_back_leave_no_trace() {
    walk(json!({}), walk_of_the_networks()).await;
}

#[tokio::test]
async fn overlays_that_are_changed_back_leave_no_trace() {
    walk(json!({}), walk_of_the_pods()).await;
}

#[test]
fn every_field_there_is_is_changed_once() {
    let definition = json!(crds::definition());
    let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    let mut fields = BTreeSet::new();
    leaves("", schema, &mut fields);
    let walks = [walk_of_the_stream(), walk_of_the_ingress(), walk_of_the_networks(), walk_of_the_pods()];
    fields.retain(|field| !walks.iter().flatten().any(|change| change.pointer(field).is_some()));
    assert_eq!(fields, UNCHANGEABLE.map(str::to_owned).into());
}

/// Paths of fields that have none in them that the definition knows.
fn leaves(at: &str, schema: &Value, found: &mut BTreeSet<String>) {
    let is_of_kubernetes = ["/affinity"].iter().any(|field| at.ends_with(field));
    match schema["properties"].as_object().filter(|_| !is_of_kubernetes) {
        Some(fields) => fields.iter().for_each(|(name, schema)| leaves(&format!("{at}/{name}"), schema, found)),
        None => drop(found.insert(at.to_owned())),
    }
}

async fn walk(mut spec: Value, changes: Vec<Value>) {
    spec["training"] = json!({"replicas": 1, "autoscaling": {"mode": "Fixed"}});
    let mut world = World::new("walk").await;
    provide(&world).await;
    world.act(&Step::Create(spec)).await;
    world.settle().await;
    let before = world.picture().await.without_history();
    for change in changes {
        world.act(&Step::Change(change.clone())).await;
        world.settle().await;
        let changed = before.differences(&world.picture().await.without_history());
        assert!(!changed.is_empty(), "{change} changed nothing");
        world.act(&Step::ChangeBack).await;
        world.settle().await;
        let differences = before.differences(&world.picture().await.without_history());
        assert!(differences.is_empty(), "{change} left:\n{}", differences.join("\n"));
    }
}

/// What the fields name.
async fn provide(world: &World) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "streams"}});
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "reliability"}, "handler": "runc"});
    let params = PatchParams::apply("test");
    world.bed.api::<ServiceAccount>().patch("streams", &params, &Patch::Apply(account)).await.unwrap();
    let classes: Api<RuntimeClass> = Api::all(world.bed.client.clone());
    classes.patch("reliability", &params, &Patch::Apply(class)).await.unwrap();
}
