use schemars::JsonSchema;

use super::*;

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is of interest")]
struct Page {
    /// One line.
    #[schemars(length(min = 3, max = 9))]
    title: String,
    count: Option<u32>,
    parts: Vec<Part>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is of interest")]
struct Part {
    kind: Kind,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is of interest")]
enum Kind {
    Good,
    Bad,
}

#[test]
fn a_schema_is_inline_closed_and_requires_all() {
    let expected = json!({
        "type": "object",
        "properties": {
            "title": {"description": "One line.", "type": "string", "minLength": 3, "maxLength": 9},
            "count": {"type": ["integer", "null"], "minimum": 0},
            "parts": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"kind": {"type": "string", "enum": ["good", "bad"]}},
                    "required": ["kind"],
                    "additionalProperties": false,
                },
            },
        },
        "required": ["title", "count", "parts"],
        "additionalProperties": false,
    });
    assert_eq!(schema_of::<Page>(), expected);
}

#[test]
fn what_is_derived_is_what_is_validated() {
    let answer = json!({"title": "Tin", "count": null, "parts": [{"kind": "good"}]});
    assert_eq!(
        crate::schema::violations(&schema_of::<Page>(), &answer).unwrap(),
        [""; 0]
    );
}
