use super::*;
use serde_json::json;

fn words(json: &str) -> Words {
    read(json).unwrap()
}

fn said(json: &str) -> String {
    joined(words(json).said)
}

#[test]
fn content_is_read_in_every_shape() {
    for (json, expected) in [
        (r#""Oak.""#, "Oak."),
        ("null", ""),
        ("[]", ""),
        ("{}", ""),
        ("true", ""),
        (r#"["Oak ", "wood."]"#, "Oak wood."),
        (r#"[{"type": "text", "text": "Oak."}]"#, "Oak."),
        (r#"[{"text": "Oak."}, null, 3]"#, "Oak."),
        (r#"{"type": "text", "text": "Oak."}"#, "Oak."),
        (r#"[{"type": "text", "text": null}]"#, ""),
        (r#"[{"type": "text", "text": {"value": "Oak."}}]"#, "Oak."),
        (r#"[{"type": "output_text", "text": "Oak."}]"#, "Oak."),
        (r#"{"title": "Oak"}"#, r#"{"title":"Oak"}"#),
    ] {
        assert_eq!(words(json).said, expected, "{json}");
    }
    let mixed = r#"[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Oak."}, {"type": "refusal", "refusal": "No."}]"#;
    let mixed = words(mixed);
    assert_eq!(
        (mixed.said.as_str(), mixed.refused.as_str()),
        ("Oak.", "No.")
    );
    assert!(mixed.thought >= 3);
}

#[test]
fn counts_are_read_from_whatever_counts() {
    for (json, expected) in [
        ("12", Some(12)),
        ("12.0", Some(12)),
        ("12.9", Some(12)),
        (r#""12""#, Some(12)),
        ("0", Some(0)),
        ("null", None),
        ("-1", None),
        ("-0.5", None),
        (r#""many""#, None),
        ("18446744073709551615", None),
        ("1e300", None),
        ("1e999", None),
        ("NaN", None),
        ("[1]", None),
        (r#"{"tokens": 1}"#, None),
        ("true", None),
    ] {
        let found: Vec<Count> = read(&format!("[{json}]")).unwrap();
        assert_eq!(found[0].0, expected, "{json}");
    }
}

#[test]
fn halves_of_a_pair_are_joined_or_replaced() {
    assert_eq!(said(r#""a \ud83c\udf33 b""#), "a 🌳 b");
    assert_eq!(said(r#""a \ud83c b""#), "a \u{fffd} b");
    assert_eq!(said(r#""a \udf33 b \ud83c""#), "a \u{fffd} b \u{fffd}");
    // In two events.
    let (first, second) = (words(r#""a \ud83c""#), words(r#""\udf33 b""#));
    assert_eq!(joined(first.said + &second.said), "a 🌳 b");
    // Escaped backslashes are no escapes.
    assert_eq!(said(r#""\\ud83c \ud83c""#), "\\ud83c \u{fffd}");
}

#[test]
fn what_no_json_may_hold_is_mended() {
    for (json, expected) in [
        ("\"a\nb\tc\"", json!("a\nb\tc")),
        (r#""it\'s""#, json!("it's")),
        (
            r#"{"a": NaN, "b": -Infinity}"#,
            json!({"a": null, "b": null}),
        ),
        (r#"{"a": None, "b": "NaN"}"#, json!({"a": null, "b": "NaN"})),
        (r#"{"a": 1, "b": NaN, "a": 2}"#, json!({"a": 2, "b": null})),
        ("\u{feff}[1, -2.5e3, true]", json!([1, -2.5e3, true])),
    ] {
        assert_eq!(read::<Value>(json).unwrap(), expected, "{json}");
    }
    for broken in [
        "ping",
        "",
        "{",
        r#"{"a": "#,
        r#""a"#,
        r#"{"a" 1}"#,
        "\\",
        r#""\u12"#,
    ] {
        assert!(read::<Value>(broken).is_err(), "{broken}");
    }
}

#[test]
fn objects_are_found_or_absent() {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Inner {
        n: Count,
    }
    let first = |json: &str| read::<First<Inner>>(json).unwrap().0.map(|inner| inner.n.0);
    assert_eq!(first(r#"[{"n": 1}, {"n": 2}]"#), Some(Some(1)));
    assert_eq!(first(r#"{"n": 3}"#), Some(Some(3)));
    assert_eq!(first(r#"[{"n": []}]"#), Some(None));
    for none in ["null", "[]", "[null]", "3", r#""text""#] {
        assert_eq!(first(none), None, "{none}");
    }
    // A name that comes twice.
    assert_eq!(first(r#"[{"n": 1, "n": 2}]"#), Some(Some(2)));
    assert!(read::<Object<Inner>>("[1]").unwrap().0.is_none());
}

#[test]
fn an_empty_error_is_none() {
    for blank in [
        json!(null),
        json!(""),
        json!({}),
        json!([]),
        json!(false),
        json!({"message": "", "code": null}),
        json!({"code": 0, "message": "success"}),
    ] {
        assert!(is_blank(&blank), "{blank}");
    }
    for error in [json!("no"), json!({"code": 402}), json!({"message": "no"})] {
        assert!(!is_blank(&error), "{error}");
    }
}

#[test]
fn what_has_more_values_than_an_answer_is_not_read() {
    let many = |part: &str| format!("[{}{part}]", format!("{part},").repeat(MOST_VALUES));
    for part in ["{}", "[]", "0", "NaN"] {
        assert!(read::<Value>(&many(part)).is_err(), "{part}");
    }
    // However long a text is, it is one value.
    let text = many("{}").replace('"', "");
    let quoted = serde_json::to_string(&format!("\"{text}\\")).unwrap();
    assert!(read::<Value>(&quoted).is_ok());
}
