//! Reads a YAML record with its numbers as they are written. The parser tells a number's value and its place; the text
//! at that place tells its digits.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Options, Spanned};

use super::number;

/// A record that was read once already, without fault. `None` where it cannot be read like this.
pub(super) fn read(text: &str, options: Options) -> Option<Value> {
    let node: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).ok()?;
    node_value(node, text)
}

enum Node {
    Scalar(Value),
    Float(f64),
    List(Vec<Spanned<Node>>),
    Object(Vec<(String, Spanned<Node>)>),
}

fn node_value(node: Spanned<Node>, text: &str) -> Option<Value> {
    // Of an alias, the digits stand where its anchor is.
    let place = node.defined.span();
    Some(match node.value {
        Node::Scalar(value) => value,
        Node::Float(float) => {
            let start = usize::try_from(place.byte_offset()?).ok()?;
            let length = usize::try_from(place.byte_len()?).ok()?;
            let token = text.get(start..start + length).unwrap_or_default().trim();
            match number::number(token) {
                Some(value) => value,
                None => Value::Number(Number::from_f64(float)?),
            }
        }
        Node::List(list) => {
            let values = list.into_iter().map(|node| node_value(node, text));
            Value::Array(values.collect::<Option<_>>()?)
        }
        Node::Object(entries) => {
            let mut object = Map::new();
            for (key, node) in entries {
                object.insert(key, node_value(node, text)?);
            }
            Value::Object(object)
        }
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(number::cleaned(value))))
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Node::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use crate::Record;
    use crate::fixture::Fixture;

    fn fields(yaml: &str) -> String {
        let record: Record = Fixture::new("a.yaml", yaml).records().remove(0);
        record.fields.to_string()
    }

    #[test]
    fn numbers_are_printed_as_they_are_written() {
        let yaml = "# größer\n- id: a\n  name: Ä\n  category: c\n  price: 1.10\n  list: [1E5, 2.50 , {x: -0.0}]\n  \
            ean: 123456789012345678901\n  low: -9223372036854775809\n  ratio: 0.1234567890123456789\n  quoted: '1.10'\n  \
            text: |\n    1.10\n  folded: 1.10 and\n    1E5\n  base: &b 3.50\n  same: *b\n  half: .5\n  plain: 2.5\n  int: 7\n  code: 007\n";
        assert_eq!(
            fields(yaml),
            "{\"price\":1.10,\"list\":[1E5,2.50,{\"x\":-0.0}],\"ean\":\"123456789012345678901\",\
             \"low\":\"-9223372036854775809\",\"ratio\":\"0.1234567890123456789\",\"quoted\":\"1.10\",\
             \"text\":\"1.10\\n\",\"folded\":\"1.10 and 1E5\",\"base\":3.50,\"same\":3.50,\"half\":0.5,\
             \"plain\":2.5,\"int\":7,\"code\":\"007\"}"
        );
    }
}
