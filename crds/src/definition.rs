//! The custom resource definition: what kube derives from the types, and what it has no attribute for.
//!
//! - A field that is absent is not null, so nothing is nullable.
//! - A minimal object has nothing but a name. Defaults of objects are whole: the API server tries rules on a default before
//!   it fills in the defaults within.
//! - Everything has an upper bound, Kubernetes' own types too; the API server can tell then what a rule costs.
//! - Kubernetes' own types come without descriptions: they would be nine tenths of the definition.
//! - The status has a default, so that nobody takes an object for settled that the operator has not seen.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    CustomResourceExt,
    core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter},
};
use schemars::{Schema, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::{Map, Value, json};

use crate::{LiveStream, LiveStreamSpec};

type Object = Map<String, Value>;

/// The definition as it is installed; `LiveStream::crd()` is only what kube derives.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    serde_json::from_value(definition_json()).expect("the definition is changed within its own schema")
}

/// The definition as YAML.
#[must_use]
pub fn definition_yaml() -> String {
    serde_saphyr::to_string(&definition_json()).expect("JSON is written as YAML")
}

fn definition_json() -> Value {
    let mut definition = serde_json::to_value(LiveStream::crd()).expect("kube's definition is JSON");
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema();
    definition
}

/// The schema of a `LiveStream`.
#[must_use]
pub fn schema() -> Value {
    let generator = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(describe_values)
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString)
        .into_generator();
    let mut schema = generator.into_root_schema_for::<LiveStream>().to_value();
    finish(&mut schema);
    schema["properties"]["spec"]["default"] = json!(LiveStreamSpec::default());
    schema["properties"]["status"]["default"] = json!({"observedGeneration": -1});
    schema["required"] = json!(["metadata"]);
    schema
}

/// Before this line of a field's description stands what the field is; after it, what each of its values means.
pub(crate) const VALUES: &str = "Possible enum values:";

/// Lifts the descriptions of an enum's values into that of the field, since a structural schema has no other place for
/// them.
fn describe_values(schema: &mut Schema) {
    transform_subschemas(&mut describe_values, schema);
    let Some(variants) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let lines: Vec<String> = variants.iter().filter_map(describe_value).collect();
    let field = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{field}\n\n{VALUES}\n{}", lines.join("\n"));
    schema.insert("description".to_owned(), description.into());
}

fn describe_value(variant: &Value) -> Option<String> {
    let value = variant["enum"][0].as_str()?;
    Some(format!("- `{value}`: {}", variant["description"].as_str()?))
}

fn finish(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    object.remove("nullable");
    object.remove("title");
    use_signed_formats(object);
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            finish(inner);
        }
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, property) in properties {
            finish(property);
            if OF_KUBERNETES.contains(&name.as_str()) {
                remove_descriptions(property);
            }
        }
    }
    bound(object);
    write_whole_numbers(object);
}

/// Fields whose types are Kubernetes' own.
pub(crate) const OF_KUBERNETES: [&str; 9] = [
    "affinity",
    "conditions",
    "extraEnv",
    "imagePullSecrets",
    "limits",
    "metadata",
    "requests",
    "tolerations",
    "topologySpreadConstraints",
];

/// Removes the descriptions below this field, not its own.
fn remove_descriptions(field: &mut Value) {
    for key in ["items", "additionalProperties"] {
        if let Some(Value::Object(inner)) = field.get_mut(key) {
            inner.remove("description");
            remove_descriptions(&mut field[key]);
        }
    }
    if let Some(Value::Object(properties)) = field.get_mut("properties") {
        for property in properties.values_mut() {
            remove_descriptions(property);
            if let Value::Object(property) = property {
                property.remove("description");
            }
        }
    }
}

/// Numbers of the API are signed; the bounds say what is not negative.
fn use_signed_formats(object: &mut Object) {
    let signed = match object.get("format").and_then(Value::as_str) {
        Some("uint32") => "int32",
        Some("uint64") => "int64",
        _ => return,
    };
    object.insert("format".to_owned(), signed.into());
    object.entry("minimum").or_insert(json!(0));
}

const MAX_TEXT: u32 = 4096;
const MAX_ENTRIES: u32 = 32;

/// Gives an upper bound to what has none.
fn bound(object: &mut Object) {
    let kind = match object.get("x-kubernetes-int-or-string") {
        Some(_) => "string",
        None => object.get("type").and_then(Value::as_str).unwrap_or_default(),
    };
    let (bound, limit) = match kind {
        "string" if !object.contains_key("enum") && !object.contains_key("format") => ("maxLength", MAX_TEXT),
        "array" => ("maxItems", MAX_ENTRIES),
        "object" if object.contains_key("additionalProperties") => ("maxProperties", MAX_ENTRIES),
        _ => return,
    };
    object.entry(bound).or_insert(limit.into());
}

/// `64`, where kube writes `64.0`.
fn write_whole_numbers(object: &mut Object) {
    for key in ["minimum", "maximum"] {
        if let Some(whole) = object.get(key).and_then(Value::as_f64) {
            object.insert(key.to_owned(), json!(whole as i64));
        }
    }
}
