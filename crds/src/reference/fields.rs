//! Objects of a schema as sections, their fields as tables.

use std::fmt::Write as _;

use serde_json::Value;

use super::order::Order;
use crate::definition::{OF_KUBERNETES, VALUES};

/// One section for `schema` and one for each kind of object within it, in the order of an example.
pub(super) fn sections(path: &str, schema: &Value, order: &Order) -> String {
    let mut objects = Vec::new();
    collect_objects(path, schema, order, &mut objects);
    objects.iter().map(|object| section(object, &objects)).collect()
}

/// An object that has a section.
struct Object<'a> {
    path: String,
    schema: &'a Value,
    fields: Vec<(&'a str, &'a Value)>,
}

/// Objects with the same fields share the section of the first.
fn collect_objects<'a>(path: &str, schema: &'a Value, order: &Order, objects: &mut Vec<Object<'a>>) {
    if heading(schema, objects).is_some() {
        return;
    }
    let properties = schema["properties"].as_object().expect("only objects have sections");
    let mut fields: Vec<_> = properties.iter().map(|(name, field)| (name.as_str(), field)).collect();
    fields.sort_by_key(|(name, _)| order.position(name));
    objects.push(Object { path: path.to_owned(), schema, fields: fields.clone() });
    for (name, field) in fields.into_iter().filter(|(name, field)| is_own_object(name, field)) {
        collect_objects(&format!("{path}.{name}"), field, &order.get(name), objects);
    }
}

/// The path of the section that describes an object like this.
fn heading<'a>(schema: &Value, objects: &'a [Object]) -> Option<&'a str> {
    objects.iter().find(|object| object.schema["properties"] == schema["properties"]).map(|object| object.path.as_str())
}

fn is_own_object(name: &str, field: &Value) -> bool {
    field.get("properties").is_some() && !OF_KUBERNETES.contains(&name)
}

fn section(object: &Object, objects: &[Object]) -> String {
    let about = object.schema["description"].as_str().unwrap_or_default();
    let mut text =
        format!("### `{}`\n\n{about}\n\n| field | type | default | meaning |\n|---|---|---|---|\n", object.path);
    for (name, field) in &object.fields {
        let (kind, default, meaning) = (kind(name, field, objects), default(field), meaning(field));
        let _ = writeln!(text, "| `{name}` | {kind} | {default} | {meaning} |");
    }
    text.push('\n');
    let rules = rules(object);
    if !rules.is_empty() {
        let _ = write!(text, "Rules, as the API server says them:\n\n{rules}\n");
    }
    text
}

/// What a field holds; of an object, where its fields are.
fn kind(name: &str, field: &Value, objects: &[Object]) -> String {
    if let Some(heading) = heading(field, objects).filter(|_| is_own_object(name, field)) {
        let anchor: String = heading.chars().filter(char::is_ascii_alphanumeric).collect();
        return format!("[object](#{})", anchor.to_ascii_lowercase());
    }
    match (field["type"].as_str().unwrap_or_default(), name) {
        (_, "conditions") => "[conditions](#conditions)".to_owned(),
        ("array", _) => "list, as in Pods".to_owned(),
        ("object", "affinity") => "as in Pods".to_owned(),
        ("object", "limits" | "requests") => "map of quantities".to_owned(),
        ("object", _) => "map of strings".to_owned(),
        ("integer", _) => range(field),
        ("string", _) if field.get("enum").is_some() => "one of".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn range(field: &Value) -> String {
    let bound = |key: &str| field.get(key).and_then(Value::as_i64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "integer".to_owned(),
    }
}

fn default(field: &Value) -> String {
    match field.get("default") {
        None | Some(Value::Object(_)) => String::new(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(other) => format!("`{other}`"),
    }
}

/// The description in one cell of a table, the values of an enum each on a line of it.
fn meaning(field: &Value) -> String {
    let description = field["description"].as_str().unwrap_or_default();
    let (about, values) = description.split_once(VALUES).unwrap_or((description, ""));
    let lines = values.lines().filter_map(|line| line.strip_prefix("- "));
    [about.trim()].into_iter().chain(lines).collect::<Vec<_>>().join("<br>").replace('\n', " ")
}

/// Those of the object, then those of its fields that have no section of their own.
fn rules(object: &Object) -> String {
    let own = messages(object.schema).map(|message| format!("- {message}\n"));
    let plain = object.fields.iter().filter(|(name, field)| !is_own_object(name, field));
    let of_fields =
        plain.flat_map(|(name, field)| messages(field).map(move |message| format!("- `{name}`: {message}\n")));
    own.chain(of_fields).collect()
}

fn messages(schema: &Value) -> impl Iterator<Item = &str> {
    let rules = schema["x-kubernetes-validations"].as_array().map_or(&[][..], Vec::as_slice);
    rules.iter().filter_map(|rule| rule["message"].as_str())
}
