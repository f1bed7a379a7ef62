use proptest::prelude::*;
use serde_json::json;

use super::*;

fn broken(schema: Value, answer: Value) -> Vec<String> {
    violations(&schema, &answer).unwrap()
}

#[test]
fn a_length_outside_its_bounds_says_what_it_must_be() {
    let schema = json!({"properties": {"description": {"minLength": 3, "maxLength": 5}}});
    assert_eq!(
        broken(schema.clone(), json!({"description": "ünïcödé"})),
        ["description has 7 characters, must have 3 to 5"]
    );
    assert!(broken(schema, json!({"description": "ünïcö"})).is_empty());
}

#[test]
fn messages_name_the_place() {
    let schema = json!({
        "type": "object",
        "properties": {"tags": {"items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": true}, "title": {}},
        "required": ["tags", "title"],
        "additionalProperties": false,
    });
    assert_eq!(
        broken(schema.clone(), json!({"tags": ["c"], "note": 1})),
        [
            "title is missing",
            "tags has 1 items, must have at least 2",
            "tags[0] is \"c\", must be one of \"a\", \"b\"",
            "note was not asked for",
        ]
    );
    assert_eq!(
        broken(schema, json!({"tags": ["a", "a"], "title": ""})),
        ["tags has \"a\" more than once"]
    );
}

#[test]
fn a_keyword_outside_the_subset_is_a_fault_and_not_silently_true() {
    let failure = violations(&json!({"not": {}}), &json!("b")).unwrap_err();
    assert!(
        failure.message.contains("not is not supported"),
        "{}",
        failure.message
    );
}

#[cfg(feature = "pattern")]
#[test]
fn a_text_must_match_the_pattern_somewhere() {
    let schema = json!({"properties": {"question": {"pattern": "\\?$"}}});
    assert!(broken(schema.clone(), json!({"question": "Why oak?"})).is_empty());
    assert_eq!(
        broken(schema, json!({"question": "Why"})),
        [r#"question is "Why", must match the regular expression `\?$`"#]
    );
    let failure = violations(&json!({"pattern": "("}), &json!("b")).unwrap_err();
    assert!(
        failure.message.contains("the pattern `(`"),
        "{}",
        failure.message
    );
}

#[test]
fn a_reference_that_leads_nowhere_or_to_itself_is_a_fault() {
    assert!(violations(&json!({"$ref": "#/$defs/x"}), &json!(1)).is_err());
    assert!(violations(&json!({"$ref": "#"}), &json!(1)).is_err());
}

#[test]
fn bounds_that_cross_are_a_contradiction_wherever_they_stand() {
    for bad in [
        json!({"minLength": 2, "maxLength": 1}),
        json!({"minItems": 2, "maxItems": 1}),
        json!({"minimum": 0.5, "maximum": 0.25}),
        json!({"enum": []}),
    ] {
        assert!(contradiction(&bad).is_some());
        let nested = json!({"properties": {"a": {"items": {"anyOf": [{}, bad]}}}});
        assert!(contradiction(&nested).is_some());
        assert_eq!(contradiction(&json!({"const": bad})), None);
    }
    assert_eq!(
        contradiction(&json!({"minLength": 1, "maxLength": 1})),
        None
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        (-3i64..4).prop_map(|value| json!(value)),
        (-6i64..7).prop_map(|value| json!(value as f64 / 2.0)),
        "[aä]{0,3}".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map("[ab]", inner, 0..3).prop_map(|fields| json!(fields)),
        ]
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let types = [
        "null", "boolean", "integer", "number", "string", "array", "object",
    ];
    let leaf = prop_oneof![
        prop::sample::select(types.to_vec()).prop_map(|name| json!({"type": name})),
        Just(json!({"type": ["string", "null"]})),
        value().prop_map(|value| json!({"const": value})),
        prop::collection::vec(value(), 1..3).prop_map(|values| json!({"enum": values})),
        (0u64..3, 0u64..3).prop_map(|(min, max)| json!({"minLength": min, "maxLength": max})),
        (-2i64..3, -2i64..3).prop_map(|(min, max)| json!({"minimum": min, "maximum": max})),
        Just(json!({"$ref": "#/$defs/text"})),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), 0u64..3, 0u64..4, any::<bool>()).prop_map(|(items, min, max, unique)| {
                json!({"items": items, "minItems": min, "maxItems": max, "uniqueItems": unique})
            }),
            (inner.clone(), prop::collection::vec("[ab]", 0..2), any::<bool>()).prop_map(
                |(a, required, open)| {
                    json!({"properties": {"a": a}, "required": required, "additionalProperties": open})
                }
            ),
            prop::collection::vec(inner, 1..3).prop_map(|forms| json!({"anyOf": forms})),
        ]
    })
}

proptest! {
    #[test]
    fn another_validator_agrees(mut schema in schema(), value in value()) {
        schema["$defs"] = json!({"text": {"type": "string"}});
        let agreed = jsonschema::is_valid(&schema, &value);
        prop_assert_eq!(broken(schema.clone(), value.clone()).is_empty(), agreed, "{} {}", schema, value);
    }
}
