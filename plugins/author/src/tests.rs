use sdk::{Value, json, testing};

use super::*;

fn run(category: &Value) -> String {
    let mut input = testing::input("oak", "Oak", "wood");
    input.category_fields = category.to_string();
    let (text, asked) = testing::generate::<Author>(input, &[]);
    assert!(asked.is_empty(), "it needs no model");
    text.unwrap()
}

#[test]
fn the_card_shows_the_desk() {
    let text = run(&json!({"desk": {
        "name": "Woods desk",
        "title": "Editorial desk for woods",
        "profile": "The desk covers *all* woods.\nIt looks after finishes.",
        "expertise": ["varnish removal", "char limits"],
    }}));
    let expected = "\
**Woods desk** · Editorial desk for woods

The desk covers \\*all\\* woods. It looks after finishes.

- Varnish removal
- Char limits
";
    assert_eq!(text, expected);
}

#[test]
fn what_the_desk_lacks_is_left_out() {
    for desk in [
        json!({"name": "Woods desk"}),
        json!({"name": "Woods desk", "title": null, "profile": " ", "expertise": []}),
    ] {
        assert_eq!(run(&json!({ "desk": desk })), "**Woods desk**\n");
    }
}

#[test]
fn without_a_desk_the_site_signs() {
    assert_eq!(run(&json!({})), "**Example**\n");
    assert_eq!(run(&json!({"desk": null})), "**Example**\n");
}
