//! Helm, as `make setup-tests` built it.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use charts::chart;
use serde_json::Value;

/// Kubernetes' version for a chart that is only rendered.
const KUBE_VERSION: &str = "1.33.0";

/// Objects by `Kind/name`, and namespace where they have one.
pub(crate) type Objects = BTreeMap<String, Value>;

/// Runs Helm; its output, or what it says is wrong.
pub(crate) fn helm(arguments: &[&str]) -> Result<String, String> {
    let output = command().args(arguments).output().expect("Helm can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("Helm writes text");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Helm with nothing of this user's.
pub(crate) fn command() -> Command {
    let program = std::env::var_os("ACUITY_HELM").map_or_else(|| cached("helm"), PathBuf::from);
    assert!(program.is_file(), "no Helm: run `make setup-tests`, which builds it once; expected {}", program.display());
    let mut command = Command::new(program);
    command.env("HELM_PLUGINS", "/nonexistent").env_remove("KUBECONFIG");
    command
}

/// Where `make setup-tests` puts a program.
pub(crate) fn cached(program: &str) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    caches.unwrap_or_default().join("acuity/bin").join(program)
}

/// The chart rendered with `values`, as release `acuity` in namespace `acuity-system`.
pub(crate) fn render(values: &str) -> Result<Objects, String> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), values).expect("a temporary file can be written");
    let (chart, values) = (chart(), file.path().to_owned());
    let arguments = ["template", "acuity", chart.to_str().expect("a path in text"), "--namespace", "acuity-system"];
    let more = ["--kube-version", KUBE_VERSION, "--values", values.to_str().expect("a path in text")];
    let text = helm(&[&arguments[..], &more[..]].concat())?;
    Ok(parse(&text))
}

fn parse(text: &str) -> Objects {
    let documents = text.split("\n---\n").map(|document| document.trim_start_matches("---\n"));
    let objects = documents.filter_map(|document| {
        let object: Option<Value> =
            serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error}:\n{document}"));
        object.filter(Value::is_object)
    });
    let mut named = Objects::new();
    for object in objects {
        let of = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = match of("/metadata/namespace").as_str() {
            "" | "acuity-system" => format!("{}/{}", of("/kind"), of("/metadata/name")),
            namespace => format!("{}/{namespace}/{}", of("/kind"), of("/metadata/name")),
        };
        assert!(named.insert(name.clone(), object).is_none(), "{name} is rendered twice");
    }
    named
}
