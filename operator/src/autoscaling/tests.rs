//! Each rule by a table, and all of them by random histories.

mod fairness;
mod histories;
mod records;
mod rules;
mod world;

use proptest::test_runner::{Config, RngSeed};

/// A few, and always the same, for a case is hours of a cluster; `PROPTEST_CASES` asks for that many others.
fn cases(count: u32) -> Config {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { Config::default() } else { Config { rng_seed: RngSeed::Fixed(1), ..Config::with_cases(count) } }
}
