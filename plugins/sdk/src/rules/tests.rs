use proptest::prelude::*;
use serde_json::json;

use super::*;

fn broken(rules: Rules, text: &str) -> Vec<String> {
    violations(&rules, &json!({}), text)
}

#[test]
fn no_rules_are_never_broken() {
    assert!(broken(none(), "").is_empty());
}

#[test]
fn words_and_lines_have_bounds() {
    let rules = Rules {
        min_words: Some(2),
        max_words: Some(3),
        max_lines: Some(1),
        ..none()
    };
    assert!(broken(rules.clone(), "two – words\n\n").is_empty());
    assert_eq!(
        broken(rules, "a\nb\n\nc d"),
        [
            "the text has 4 words, must have 2 to 3",
            "the text has 3 lines, must have at most 1"
        ]
    );
}

#[test]
fn required_words_occur_at_the_beginning_of_a_word_whatever_their_case() {
    let rules = Rules {
        required_words: vec!["Tin".into(), "stainless steel".into()],
        ..none()
    };
    assert!(broken(rules.clone(), "tinned Stainless\nSteel").is_empty());
    assert_eq!(
        broken(rules, "coating of steel"),
        [
            "the text must use \"Tin\"",
            "the text must use \"stainless steel\""
        ]
    );
}

#[test]
fn headings_stand_in_their_order() {
    let rules = Rules {
        headings: vec!["First Part".into(), "Second".into()],
        ..none()
    };
    assert!(broken(rules.clone(), "x\n## first part\ny\n## More\n## Second\nz").is_empty());
    assert_eq!(
        broken(rules.clone(), "## Second\n## First part"),
        ["the heading \"## Second\" must stand in the order asked for"]
    );
    assert_eq!(
        broken(rules, "# First Part\n## Second"),
        ["the heading \"## First Part\" is missing"]
    );
}

#[test]
fn a_text_ends_with_a_whole_sentence() {
    let rules = Rules {
        whole_sentences: true,
        ..none()
    };
    for whole in [
        "Done.",
        "He said \"done.\"",
        "**Really!**\n",
        "(Is it?)",
        "So on…",
    ] {
        assert!(broken(rules.clone(), whole).is_empty(), "{whole}");
    }
    for cut in ["", "Done. And th", "First:", "one, two,"] {
        assert_eq!(broken(rules.clone(), cut).len(), 1, "{cut}");
    }
}

proptest! {
    #[test]
    fn words_are_counted_as_they_were_joined(words in prop::collection::vec("[a-zà-ö0-9]{1,6}[.,]?", 0..30)) {
        prop_assert_eq!(super::words(&words.join("  –\n")), words.len());
    }
}

#[test]
fn rules_that_contradict_are_told_before_a_question() {
    let with = |change: fn(&mut Rules)| {
        let mut rules = none();
        change(&mut rules);
        contradiction(&rules)
    };
    assert_eq!(contradiction(&none()), None);
    assert!(with(|rules| (rules.min_words, rules.max_words) = (Some(20), Some(5))).is_some());
    assert!(with(|rules| (rules.min_lines, rules.max_lines) = (Some(2), Some(1))).is_some());
    assert_eq!(
        with(|rules| (rules.min_words, rules.max_words) = (Some(5), Some(5))),
        None
    );
    assert!(
        with(|rules| {
            rules.headings = vec!["A".to_owned(), "B".to_owned()];
            rules.max_lines = Some(1);
        })
        .is_some()
    );
}
