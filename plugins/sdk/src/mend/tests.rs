use proptest::prelude::*;
use serde_json::json;

use super::*;

const ARTICLE: &str = "Aluminum is a light metal.\n\n## Use\n\nIt is cleaned: gently, and often.";

#[test]
fn chatter_fences_and_quotes_are_dropped() {
    for dressed in [
        format!("```markdown\n{ARTICLE}\n```"),
        format!("```\n{ARTICLE}\n```"),
        format!("Here is the article:\n```\n{ARTICLE}\n```\nLet me know if you need more!"),
        format!("Certainly! Here is the article you asked for:\n\n{ARTICLE}"),
        format!("Sure, here's the article.\n\n{ARTICLE}"),
        format!("Of course. Here is your article.\n\n{ARTICLE}"),
        format!("Certainly! Here is a draft. {ARTICLE}"),
        format!("Absolutely!\n\n{ARTICLE}\n\nI hope this helps!"),
        format!("Below is the text you requested:\n{ARTICLE}\n\nWould you like another one?"),
        format!("\u{feff}“{ARTICLE}”"),
        format!("  \"{ARTICLE}\"\r\n"),
        ARTICLE.replace('\n', "\r\n") + "  \r\n\r\n",
        ARTICLE.replace("\n\n", " \n\n\n\n"),
    ] {
        assert_eq!(text(&dressed), ARTICLE, "{dressed:?}");
    }
}

#[test]
fn what_only_looks_like_chatter_stays() {
    for honest in [
        ARTICLE,
        "Great care is needed with marble.\n\nIt is soft.",
        "Sure footing helps. So does light.",
        "Of course, aluminum oxidises at once.",
        "The sign says \"stop\".",
        "\"Stop\" and \"go\"",
        "Use it with care.\n\nNote that steel rusts.",
        "One part:\n\n```\ncode\n```\n\n```\nmore\n```",
    ] {
        assert_eq!(text(honest), honest);
    }
}

#[test]
fn only_a_first_heading_is_a_title() {
    assert_eq!(without_title("# Tin\n\nText.\n\n# More"), "Text.\n\n# More");
    assert_eq!(without_title("## Tin\n\nText."), "## Tin\n\nText.");
}

#[test]
fn the_outermost_object_is_found() {
    let object = json!({"a": {"b": "x } y"}, "c": ["d"]});
    for dressed in [
        object.to_string(),
        format!("Sure! Here is the JSON:\n```json\n{object}\n```\nLet me know."),
        format!("Use {{braces}} like this: {object} and so on {{}}"),
        r#"{“a”: {“b”: "x } y"}, “c”: [" d "]}"#.to_owned(),
    ] {
        assert_eq!(json(&dressed).unwrap(), object, "{dressed}");
    }
}

#[test]
fn what_is_no_object_says_why() {
    assert!(json("no").unwrap_err().contains("has none"));
    assert!(json("[1, 2]").unwrap_err().contains("has none"));
    assert!(json("{\"a\": ").unwrap_err().contains("not valid JSON"));
}

proptest! {
    #[test]
    fn mending_twice_is_mending_once(answer in "(Sure! |Here is it:|```|\"|“|”|[a-z.]{1,5}|\n| |I hope ){0,12}") {
        let once = text(&answer);
        prop_assert_eq!(text(&once), once);
    }

    #[test]
    fn any_object_survives(key in "\\PC{0,8}", value in "\\PC{0,8}") {
        let object = json!({ key: value.trim() });
        prop_assert_eq!(json(&object.to_string()), Ok(object));
    }
}

#[test]
fn a_line_has_no_marks_and_no_breaks() {
    assert_eq!(line(" **Oak**:\n `dark`  soot "), "Oak: dark soot");
    assert_eq!(line("a * b"), "a * b");
}
