use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::FailureKind;
use crate::testing;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default)]
#[derive(Default)]
struct Fields {
    formula: Option<String>,
    industries: Vec<String>,
}

#[test]
fn a_null_is_an_absent_field() {
    let mut raw = testing::input("tin", "Tin", "metal");
    raw.fields = json!({"formula": null, "industries": ["Food", null], "other": 1}).to_string();
    let fields: Fields = Input::new(raw).fields().unwrap();
    assert_eq!(
        fields,
        Fields {
            formula: None,
            industries: vec!["Food".to_owned()]
        }
    );
}

#[test]
fn each_part_of_the_input_says_what_is_wrong_with_it() {
    let mut raw = testing::input("tin", "Tin", "metal");
    for part in [&mut raw.fields, &mut raw.category_fields, &mut raw.options] {
        *part = json!({"industries": "Food"}).to_string();
    }
    raw.upstreams = vec![testing::upstream("frontmatter", "edited", None)];
    let input = Input::new(raw);
    let failures = [
        (
            input.fields::<Fields>().unwrap_err(),
            FailureKind::UnsuitableRecord,
            "record tin: industries: invalid type: string \"Food\", expected a sequence",
        ),
        (
            input.category_fields::<Fields>().unwrap_err(),
            FailureKind::UnsuitableRecord,
            "category metal",
        ),
        (
            input.options::<Fields>().unwrap_err(),
            FailureKind::ComponentFault,
            "the options",
        ),
        (
            input.prompt("write").unwrap_err(),
            FailureKind::ComponentFault,
            "no prompts/write.md",
        ),
        (
            input.upstream("text").unwrap_err(),
            FailureKind::ComponentFault,
            "no upstream text",
        ),
        (
            input
                .upstream("frontmatter")
                .unwrap()
                .json::<Fields>()
                .unwrap_err(),
            FailureKind::UnsuitableRecord,
            "the file of frontmatter",
        ),
    ];
    for (failure, kind, words) in failures {
        assert_eq!(failure.kind, kind, "{words}");
        assert!(failure.message.contains(words), "{}", failure.message);
    }
}
