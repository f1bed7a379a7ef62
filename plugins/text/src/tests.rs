use sdk::testing::{self, CompletionRequest};

use super::*;

fn run(options: &Value, answers: &[&str]) -> (Result<String, Failure>, Vec<CompletionRequest>) {
    let mut input = testing::input("tin", "Tin", "metal");
    input.fields = json!({"formula": "Sn", "properties": {"melting_point_c": 231.9}}).to_string();
    input.options = options.to_string();
    input.prompts = vec![testing::prompt(
        "write",
        include_str!("../prompts/write.md"),
    )];
    let page = json!({"title": "Tin Laser Cleaning", "description": "How tin comes clean."});
    input.upstreams = vec![testing::upstream("frontmatter", "", Some(&page))];
    testing::generate::<Text>(input, answers)
}

fn limits() -> Value {
    json!({"min-words": 30, "max-words": 50})
}

/// An article of 20 words in headings, name and melting point, and so many more.
fn article(more: usize) -> String {
    let [first, second, third] = HEADINGS;
    let filler = "word ".repeat(more);
    format!(
        "Tin melts at 232 °C.\n\n## {first}\n\n{filler}\n\n## {second}\n\nSo.\n\n## {third}\n\nDone."
    )
}

#[test]
fn the_article_starts_with_its_title_and_ends_with_a_whole_sentence() {
    let (text, asked) = run(&limits(), &[&article(12)]);
    let text = text.unwrap();
    assert!(
        text.starts_with("# Tin Laser Cleaning\n\nTin melts"),
        "{text}"
    );
    assert!(text.ends_with("Done.\n"), "{text}");
    assert_eq!(asked.len(), 1);
}

#[test]
fn a_title_in_the_answer_is_not_there_twice() {
    let answer = format!("# Tin\n\n{}", article(12));
    let text = run(&limits(), &[&answer]).0.unwrap();
    assert_eq!(text.matches("\n# ").count() + 1, 1, "{text}");
}

#[test]
fn the_limits_are_options_and_count_the_title() {
    let words = rules::words(&article(0));
    let fits = article(47 - words);
    assert!(run(&limits(), &[&fits]).0.is_ok());
    let (_, asked) = run(&limits(), &[&article(48 - words), &fits]);
    assert!(
        asked[1].messages[3]
            .content
            .contains("has 48 words, must have 30 to 47")
    );
    let failure = run(&json!({"min-words": 50, "max-words": 51}), &[])
        .0
        .unwrap_err();
    assert!(
        failure.message.contains("max-words 51 leaves no room"),
        "{}",
        failure.message
    );
}

#[test]
fn an_article_of_another_material_with_numbers_of_its_own_or_cut_off_is_refused() {
    for (from, to, violation) in [
        ("Tin melts", "Steel melts", "must use \"Tin\""),
        ("232 °C", "1510 °C", "not in the facts: 1510"),
        ("Done.", "Done and", "whole sentence"),
        ("## How", "### How", "is missing"),
    ] {
        let answer = article(12).replace(from, to);
        let failure = run(&limits(), &[answer.as_str(); 4]).0.unwrap_err();
        assert!(
            failure.violations.join("\n").contains(violation),
            "{violation}: {failure:?}"
        );
    }
}

#[test]
fn what_all_records_share_comes_first() {
    let (_, asked) = run(&limits(), &[&article(12)]);
    assert!(!asked[0].messages[0].content.contains("Tin"));
    assert!(
        asked[0].facts.contains("\"melting point\":\"231.9 °C\""),
        "{}",
        asked[0].facts
    );
}
