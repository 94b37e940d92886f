//! Each rule by a table, and all of them by random histories.

mod fairness;
mod histories;
mod records;
mod rules;
mod world;

use proptest::test_runner::Config;

/// Few in ordinary runs, for a case is hours of a cluster; `PROPTEST_CASES` asks for more.
fn cases(count: u32) -> Config {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { Config::default() } else { Config::with_cases(count) }
}
