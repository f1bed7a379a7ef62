//! JSON values into types and into text, in a fraction of the code that serde_json takes for it: a type is read from an
//! object only, never from a list of its fields; no number is printed in an error; text is printed in one way.
//!
//! It does not parse: that is serde_json's.

use std::fmt::{self, Display};
use std::iter::Enumerate;
use std::slice;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Number, Value, map};

/// The value as text, without white space. Its `to_string` would bring a printer with white space as well.
pub(crate) fn write(value: &Value) -> String {
    // Only a map whose keys are no strings has no text.
    serde_json::to_string(value).unwrap_or_default()
}

/// The value as a `T`.
///
/// # Errors
/// The place at which they differ, and how.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Mismatch> {
    T::deserialize(Reader(value))
}

/// Where a value does not fit a type, and how.
#[derive(Debug)]
pub(crate) struct Mismatch {
    place: String,
    why: String,
}

impl Mismatch {
    /// The same, seen from the object or list that holds it.
    fn inside(mut self, key: &str) -> Self {
        if !self.place.is_empty() && !self.place.starts_with('[') {
            self.place.insert(0, '.');
        }
        self.place.insert_str(0, key);
        self
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            f.write_str(&self.place)?;
            f.write_str(": ")?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for Mismatch {}

impl Error for Mismatch {
    fn custom<T: Display>(why: T) -> Self {
        Mismatch {
            place: String::new(),
            why: why.to_string(),
        }
    }

    // The default prints the value, and with it numbers.
    fn invalid_type(actual: Unexpected<'_>, expected: &dyn Expected) -> Self {
        mismatch(kind(&actual), expected)
    }

    fn invalid_value(actual: Unexpected<'_>, expected: &dyn Expected) -> Self {
        mismatch(kind(&actual), expected)
    }
}

fn mismatch(actual: &str, expected: &dyn Expected) -> Mismatch {
    Mismatch::custom(format_args!("it is {actual}, not {expected}"))
}

fn kind(actual: &Unexpected<'_>) -> &'static str {
    match actual {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        _ => "something else",
    }
}

#[derive(Clone, Copy)]
struct Reader<'de>(&'de Value);

impl Reader<'_> {
    fn is_not(self, expected: &dyn Expected) -> Mismatch {
        let actual = match self.0 {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        mismatch(actual, expected)
    }
}

fn number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, Mismatch> {
    if let Some(number) = number.as_u64() {
        visitor.visit_u64(number)
    } else if let Some(number) = number.as_i64() {
        visitor.visit_i64(number)
    } else {
        visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN))
    }
}

/// Methods that read one kind of value with one method of the visitor.
macro_rules! read_as {
    ($kind:ident($inside:ident) => $read:expr; $($method:ident($($name:ident: $type:ty),*))+) => { $(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Mismatch> {
            $(let _ = $name;)*
            match self.0 {
                Value::$kind($inside) => $read(visitor),
                _ => Err(self.is_not(&visitor)),
            }
        }
    )+ };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(value) => number(value, visitor),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Object(fields) => visitor.visit_map(Fields::new(fields)),
        }
    }

    read_as! { Bool(value) => |visitor: V| visitor.visit_bool(*value); deserialize_bool() }

    read_as! { Number(value) => |visitor| number(value, visitor);
    deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_u8() deserialize_u16()
    deserialize_u32() deserialize_u64() deserialize_f32() deserialize_f64() }

    read_as! { String(text) => |visitor: V| visitor.visit_borrowed_str(text);
    deserialize_char() deserialize_str() deserialize_string() deserialize_identifier() }

    read_as! { Array(items) => |visitor: V| visitor.visit_seq(Items(items.iter().enumerate()));
    deserialize_seq() deserialize_tuple(_length: usize)
    deserialize_tuple_struct(_name: &'static str, _length: usize) }

    read_as! { Object(fields) => |visitor: V| visitor.visit_map(Fields::new(fields));
    deserialize_map() deserialize_struct(_name: &'static str, _fields: &'static [&'static str]) }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::String(variant) => visitor.visit_enum(name(variant)),
            Value::Object(fields) if fields.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Fields::new(fields)))
            }
            _ => Err(self.is_not(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf unit unit_struct }
}

fn name(text: &str) -> StrDeserializer<'_, Mismatch> {
    text.into_deserializer()
}

struct Items<'de>(Enumerate<slice::Iter<'de, Value>>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Mismatch> {
        let Some((index, item)) = self.0.next() else {
            return Ok(None);
        };
        let read = seed.deserialize(Reader(item)).map(Some);
        read.map_err(|error| error.inside(&format!("[{index}]")))
    }
}

struct Fields<'de> {
    rest: map::Iter<'de>,
    current: Option<(&'de String, &'de Value)>,
}

impl<'de> Fields<'de> {
    fn new(fields: &'de Map<String, Value>) -> Self {
        Fields {
            rest: fields.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Mismatch> {
        self.current = self.rest.next();
        let Some((key, _)) = self.current else {
            return Ok(None);
        };
        seed.deserialize(Key(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let (key, value) = self
            .current
            .ok_or_else(|| Mismatch::custom("a value is read before its key"))?;
        seed.deserialize(Reader(value))
            .map_err(|error| error.inside(key))
    }
}

/// The key of an object, which may stand for a whole number or a variant as well.
struct Key<'de>(&'de str);

macro_rules! whole_numbers {
    ($($method:ident)+) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            if let Ok(number) = self.0.parse() {
                visitor.visit_u64(number)
            } else if let Ok(number) = self.0.parse() {
                visitor.visit_i64(number)
            } else {
                visitor.visit_borrowed_str(self.0)
            }
        }
    )+ };
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_borrowed_str(self.0)
    }

    whole_numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
    deserialize_u32 deserialize_u64 }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_enum(name(self.0))
    }

    forward_to_deserialize_any! { bool i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
    tuple tuple_struct map struct identifier ignored_any }
}

#[cfg(test)]
mod tests;
