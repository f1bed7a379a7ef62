use proptest::prelude::*;
use serde_json::json;

use super::*;

fn written(fields: &Value) -> String {
    front_matter(fields.as_object().unwrap())
}

fn read(text: &str) -> Value {
    let body = text
        .strip_prefix("---\n")
        .unwrap()
        .strip_suffix("---\n")
        .unwrap();
    serde_saphyr::from_str(body).unwrap()
}

#[test]
fn the_layout_is_block_style() {
    let fields = json!({
        "name": "Tin",
        "title": "Tin: a metal",
        "list": ["a", {"b": 1, "c": [true]}, []],
        "nested": {"d": {"e": 2.5}, "none": {}},
    });
    let expected = "\
---
name: Tin
title: \"Tin: a metal\"
list:
  - a
  - b: 1
    c:
      - true
  - []
nested:
  d:
    e: 2.5
  none: {}
---
";
    assert_eq!(written(&fields), expected);
}

#[test]
fn what_a_parser_could_mistake_is_quoted() {
    for text in [
        "",
        "yes",
        "No",
        "null",
        "~",
        "1",
        "1.5",
        "1e3",
        "0x1f",
        "2026-11-24",
        "12:30",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "'a'",
        "\"a\"",
        "{a}",
        "[a]",
        "a,b",
        " a",
        "a ",
        "a\nb",
        "---",
        "...",
        ".inf",
        "?",
        ":",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "a\\b",
        "=",
        "<<",
        "on",
    ] {
        let fields = json!({ "key": text, "list": [text] });
        assert!(written(&fields).contains("key: \""), "{text:?}");
        assert_eq!(read(&written(&fields)), fields, "{text:?}");
    }
}

#[test]
fn exponents_are_such_as_every_version_of_yaml_reads() {
    assert!(written(&json!({"a": 1e20})).contains("a: 1.0e+20\n"));
    assert!(written(&json!({"a": 2.65e-8})).contains("a: 2.65e-8\n"));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        (-1e15f64..1e15).prop_map(|value| json!(value)),
        any::<String>().prop_map(|value| json!(value)),
        "[a-z :#'\"\\-\n]{0,10}".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map("[a-z: ]{1,6}", inner, 0..4)
                .prop_map(|fields| json!(fields)),
        ]
    })
}

proptest! {
    #[test]
    fn another_parser_reads_the_same_back(value in value()) {
        let fields = json!({ "value": value });
        prop_assert_eq!(read(&written(&fields)), fields, "{}", written(&json!({ "value": value })));
    }
}
