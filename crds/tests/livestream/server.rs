//! The definition on a real API server.

use control_plane::ControlPlane;
use crds::{ConditionStatus, ConditionType, LiveStream, LiveStreamSpec, LiveStreamStatus};
use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::cases::{self, Case, Verdict};

pub(crate) async fn install() -> &'static ControlPlane {
    let cluster = ControlPlane::shared().await;
    cluster.install(&crds::definition()).await;
    cluster
}

/// LiveStreams in a namespace of the test's own.
async fn streams(purpose: &str) -> Api<LiveStream> {
    let cluster = install().await;
    Api::namespaced(cluster.client(), &cluster.namespace(purpose).await)
}

/// LiveStreams as JSON: the types would fill in what is absent.
fn untyped(streams: &Api<LiveStream>, resource: &ApiResource) -> Api<DynamicObject> {
    let namespace = streams.namespace().expect("streams live in a namespace");
    Api::namespaced_with(streams.clone().into_client(), namespace, resource)
}

fn object(value: &Value) -> DynamicObject {
    serde_json::from_value(value.clone()).expect("the case is an object")
}

/// Empty: it was accepted.
async fn answer(api: &Api<DynamicObject>, case: &Case) -> String {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let result = match &case.old {
        None => api.create(&dry_run, &object(&case.new)).await,
        Some(old) => {
            let stored = api.create(&PostParams::default(), &object(old)).await.expect("what is changed is valid");
            let name = stored.metadata.name.clone().expect("stored objects have names");
            let mut new = object(&case.new);
            new.metadata.resource_version = stored.metadata.resource_version;
            let result = api.replace(&name, &dry_run, &new).await;
            api.delete(&name, &DeleteParams::default()).await.expect("it can be deleted");
            result
        }
    };
    result.map_or_else(|error| error.to_string(), |_| String::new())
}

