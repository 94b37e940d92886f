//! The operator ends between two writes.

use futures::{StreamExt, stream};

use crate::{
    scenarios::{End, Scenario, scenarios},
    wire::Fault,
};

/// Cases that run at the same time.
pub(crate) const PARALLEL: usize = 4;

#[tokio::test]
async fn after_a_crash_behind_any_write_all_comes_to_be_as_without() {
    let scenarios = scenarios();
    let mut cases = Vec::new();
    for scenario in &scenarios {
        let undisturbed = scenario.run(None).await;
        assert_eq!(undisturbed.world.restarts, 0);
        let writes = undisturbed.calls.iter().enumerate().filter(|(_, call)| call.is_write() && !call.is_event());
        let writes: Vec<usize> = writes.map(|(index, _)| index).collect();
        assert!(!writes.is_empty() || scenario.name == "deleted", "{}", scenario.name);
        cases.push((scenario, undisturbed, writes));
    }
    let cases = cases.iter().flat_map(|(scenario, undisturbed, writes)| {
        writes.iter().map(move |index| check(scenario, undisturbed, *index))
    });
    let failures: Vec<String> =
        stream::iter(cases).buffer_unordered(PARALLEL).filter_map(async |failure| failure).collect().await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn check(scenario: &Scenario, undisturbed: &End, index: usize) -> Option<String> {
    let end = scenario.run(Some((index, Fault::Crash))).await;
    assert_eq!(end.world.restarts, 1, "{}: it goes the same way again", scenario.name);
    let differences = undisturbed.picture.differences(&end.picture);
    let after = &undisturbed.calls[index];
    (!differences.is_empty())
        .then(|| format!("{}, after {} {}:\n  {}", scenario.name, after.method, after.path, differences.join("\n  ")))
}
