//! Reads JSON up to a number of values, so that no question makes the stand-in hold more than a megabyte.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use types::json::Json;

/// Most values that are read.
const MOST_VALUES: usize = 10_000;

/// The value without what lies beyond the bound: later items and entries are left out.
pub fn read(json: &Json) -> Value {
    let mut left = MOST_VALUES;
    let mut text = serde_json::Deserializer::from_str(json.as_str());
    // The text was read when it was made.
    Bounded(&mut left)
        .deserialize(&mut text)
        .unwrap_or_default()
}

/// Reads one value; how many more may be read is told.
struct Bounded<'l>(&'l mut usize);

impl Bounded<'_> {
    fn is_full(&self) -> bool {
        *self.0 == 0
    }

    fn inner(&mut self) -> Bounded<'_> {
        Bounded(&mut *self.0)
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        *self.0 = self.0.saturating_sub(1);
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while !self.is_full() {
            match items.next_element_seed(self.inner())? {
                Some(value) => values.push(value),
                None => return Ok(values.into()),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while !self.is_full() {
            let Some(key) = entries.next_key()? else {
                return Ok(values.into());
            };
            values.insert(key, entries.next_value_seed(self.inner())?);
        }
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(values.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_lies_beyond_the_bound_is_left_out() {
        let small = json!({"a": [1, -1, 0.5, true, null, "b"], "c": {"d": []}});
        assert_eq!(read(&small.clone().into()), small);
        let items = vec![0; 2 * MOST_VALUES];
        let large = read(&json!({"first": 1, "items": items, "last": {"a": 1}}).into());
        assert_eq!(large["items"].as_array().unwrap().len(), MOST_VALUES - 3);
        assert_eq!(large.as_object().unwrap().len(), 2);
    }
}
