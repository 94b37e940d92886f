//! Files of the chart.

use charts::{chart, generated};

use crate::helm::helm;

#[test]
fn what_the_chart_repeats_of_the_repository_is_the_same() {
    for file in generated().expect("the sources are there") {
        let text = std::fs::read_to_string(&file.path).unwrap_or_default();
        assert!(text == file.text, "{} is not what it is made from: run `make chart`", file.path.display());
    }
}

#[test]
fn helm_has_nothing_to_object() {
    let linted = helm(&["lint", "--strict", chart().to_str().expect("a path in text")]);
    assert!(linted.is_ok(), "{linted:?}");
}
