//! The promises.

mod deaths;
mod gpus;
mod life;
mod moving;
mod plugin;
mod release;

use anyhow::Context;
use futures::{FutureExt, future::LocalBoxFuture};

use crate::bed::Bed;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: for<'a> fn(&'a Bed) -> LocalBoxFuture<'a, anyhow::Result<()>>,
}

macro_rules! scenarios {
    ($($module:ident::$name:ident),+ $(,)?) => {
        /// In the order in which they run.
        pub(crate) const ALL: &[Scenario] =
            &[$(Scenario { name: stringify!($name), run: |bed| $module::$name(bed).boxed_local() }),+];
    };
}

scenarios! {
    life::a_stream_lives_and_leaves_nothing,
    deaths::each_pod_of_a_stream_is_killed_once,
    deaths::nats_is_deleted,
    deaths::the_operator_that_leads_is_deleted,
    plugin::kubectl_acuity_answers,
    moving::a_drained_node_takes_nothing_from_who_watches,
    moving::another_spec_is_rolled_out_successor_first,
    release::live_streams_follow_an_upgrade_and_its_rollback,
    gpus::two_streams_share_a_gpu,
    release::images_of_a_registry_are_pulled_by_digest,
    release::an_uninstalled_release_leaves_the_definition_and_says_so,
}

/// What needs images of another tag, GPUs that nobody has, a registry, or nodes to drain: the cluster of `make cluster`.
pub(crate) const ONLY_ON_OUR_OWN: [&str; 4] = [
    "a_drained_node_takes_nothing_from_who_watches",
    "live_streams_follow_an_upgrade_and_its_rollback",
    "two_streams_share_a_gpu",
    "images_of_a_registry_are_pulled_by_digest",
];

/// All, or those that are named.
pub(crate) fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let find = |name: &String| ALL.iter().find(|scenario| scenario.name.contains(name.as_str()));
    names.iter().map(|name| find(name).with_context(|| format!("no scenario {name}: --list names all"))).collect()
}
