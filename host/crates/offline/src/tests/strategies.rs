//! Random facts, and random rules and schemas that some answer obeys.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::sentence::count_words;
use types::request::Rules;

fn label() -> impl Strategy<Value = String> {
    "[a-z]{3,9}(_[a-z]{3,8})?"
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[1-9][0-9]{0,3}(\\.[0-9]{1,2})? (kg|g/cm³|°C)".prop_map(Value::from),
        "[A-Z][a-z]{2,8}( [a-z]{2,8}){0,3}".prop_map(Value::from),
        "[A-Z][a-z]{2,8}( [a-z]{2,8}){3,30}\\.".prop_map(Value::from),
        (1..9000_i32).prop_map(Value::from),
        Just(Value::Null),
        prop::collection::vec("[a-z]{2,9}( [a-z]{2,9})?", 0..9).prop_map(Value::from),
    ]
}

/// Facts.
pub fn facts() -> impl Strategy<Value = Value> {
    let flat = || {
        prop::collection::vec((label(), value()), 0..6)
            .prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
    };
    let name = prop::option::of("[A-Z][a-z]{2,9}( [A-Z][a-z]{2,7})?");
    (
        name,
        flat(),
        prop::option::of((label(), flat())),
        prop::option::of((label(), prop::collection::vec(flat(), 0..3))),
    )
        .prop_map(|(name, mut facts, group, list)| {
            let object = facts.as_object_mut().unwrap();
            object.extend(name.map(|name| ("name".to_owned(), Value::from(name))));
            object.extend(group);
            object.extend(list.map(|(label, list)| (label, Value::from(list))));
            facts
        })
}

/// Rules that do not contradict each other.
pub fn rules() -> impl Strategy<Value = Rules> {
    let headings = prop::collection::vec("[A-Z][a-z]{2,8}( [a-z]{3,8})?", 0..4);
    let required = prop::collection::vec("[a-z]{3,9}(-[a-z]{3,6})?( [a-z]{3,6})?", 0..9);
    let lines = (prop::option::of(0..9_u32), prop::option::of(0..9_u32));
    let words = (prop::option::of(0..600_u32), prop::option::of(0..200_u32));
    (headings, required, lines, words).prop_map(|(headings, required_words, lines, words)| {
        let said: usize = headings
            .iter()
            .chain(&required_words)
            .map(|text| count_words(text))
            .sum();
        let fewest = u32::try_from(headings.len()).unwrap() + 1;
        let min_lines = lines.0;
        let least = u32::try_from(said).unwrap() + min_lines.unwrap_or(0).max(1);
        Rules {
            min_words: words.0,
            max_words: words.1.map(|slack| words.0.unwrap_or(0).max(least) + slack),
            min_lines,
            max_lines: lines
                .1
                .map(|slack| min_lines.unwrap_or(0).max(fewest) + slack),
            required_words,
            headings,
            numbers_from_facts: true,
            whole_sentences: true,
        }
    })
}

/// Schemas that some value obeys.
pub fn schemas() -> impl Strategy<Value = Value> {
    let string =
        (0..120_usize, prop::option::of(0..200_usize)).prop_map(|(min, room)| match room {
            Some(room) => json!({"type": "string", "minLength": min, "maxLength": min + room}),
            None => json!({"type": ["string", "null"], "minLength": min}),
        });
    let number = (-1000..1000_i32, 0..500_i32, any::<bool>()).prop_map(|(min, room, whole)| {
        json!({"type": if whole { "integer" } else { "number" }, "minimum": min, "maximum": min + room})
    });
    let pattern = prop_oneof![
        Just("^[a-z]+(-[a-z]+)*$"),
        Just("^[A-Z]{3}-\\d{2,4}$"),
        Just("^(left|right) (side|edge)?$"),
        Just("^[^0-9]{5,9}$"),
        Just("colou?r\\w*"),
    ];
    let leaf = prop_oneof![
        string,
        number,
        pattern.prop_map(|pattern| json!({"type": "string", "pattern": pattern})),
        prop::collection::hash_set("[a-z]{3,9}", 1..5).prop_map(|members| json!({"enum": members})),
        Just(json!({"type": "boolean"})),
        Just(json!({"const": 7})),
        Just(json!({"$ref": "#/$defs/short"})),
        Just(json!({"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 9}]})),
        Just(json!({"oneOf": [{"const": "one"}, {"const": "two"}]})),
        Just(json!({})),
    ];
    let inner = leaf.prop_recursive(3, 24, 5, |inner| {
        let string = json!({"type": "string", "minLength": 3, "maxLength": 80});
        let list = (0..6_usize, 0..5_usize, any::<bool>(), inner.clone()).prop_map(move |(min, room, unique, items)| {
            // Only texts have enough different values for sure.
            let items = if unique { string.clone() } else { items };
            json!({"type": "array", "minItems": min, "maxItems": min + room, "uniqueItems": unique, "items": items})
        });
        let names = prop_oneof![label(), Just("title".to_owned()), Just("keywords".to_owned()), Just("description".to_owned())];
        let object = prop::collection::vec((names, inner), 0..5).prop_map(|properties| {
            let required: Vec<&String> = properties.iter().map(|(name, _)| name).collect();
            let required: std::collections::HashSet<&String> = required.into_iter().collect();
            json!({"type": "object", "required": required, "additionalProperties": false,
                "properties": properties.iter().cloned().collect::<Map<String, Value>>()})
        });
        prop_oneof![list, object]
    });
    inner.prop_map(|mut schema| {
        schema["$defs"] = json!({"short": {"type": "string", "minLength": 1, "maxLength": 12}});
        schema
    })
}
