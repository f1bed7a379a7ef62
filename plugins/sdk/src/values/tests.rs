use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "kebab-case")]
struct Everything {
    text: String,
    letter: char,
    yes: bool,
    whole: u32,
    below: i64,
    number: f64,
    list: Vec<u8>,
    pair: (String, f64),
    perhaps: Option<Box<Everything>>,
    by_name: BTreeMap<String, Shape>,
    any: Value,
    wrapped: Wrapped,
    by_year: BTreeMap<Year, i8>,
    by_offset: BTreeMap<i64, Value>,
    by_side: BTreeMap<Side, u8>,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Year(u16);

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    Right,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Wrapped(u32);

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Shape {
    Flat,
    Round(f64),
    Square { side: u32 },
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Either {
    Number(f64),
    Texts(Vec<String>),
}

fn everything() -> Value {
    json!({
        "text": "é", "letter": "x", "yes": true, "whole": 7, "below": -7, "number": 2.5, "list": [1, 2],
        "pair": ["a", 1], "perhaps": {"text": "inner"}, "unknown": [{"a": null}],
        "by-name": {"flat": "flat", "round": {"round": 1.5}, "square": {"square": {"side": 2}}},
        "any": {"a": [null, 1, 2.5, "b", true]}, "wrapped": 3,
        "by-year": {"2020": 1, "2021": 2}, "by-offset": {"-3": null, "3": [1]}, "by-side": {"Left": 1, "Right": 2},
    })
}

/// What serde_json's own reader makes of a value, this one makes of it.
#[test]
fn it_reads_what_serde_json_reads() {
    let value = everything();
    let read: Everything = read(&value).unwrap();
    assert_eq!(
        read,
        serde_json::from_value::<Everything>(value.clone()).unwrap()
    );
    assert_eq!(read.perhaps.unwrap().text, "inner");
    assert_eq!(read.by_name["square"], Shape::Square { side: 2 });
    for value in [json!(1), json!(["a", "b"])] {
        let either: Either = super::read(&value).unwrap();
        assert_eq!(either, serde_json::from_value(value).unwrap());
    }
}

#[test]
fn a_mismatch_names_the_place_and_both_kinds() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Needed {
        name: String,
    }
    let read = |key: &str, value: Value| {
        let mut fields = everything();
        fields[key] = value;
        super::read::<Everything>(&fields).unwrap_err().to_string()
    };
    let found = [
        read("text", json!(5.25)),
        read("whole", json!(-1)),
        read("whole", json!("many")),
        read("number", Value::Null),
        read("list", json!([1, 300])),
        read("pair", json!(["a"])),
        read("perhaps", json!({"perhaps": {"yes": "yes"}})),
        read("by-name", json!({"odd": "oval"})),
        read("by-year", json!({"soon": 1})),
        read("by-name", json!({"odd": ["flat"]})),
        super::read::<Vec<Needed>>(&json!([{}]))
            .unwrap_err()
            .to_string(),
        super::read::<Needed>(&json!([])).unwrap_err().to_string(),
    ];
    assert_eq!(
        found,
        [
            "text: it is a number, not a string",
            "whole: it is a number, not u32",
            "whole: it is a string, not u32",
            "number: it is null, not f64",
            "list[1]: it is a number, not u8",
            "pair: invalid length 1, expected a tuple of size 2",
            "perhaps.perhaps.yes: it is a string, not a boolean",
            "by-name.odd: unknown variant `oval`, expected one of `flat`, `round`, `square`",
            "by-year: it is a string, not u16",
            "by-name.odd: it is a list, not enum Shape",
            "[0]: missing field `name`",
            "it is a list, not struct Needed",
        ]
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".*", inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().collect::<Map<String, Value>>()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_reads_as_itself_and_is_written_as_serde_json_writes_it(value in any_value()) {
        prop_assert_eq!(read::<Value>(&value).unwrap(), value.clone());
        prop_assert_eq!(write(&value), value.to_string());
    }
}
