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
fn a_fence_around_all_of_it_goes_and_those_inside_stay() {
    let code = "Print:\n\n```python\nprint(1)\n```\n\nDone.";
    for dressed in [
        format!("```markdown\n{code}\n```"),
        format!("````md\n{code}\n````"),
        format!("~~~\n{code}\n~~~"),
        format!(
            "Here is the article:\n\n```markdown\n{code}\n```\n\nLet me know if you want changes."
        ),
    ] {
        assert_eq!(text(&dressed), code, "{dressed:?}");
    }
    assert_eq!(text(&format!("```markdown\n{code}")), code, "never closed");
    let open = "```python\nprint(1)";
    assert_eq!(text(open), open, "code that was cut off");
    assert_eq!(text("```python\nprint(1)\n```"), "print(1)");
    assert_eq!(text("Here is the JSON:\n```json\n[1]\n```"), "[1]");
    assert_eq!(text("``` Oak is hard. ```"), "Oak is hard.");
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
        "Use this:\n\n```python\nfor i in x:\n    print(i)\n```\n\nDone. Then restart the server to see the new pages.",
        "Use this:\n```\nx = 1\n```",
        "```\nx = 1\n```\nThat is all.",
        "Here is an example of code in your text:\n\n```rust\nfn main() {}\n```",
        "Here are the main uses of oak:\n\n- floors\n- barrels",
        "Here is oak: a hard wood.",
        "Below are three reasons, and each is good.\n\nOne.",
        "Oak is hard.\n\nIf you need a durable wood, oak is a good choice.",
        "Oak is hard.\n\nFeel free to call our shop.",
        "Oak is hard.\n\n---",
    ] {
        assert_eq!(text(honest), honest);
    }
}

#[test]
fn white_space_that_shows_something_stays() {
    for honest in [
        "One line  \nand another\\\nand a third",
        "Code:\n\n```\na  \n\n\n\nb\t\n```\n\nEnd.",
        "    indented code\n\nText.",
        "A\u{200b}B and a\u{a0}b",
        "- a\n  - b\n\n      code",
    ] {
        assert_eq!(text(honest), honest);
    }
    assert_eq!(text(" A \n\nb  \n\n\nc \n\n"), "A\n\nb\n\nc");
    assert_eq!(text("\u{feff}\u{200b}A\r\nb   \r\nc"), "A\nb  \nc");
}

#[test]
fn a_rule_that_sets_chatter_off_goes_with_it() {
    assert_eq!(
        text("Sure!\n\nOak is hard.\n\n---\n\nLet me know if you need more."),
        "Oak is hard."
    );
}

#[test]
fn only_a_first_heading_is_a_title() {
    assert_eq!(without_title("# Tin\n\nText.\n\n# More"), "Text.\n\n# More");
    assert_eq!(without_title("## Tin\n\nText."), "## Tin\n\nText.");
}

#[test]
fn an_object_is_read_whole_and_its_strings_are_trimmed() {
    assert_eq!(
        json(r#" {"a": {"b": " x } y"}, "c": ["d "]} "#),
        Ok(json!({"a": {"b": "x } y"}, "c": ["d"]}))
    );
}

#[test]
fn what_is_no_object_says_why() {
    assert!(json("no").unwrap_err().contains("has none"));
    assert!(json("[1, 2]").unwrap_err().contains("has none"));
    assert!(json("{\"a\": ").unwrap_err().contains("not valid JSON"));
    assert!(
        json("Or {\"a\": {\"b\": 1},}")
            .unwrap_err()
            .contains("trailing comma")
    );
    assert!(
        json("{\"a\": 1} {\"a\": 2}")
            .unwrap_err()
            .contains("more than that")
    );
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
