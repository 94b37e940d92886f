//! Labels or annotations of an object, as hashes.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

/// Tells which `key=value` pairs an object has, in eight bytes each. Equal within one process only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Box<[u64]>);

impl Pairs {
    #[must_use]
    pub fn of(map: &BTreeMap<String, String>) -> Self {
        let mut hashes: Vec<u64> = map.iter().map(|(key, value)| hash(key, value)).collect();
        hashes.sort_unstable();
        Self(hashes.into())
    }

    #[must_use]
    pub fn contain(&self, key: &str, value: &str) -> bool {
        self.0.binary_search(&hash(key, value)).is_ok()
    }

    /// Whether each of `wanted` is there; what else is there does not matter.
    #[must_use]
    pub fn contain_all(&self, wanted: &BTreeMap<String, String>) -> bool {
        wanted.iter().all(|(key, value)| self.contain(key, value))
    }
}

fn hash(key: &str, value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, value).hash(&mut hasher);
    hasher.finish()
}
