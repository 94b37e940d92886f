//! The rules without a cluster: evaluated here, on objects with defaults as the types say.

use std::collections::BTreeSet;

use crds::LiveStream;
use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

use crate::cases::{self, Case, Verdict};

/// What the rules say to an object, or to a change.
fn messages(schema: &CompiledSchema, case: &Case) -> Vec<String> {
    let with_defaults = |object: &Value| {
        let stream: LiveStream = serde_json::from_value(object.clone()).expect("the types take what the schema takes");
        serde_json::to_value(stream).expect("a LiveStream is JSON")
    };
    let (new, old) = (with_defaults(&case.new), case.old.as_ref().map(with_defaults));
    match Validator::new().validate_compiled(schema, &new, old.as_ref()) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.as_slice().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn rules_take_and_refuse_what_the_table_says() {
    let (schema, mut wrong) = (compile_schema(&crds::schema()), Vec::new());
    for case in cases::all() {
        let said = match case.verdict {
            Verdict::OutOfBounds(_) => continue,
            _ => messages(&schema, &case),
        };
        let right = match case.verdict {
            Verdict::Refuses(part) => !said.is_empty() && said.iter().all(|message| message.contains(part)),
            _ => said.is_empty(),
        };
        if !right {
            wrong.push(format!("{}: wanted {:?}, the rules say {said:?}", case.name, case.verdict));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_refuses_something_in_the_table() {
    let refused: Vec<_> = cases::all()
        .iter()
        .filter_map(|case| match case.verdict {
            Verdict::Refuses(part) => Some(part),
            _ => None,
        })
        .collect();
    let mut rules = BTreeSet::new();
    collect_messages(&crds::schema(), &mut rules);
    assert!(rules.len() > 15, "{rules:?}");
    for rule in rules {
        assert!(refused.iter().any(|part| rule.contains(part)), "no case is refused with: {rule}");
    }
}

fn collect_messages(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            for rule in object.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                into.insert(rule["message"].as_str().expect("every rule has a message").to_owned());
            }
            object.values().for_each(|inner| collect_messages(inner, into));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_messages(inner, into)),
        _ => {}
    }
}
