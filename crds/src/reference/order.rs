//! In which order an example names its fields: a schema has none.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The fields of an object as an example names them, each with those within it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Order(Vec<(String, Order)>);

pub(super) fn parse(yaml: &str) -> Order {
    serde_saphyr::from_str(yaml).expect("the examples are YAML")
}

impl Order {
    pub(super) fn get(&self, field: &str) -> Self {
        self.0.iter().find(|(name, _)| name == field).map(|(_, inner)| inner.clone()).unwrap_or_default()
    }

    /// Of two fields, the one that the example names first; those it does not name come last.
    pub(super) fn position(&self, field: &str) -> usize {
        self.0.iter().position(|(name, _)| name == field).unwrap_or(usize::MAX)
    }
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Order;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Order, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Order(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Order, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Order::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Order, E> {
        Ok(Order::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Order, E> {
        Ok(Order::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Order, E> {
        Ok(Order::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Order, E> {
        Ok(Order::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Order, E> {
        Ok(Order::default())
    }
}
