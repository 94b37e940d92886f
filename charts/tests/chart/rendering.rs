//! What the chart renders: the reviewable picture of an installation, and of what single values change in it.

use clap::{Args, Command, FromArgMatches};
use operator::Options;
use serde_json::{Value, json};

use crate::helm::{Objects, render};

/// The definition is looked at where it is made.
const DEFINITION: &str = "CustomResourceDefinition/livestreams.acuity.video";

fn rendered(values: &str) -> Objects {
    let mut objects = render(values).unwrap_or_else(|error| panic!("{values}: {error}"));
    objects.remove(DEFINITION);
    mask_passwords(&mut objects);
    objects
}

/// They are others each time.
fn mask_passwords(objects: &mut Objects) {
    let Some(secret) = objects.get_mut("Secret/acuity-nats") else { return };
    let strings = secret["stringData"].as_object_mut().expect("the Secret has strings");
    for role in ["operator", "media-node", "enhancer", "trainer"] {
        let credentials = strings[role].as_str().expect("credentials are a string").to_owned();
        let (user, password) = credentials.split_once(':').expect("user:password");
        assert_eq!((user, password.len()), (role, 32));
        let config = strings["nats.conf"].as_str().expect("a configuration").replace(password, "PASSWORD");
        strings["nats.conf"] = config.into();
        strings[role] = format!("{role}:PASSWORD").into();
    }
}

/// What `values` change, add and remove.
fn changes(values: &str) -> Value {
    let (default, changed) = (rendered("{}"), rendered(values));
    let removed: Vec<_> = default.keys().filter(|name| !changed.contains_key(*name)).collect();
    let written: Objects = changed
        .iter()
        .filter(|(name, object)| default.get(*name) != Some(object))
        .map(|(n, o)| (n.clone(), o.clone()))
        .collect();
    json!({ "removed": removed, "written": written })
}

#[test]
fn an_installation_with_default_values() {
    insta::assert_yaml_snapshot!(rendered("{}"));
}

#[test]
fn nats_of_the_users_own() {
    insta::assert_yaml_snapshot!(changes(
        "nats: {external: {url: 'nats://nats.messaging:4333'}, credentialsSecret: mine}"
    ));
}

#[test]
fn one_namespace() {
    insta::assert_yaml_snapshot!(changes("operator: {watchNamespace: games}"));
}

#[test]
fn a_registry_of_the_users_own_and_digests() {
    let digest = format!("sha256:{}", "0".repeat(64));
    insta::assert_yaml_snapshot!(changes(&format!(
        "images: {{registry: registry.example.com/acuity, tag: edge, pullSecrets: [{{name: a}}, {{name: b}}],
           operator: {{digest: '{digest}'}}, nats: {{registry: registry.example.com, tag: 2.15.1}}}}"
    )));
}

#[test]
fn monitoring() {
    let mut changes = changes(
        "monitoring: {serviceMonitor: {create: true}, podMonitor: {create: true}, rules: {create: true}, dashboard: {create: true}}",
    );
    // Looked at elsewhere.
    changes["written"]["ConfigMap/acuity-dashboard"]["data"] = Value::Null;
    changes["written"]["PrometheusRule/acuity"]["spec"] = Value::Null;
    insta::assert_yaml_snapshot!(changes);
}

#[test]
fn the_operator_understands_its_arguments() {
    for values in [
        "{}",
        "operator: {watchNamespace: games, trainerBudget: {nvidia.com/gpu: 8, cpu: 16}, probe: false}",
        "images: {pullSecrets: [{name: a}, {name: b}]}\nstreams: {priorityClasses: {create: false}}",
    ] {
        let objects = rendered(values);
        let container = &objects["Deployment/acuity-operator"]["spec"]["template"]["spec"]["containers"][0];
        let arguments =
            container["args"].as_array().expect("a list").iter().map(|argument| argument.as_str().expect("a string"));
        let command = Options::augment_args(Command::new("operator"));
        let matches = command.try_get_matches_from(std::iter::once("operator").chain(arguments));
        let options = matches.and_then(|matches| Options::from_arg_matches(&matches));
        assert!(options.is_ok(), "{values}: {options:?}");
    }
}

#[test]
fn labels_and_annotations_of_the_user_are_on_everything() {
    let values = "{commonLabels: {team: games}, commonAnnotations: {contact: games@example.com},
        monitoring: {serviceMonitor: {create: true}, podMonitor: {create: true}, rules: {create: true}, dashboard: {create: true}}}";
    for (name, object) in render(values).expect("the values are good") {
        let has = |metadata: &Value| {
            metadata["labels"]["team"] == "games" && metadata["annotations"]["contact"] == "games@example.com"
        };
        assert!(has(&object["metadata"]), "{name}");
        if let Some(pod) = object.pointer("/spec/template/metadata") {
            assert!(has(pod), "{name}: its pods");
        }
    }
}

#[test]
fn every_kind_of_object_can_be_overridden() {
    let schema = std::fs::read(charts::chart().join("values.schema.json")).expect("the schema is there");
    let schema: Value = serde_json::from_slice(&schema).expect("the schema is JSON");
    let keys = schema["properties"]["overrides"]["propertyNames"]["enum"].as_array().expect("a list of keys");
    let everything = json!({"serviceMonitor": {"create": true}, "podMonitor": {"create": true},
        "rules": {"create": true}, "dashboard": {"create": true}});
    for key in keys {
        let key = key.as_str().expect("a string");
        let values =
            json!({"monitoring": everything, "overrides": {key: {"metadata": {"annotations": {"mine": "1"}}}}});
        let objects = render(&values.to_string()).expect("the values are good");
        let overridden = objects.values().filter(|object| object["metadata"]["annotations"]["mine"] == "1").count();
        assert!(overridden > 0, "{key} is no key of any object");
    }
}
