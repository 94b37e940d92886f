//! The chart's generated files.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use bus::{Permissions, Role, permissions};
use serde_json::{Map, Value, json};

use crate::{chart, values_table};

/// A file as it is to be.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    pub path: PathBuf,
    pub text: String,
}

const TABLE_BEGIN: &str = "<!-- values: written by chartgen -->\n";
const TABLE_END: &str = "<!-- end of values -->\n";

/// Every generated file of the chart.
///
/// # Errors
/// When a source is not there, or the README has no place for the table of values.
pub fn generated() -> anyhow::Result<Vec<File>> {
    Ok(vec![
        copy("crds/livestreams.acuity.video.yaml", "livestreams.acuity.video.yaml")?,
        copy("operator/rbac.yaml", "rbac.yaml")?,
        nats_permissions()?,
        readme()?,
    ])
}

/// Helm reads no file outside of the chart.
fn copy(source: &str, name: &str) -> anyhow::Result<File> {
    let source = chart().join("../..").join(source);
    let text = fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
    Ok(File { path: chart().join("files").join(name), text })
}

fn nats_permissions() -> anyhow::Result<File> {
    let roles = [Role::Operator, Role::MediaNode, Role::Enhancer, Role::Trainer];
    let users: Map<String, Value> =
        roles.map(|role| (role.as_str().to_owned(), to_json(permissions(role, None)))).into_iter().collect();
    let text = format!("# What each role may do in NATS, from crates/bus.\n{}", serde_saphyr::to_string(&users)?);
    Ok(File { path: chart().join("files/nats-permissions.yaml"), text })
}

fn to_json(Permissions { publish, subscribe }: Permissions) -> Value {
    json!({ "publish": publish, "subscribe": subscribe })
}

fn readme() -> anyhow::Result<File> {
    let path = chart().join("README.md");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let values = fs::read_to_string(chart().join("values.yaml")).context("reading values.yaml")?;
    let (before, rest) = text.split_once(TABLE_BEGIN).context("README.md has no place for the table of values")?;
    let (_, after) = rest.split_once(TABLE_END).context("README.md has no end of the table of values")?;
    let text = format!("{before}{TABLE_BEGIN}{}{TABLE_END}{after}", values_table(&values));
    Ok(File { path, text })
}
