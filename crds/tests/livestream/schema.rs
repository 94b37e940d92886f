//! What holds of every field, however many there will be.

use std::collections::BTreeSet;

use serde_json::Value;

/// Calls `visit` with the path and the schema of everything in an object.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), field, visit);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            walk(&format!("{path}[]"), inner, visit);
        }
    }
}

fn all_that(is_wrong: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let schema = crds::schema();
    for part in ["spec", "status"] {
        walk(part, &schema["properties"][part], &mut |path, field| {
            if is_wrong(field) {
                wrong.push(path.to_owned());
            }
        });
    }
    wrong
}

#[test]
fn everything_has_an_upper_bound() {
    let unbounded = all_that(|field| {
        let has = |key: &str| field.get(key).is_some();
        match field["type"].as_str().unwrap_or_default() {
            "string" => !has("maxLength") && !has("enum") && !has("format"),
            "array" => !has("maxItems"),
            "object" => has("additionalProperties") && !has("maxProperties"),
            "integer" => !has("maximum") && !has("format"),
            _ => has("x-kubernetes-int-or-string") && !has("maxLength"),
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn every_number_of_the_spec_has_a_range() {
    let without =
        all_that(|field| field["type"] == "integer" && !(field["minimum"].is_i64() && field["maximum"].is_i64()));
    let ours: Vec<_> =
        without.iter().filter(|path| path.starts_with("spec") && !path.starts_with("spec.pods")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn nothing_is_null_or_a_fraction() {
    assert_eq!(all_that(|field| field.get("nullable").is_some() || field["type"] == "number"), Vec::<String>::new());
}

#[test]
fn every_field_is_described_unless_it_is_of_kubernetes() {
    let mut silent = BTreeSet::new();
    for path in all_that(|field| field["description"].as_str().unwrap_or_default().is_empty()) {
        let of_kubernetes = path.contains("affinity") || path.contains("topologySpread") || path.contains("[]");
        if !of_kubernetes {
            silent.insert(path);
        }
    }
    assert_eq!(silent, BTreeSet::new());
}

#[test]
fn the_example_of_every_field_names_every_field() {
    let example: Value = serde_saphyr::from_str(include_str!("../../../examples/every-field.yaml")).unwrap();
    let schema = crds::schema();
    let mut missing = Vec::new();
    walk("/spec", &schema["properties"]["spec"], &mut |path, field| {
        // One accelerator is by name and one by template; the overlay of one pod stands for all.
        let elsewhere = path.contains("[]") || path.contains("pods.trainer.") || path.contains("pods.enhancer.");
        let either = path.contains("accelerator.");
        let inside_of_kubernetes = path.contains("ffinity.") || path.contains("topologySpreadConstraints.");
        if !(elsewhere || either || inside_of_kubernetes) && example.pointer(&path.replace('.', "/")).is_none() {
            missing.push(format!("{path}: {}", field["type"]));
        }
    });
    assert_eq!(missing, Vec::<String>::new());
}
