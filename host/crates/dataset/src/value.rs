//! Builds JSON from any deserializer under limits that the input cannot talk its way around: aliases are
//! charged for what they expand to. Repeated keys and numbers that JSON lacks are errors.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::number;

/// Most levels of lists and objects within one another.
pub(super) const DEPTH: usize = 64;

/// What a value may still take.
pub(super) struct Allowance {
    left: Cell<usize>,
    limit: usize,
    passed: Cell<bool>,
}

impl Allowance {
    /// `limit` counts the bytes of all texts and keys, and one for each value.
    pub fn new(limit: usize) -> Self {
        Self {
            left: Cell::new(limit),
            limit,
            passed: Cell::new(false),
        }
    }

    /// Whether a limit, and nothing else, ended the deserialization.
    pub fn passed(&self) -> bool {
        self.passed.get()
    }

    /// The seed that deserializes one value within this allowance.
    pub fn seed(&self) -> Seed<'_> {
        Seed {
            allowance: self,
            depth: 0,
        }
    }

    fn charge<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let Some(left) = self.left.get().checked_sub(bytes.saturating_add(1)) else {
            self.passed.set(true);
            return Err(E::custom(format_args!(
                "it expands to more than {} bytes",
                self.limit
            )));
        };
        self.left.set(left);
        Ok(())
    }
}

/// Deserializes one [`Value`].
#[derive(Clone, Copy)]
pub(super) struct Seed<'a> {
    allowance: &'a Allowance,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        self.allowance.charge(0)?;
        if self.depth >= DEPTH {
            self.allowance.passed.set(true);
            return Err(E::custom(format_args!("it has more than {DEPTH} levels")));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.allowance.charge(0)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.allowance.charge(0)?;
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.allowance.charge(0)?;
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.allowance.charge(0)?;
        let number = Number::from_f64(value);
        number
            .map(Value::Number)
            .ok_or_else(|| E::custom(format_args!("`{value}` is no number in JSON")))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.allowance.charge(value.len())?;
        Ok(Value::String(number::cleaned(value.into())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.allowance.charge(value.len())?;
        Ok(Value::String(number::cleaned(value)))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.allowance.charge(0)?;
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let element = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(element)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let member = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.allowance.charge(key.len())?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(repeated(&key)));
            }
            let value = entries.next_value_seed(member)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// What messages say of a key that is there twice.
pub(super) fn repeated(key: &str) -> String {
    format!("the key `{key}` appears twice; keep one of them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Deserializer as Json;

    fn build(text: &str, limit: usize) -> (Result<Value, String>, bool) {
        let allowance = Allowance::new(limit);
        let value = allowance.seed().deserialize(&mut Json::from_str(text));
        (value.map_err(|error| error.to_string()), allowance.passed())
    }

    #[test]
    fn a_value_is_what_serde_json_would_build() {
        let text = r#"{"z": [1, -2, 2.5, null, true, "\u00e9"], "a": {}, "18446744073709551615": 18446744073709551615}"#;
        let (value, passed) = build(text, 1000);
        assert_eq!(
            value.unwrap().to_string(),
            serde_json::from_str::<Value>(text).unwrap().to_string()
        );
        assert!(!passed);
    }

    #[test]
    fn limits_hold_to_the_byte() {
        assert!(build(r#"["abc", 1]"#, 6).0.is_ok());
        assert!(build(r#"["abc", 1]"#, 5).1);
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(build(&nested(DEPTH), 1000).0.is_ok());
        let (value, passed) = build(&nested(DEPTH + 1), 1000);
        insta::assert_snapshot!(value.unwrap_err(), @"it has more than 64 levels at line 1 column 66");
        assert!(passed);
    }

    #[test]
    fn a_repeated_key_is_an_error_and_not_a_limit() {
        let (value, passed) = build(r#"{"a": 1, "b": {"a": 1, "a": 2}}"#, 1000);
        insta::assert_snapshot!(value.unwrap_err(), @"the key `a` appears twice; keep one of them at line 1 column 26");
        assert!(!passed);
    }
}