#[tokio::test]
async fn the_api_server_takes_and_refuses_what_the_table_says() {
    let streams = streams("cases").await;
    let api = untyped(&streams, &ApiResource::erase::<LiveStream>(&()));
    let mut wrong = Vec::new();
    for case in cases::all() {
        let said = answer(&api, &case).await;
        let right = match case.verdict {
            Verdict::Accepts => said.is_empty(),
            Verdict::Refuses(part) | Verdict::OutOfBounds(part) => said.contains(part),
        };
        if !right {
            wrong.push(format!("{}: wanted {:?}, the API server says {said:?}", case.name, case.verdict));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_absent_or_null_is_filled_in_as_the_types_do() {
    let streams = streams("defaults").await;
    let api = untyped(&streams, &ApiResource::erase::<LiveStream>(&()));
    let defaults = serde_json::to_value(LiveStreamSpec::default()).expect("a spec is JSON");
    for (name, spec) in [
        ("nothing", json!({})),
        ("empty", json!({"relay": {"signalling": {}}, "training": {"autoscaling": {}}})),
        ("nulls", json!({"paused": null, "ingest": {"idleTimeoutSeconds": null}})),
    ] {
        let new = json!({
            "apiVersion": "acuity.video/v1alpha1", "kind": "LiveStream", "metadata": {"name": name}, "spec": spec,
        });
        let stored = api.create(&PostParams::default(), &object(&new)).await.expect("it is valid");
        assert_eq!(stored.data["spec"], defaults, "{name}");
    }
    let bare = json!({"apiVersion": "acuity.video/v1alpha1", "kind": "LiveStream", "metadata": {"name": "bare"}});
    let stored = api.create(&PostParams::default(), &object(&bare)).await.expect("a name is enough");
    assert_eq!(stored.data["spec"], defaults);
}

#[tokio::test]
async fn nobody_takes_a_stream_for_settled_that_the_operator_has_not_seen() {
    let streams = streams("kstatus").await;
    let mut new = LiveStream::new("game-night", LiveStreamSpec::default());
    new.status = Some(LiveStreamStatus { observed_generation: 7, ..LiveStreamStatus::default() });
    let created = streams.create(&PostParams::default(), &new).await.expect("it is valid");
    // Only the operator writes the status; until then it answers another generation than the object's.
    assert_eq!(created.status, Some(LiveStreamStatus::default()));
    assert_ne!(created.status.map(|status| status.observed_generation), created.metadata.generation);
    let read = streams.get("game-night").await.expect("it is there");
    assert_eq!(read.status, Some(LiveStreamStatus::default()));
}

#[tokio::test]
async fn every_condition_takes_each_of_its_reasons() {
    let streams = streams("conditions").await;
    let new = LiveStream::new("game-night", LiveStreamSpec::default());
    streams.create(&PostParams::default(), &new).await.expect("it is valid");
    let most =
        ConditionType::ALL.iter().map(|condition| condition.reasons().len()).max().expect("there are conditions");
    for index in 0..most {
        let conditions = ConditionType::ALL.iter().map(|condition| nth(*condition, index)).collect();
        let status = LiveStreamStatus { observed_generation: 1, conditions, ..LiveStreamStatus::default() };
        let patch = Patch::Merge(json!({"status": status}));
        let written = streams.patch_status("game-night", &PatchParams::default(), &patch).await.expect("it is valid");
        assert_eq!(written.status, Some(status));
    }
}

/// The condition with its nth reason, beginning again after the last.
fn nth(of: ConditionType, index: usize) -> Condition {
    let (reason, status, _): (&str, ConditionStatus, &str) = of.reasons()[index % of.reasons().len()];
    Condition {
        type_: of.as_str().to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message: String::new(),
        observed_generation: Some(1),
        last_transition_time: Time(Timestamp::from_second(1_790_000_000).expect("a time of this age")),
    }
}

#[tokio::test]
async fn two_appliers_share_a_list() {
    let streams = streams("shared-list").await;
    let with_variable = |name: &str| {
        Patch::Apply(json!({
            "apiVersion": "acuity.video/v1alpha1", "kind": "LiveStream", "metadata": {"name": "game-night"},
            "spec": {"pods": {"trainer": {"extraEnv": [{"name": name, "value": "1"}]}}},
        }))
    };
    for (applier, variable) in [("one", "ONE"), ("two", "TWO"), ("one", "THREE")] {
        streams.patch("game-night", &PatchParams::apply(applier), &with_variable(variable)).await.expect("no conflict");
    }
    let stored = streams.get("game-night").await.expect("it is there");
    let mut names: Vec<_> = stored.spec.pods.trainer.extra_env.into_iter().map(|variable| variable.name).collect();
    names.sort();
    assert_eq!(names, ["THREE", "TWO"]);
}

/// A later version may refuse what an earlier one took: what is stored stays editable, where it does not get worse.
#[tokio::test]
async fn what_is_stored_stays_editable_under_stricter_rules() {
    let cluster = ControlPlane::shared().await;
    let strict = of_group("ratchet.acuity.video");
    let mut lax = strict.clone();
    let mut schema = serde_json::to_value(&lax.spec.versions[0].schema).expect("a schema is JSON");
    loosen(&mut schema);
    lax.spec.versions[0].schema = serde_json::from_value(schema).expect("a looser schema is a schema");
    cluster.install(&lax).await;

    let resource = ApiResource {
        group: "ratchet.acuity.video".into(),
        api_version: "ratchet.acuity.video/v1alpha1".into(),
        ..ApiResource::erase::<LiveStream>(&())
    };
    let namespace = cluster.namespace("ratchet").await;
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), &namespace, &resource);
    let old = |name: &str| {
        object(&json!({
            "apiVersion": resource.api_version, "kind": "LiveStream", "metadata": {"name": name},
            "spec": {"relay": {"maxViewers": 20_000}, "ingest": {"publishTokenSecretRef": {"name": "Old_Name"}}},
        }))
    };
    api.create(&PostParams::default(), &old("stored")).await.expect("the earlier version takes it");

    cluster.install(&strict).await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    while api.create(&dry_run, &old("new")).await.is_ok() {
        tokio::task::yield_now().await; // the API server takes the new schema in a moment
    }
    let patch = |spec: Value| Patch::Merge(json!({"spec": spec}));
    let edit = async |spec: Value| api.patch("stored", &PatchParams::default(), &patch(spec)).await;
    edit(json!({"paused": true})).await.expect("an unrelated field may change");
    edit(json!({"ingest": {"publishTokenSecretRef": {"name": "Other_Name"}}}))
        .await
        .expect_err("not to another bad name");
    edit(json!({"relay": {"maxViewers": 30_000}})).await.expect_err("not further out of bounds");
    edit(json!({"relay": {"maxViewers": 10_000}})).await.expect("back within bounds");
}

/// The same definition in another API group, so that a test can change it.
fn of_group(group: &str) -> CustomResourceDefinition {
    let mut definition = crds::definition();
    definition.metadata.name = Some(format!("livestreams.{group}"));
    definition.spec.group = group.to_owned();
    definition.spec.names.short_names = None;
    definition.spec.names.categories = None;
    definition
}

/// Takes rules and ranges away.
fn loosen(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.retain(|key, value| key != "x-kubernetes-validations" && !(key == "maximum" && value.is_number()));
            object.values_mut().for_each(loosen);
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        _ => {}
    }
}
