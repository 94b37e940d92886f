//! The reference documentation of the resource, written from its schema. The prose around it is `reference/livestream.md`.

mod fields;
mod order;

use std::fmt::Write as _;

use kube::CustomResourceExt;

use crate::{ConditionType, LiveStream, schema};

const PAGE: &str = include_str!("reference/livestream.md");
const STATUS_EXAMPLE: &str = include_str!("reference/status.yaml");
const EVERY_FIELD: &str = include_str!("../../examples/every-field.yaml");

/// The page as Markdown.
#[must_use]
pub fn reference() -> String {
    let schema = schema();
    let spec = order::parse(EVERY_FIELD).get("spec");
    let status = order::parse(STATUS_EXAMPLE);
    [
        ("{selectable}", selectable()),
        ("{spec}", fields::sections("spec", &schema["properties"]["spec"], &spec)),
        ("{status example}", STATUS_EXAMPLE.trim_end().to_owned()),
        ("{status}", fields::sections("status", &schema["properties"]["status"], &status)),
        ("{conditions}", conditions()),
    ]
    .into_iter()
    .fold(PAGE.to_owned(), |page, (place, text)| page.replace(place, text.trim_end()))
}

fn selectable() -> String {
    let version = LiveStream::crd().spec.versions.remove(0);
    let fields = version.selectable_fields.unwrap_or_default();
    fields
        .iter()
        .map(|field| format!("`{}`", field.json_path.trim_start_matches('.')))
        .collect::<Vec<_>>()
        .join(" and ")
}

fn conditions() -> String {
    let mut text = String::new();
    for condition in ConditionType::ALL {
        let about = condition.description().trim();
        let _ = write!(text, "### {}\n\n{about}\n\n| status | reason | meaning |\n|---|---|---|\n", condition.as_str());
        for (reason, status, why) in condition.reasons() {
            let _ = writeln!(text, "| {} | `{reason}` | {} |", status.as_str(), why.trim());
        }
        text.push('\n');
    }
    text
}
