use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn fault(block: &str) -> Option<String> {
    violation(&format!("---\n{block}\n---\n\nText."))
}

#[test]
fn a_rule_at_the_beginning_goes() {
    for (text, left) in [
        (
            "---\n\nOak is hard.\n\n---\n\nMore.",
            "Oak is hard.\n\n---\n\nMore.",
        ),
        ("---\n# Oak\n\nIt is hard.", "# Oak\n\nIt is hard."),
        ("---\nOak is hard.\n---\nMore.", "Oak is hard.\n---\nMore."),
        ("---\ntitle: Oak\n---\nText.", "---\ntitle: Oak\n---\nText."),
        ("----\nText.", "----\nText."),
    ] {
        assert_eq!(without_rule(text), left);
    }
}

#[test]
fn front_matter_that_every_parser_reads_passes() {
    for block in [
        "title: Oak",
        "title: \"Oak: the \\\"tree\\\"\"\ntags: [a, 'b, c', \"d: e\"]\n\n# note\ndate: 2024-01-31",
        "title: 'It''s oak'\nlist:\n- a\n- b: 1\n  c: 2\nmap:\n  x: 1\n  z:\n    - z",
        "text: |\n  any: thing: [\n\n  \"at all\nnext: >-\n  folded\nurl: https://example.org/a#b\nempty:\nlast: -1.5",
        "items:\n  -\n    name: a\n  - name: b\n    of: [c]",
    ] {
        let read = serde_saphyr::from_str::<Value>(block);
        assert!(read.is_ok_and(|read| read.is_object()), "{block}");
        assert_eq!(fault(block), None, "{block}");
    }
    assert_eq!(violation("Text.\n\n---\n\nMore."), None);
}

#[test]
fn what_is_no_mapping_is_told_with_its_line() {
    for (block, line) in [
        ("title: Oak: the tree", "`title: Oak: the tree`"),
        ("a: 1\ntitle: \"Oak", "`title: \"Oak`"),
        ("title: @oak", "`title: @oak`"),
        ("title: *oak", "`title: *oak`"),
        ("tags: [a, b", "`tags: [a, b`"),
        ("- a\n- b", "`- a`"),
        ("a: 1\na: 2", "`a: 2`"),
        ("a: 1\n  b: 2", "`b: 2`"),
        ("a: 1\nOak is hard.", "`Oak is hard.`"),
        ("a:\n  - b\n  c: 1", "`c: 1`"),
    ] {
        let told = fault(block).expect(block);
        assert!(told.contains(line), "{block}: {told}");
    }
    assert!(
        violation("---\ntitle: Oak\n\nText.")
            .expect("a fault")
            .contains("no second")
    );
}

proptest! {
    #[test]
    fn what_passes_is_a_mapping_to_the_hosts_parser(block in "([a-c]: ?|- |  |\n|\n|\"|'|[x-z]{1,2}|:|#|\\[|\\]|,|\\||-|1|\\*| ){1,14}") {
        let text = format!("---\n{block}\n---\nText.");
        if text.starts_with("---\n") && begins(&format!("{block}\n")) && violation(&text).is_none() {
            let end = block.lines().take_while(|line| line.trim_end() != "---").collect::<Vec<_>>().join("\n");
            let read = serde_saphyr::from_str::<Value>(&end);
            prop_assert!(read.as_ref().is_ok_and(|read| read.is_object()), "{:?}: {:?}", end, read);
        }
    }

    #[test]
    fn what_this_crate_writes_passes(title in "\\PC{0,20}", items in prop::collection::vec("[ -~]{0,8}", 0..4)) {
        let fields: Map<String, Value> = json!({"title": title, "items": items, "of": {"a": items}}).as_object().cloned().unwrap_or_default();
        prop_assert_eq!(violation(&crate::yaml::front_matter(&fields)), None);
    }
}
