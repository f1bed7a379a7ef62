use sdk::testing::{self, CompletionRequest};
use sdk::{FailureKind, json};

use super::*;

type Made = (Result<String, Failure>, Vec<CompletionRequest>);

fn run_as(name: &str, fields: &Value, answers: &[&str]) -> Made {
    let mut input = testing::input("record", name, "wood");
    input.fields = fields.to_string();
    input.category_fields = json!({"name": "Wood"}).to_string();
    input.prompts = vec![testing::prompt(
        "write",
        include_str!("../prompts/write.md"),
    )];
    testing::generate::<Caption>(input, answers)
}

fn run(answers: &[&str]) -> Made {
    run_as("Oak", &oak(), answers)
}

/// A wood, which has no formula.
fn oak() -> Value {
    json!({
        "subcategory": "hardwood",
        "formula": null,
        "contaminants": ["soot", "varnish"],
        "laser": {
            "spot_diameter_um": {"min": 200, "max": 500, "typical": 300},
            "passes": {"min": 1, "max": 4, "typical": 2},
            "fluence_j_cm2": {"min": 0.3, "max": 1.4},
            "pulse_duration_ns": {"min": 10, "max": 100, "typical": 50},
            "wavelength_nm": 1064,
        },
    })
}

/// Two lines of so many words each.
fn lines(before: usize, after: usize) -> String {
    let line = |start: &str, words: usize| format!("{start}{} end.", " word".repeat(words - 2));
    format!("{}\n{}", line("Oak", before), line("It", after))
}

fn words(text: &str) -> usize {
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.starts_with("**Before:** ") && text.contains("\n**After:** "),
        "{text}"
    );
    rules::words(text)
}

#[test]
fn a_caption_is_two_lines_with_the_settings_of_the_record() {
    let seen = "Soot and old varnish lie on the oak and hide its grain from view.\n\
        The grain shows again, and the marks of the old tools are still there to see.";
    let (text, asked) = run(&[seen]);
    let expected = "\
**Before:** Soot and old varnish lie on the oak and hide its grain from view.
**After:** The grain shows again, and the marks of the old tools are still there to see. \
Settings: wavelength 1064 nm, pulse duration 50 ns and fluence 0.3–1.4 J/cm².
";
    assert_eq!(text.unwrap(), expected);
    assert_eq!(asked.len(), 1);
}

#[test]
fn settings_fill_a_short_caption_and_leave_room_in_a_long_one() {
    for before in 10..40 {
        for after in 10..40 {
            let (text, asked) = run(&[&lines(before, after)]);
            if (28..=46).contains(&(before + after)) {
                let text = text.unwrap();
                assert!((FEWEST..=MOST).contains(&words(&text)), "{text}");
                assert!(text.contains("fluence"), "{text}");
                assert_eq!(asked.len(), 1);
            } else {
                assert!(text.is_err());
            }
        }
    }
}

#[test]
fn without_settings_the_words_are_all_the_models() {
    for fields in [
        json!({"contaminants": ["soot"]}),
        json!({"contaminants": ["soot"], "laser": {"passes": {}}}),
    ] {
        let text = run_as("Oak", &fields, &[&lines(19, 19)]).0.unwrap();
        assert_eq!(words(&text), FEWEST);
        assert!(!text.contains("Settings"), "{text}");
        let text = run_as("Oak", &fields, &[&lines(29, 29)]).0.unwrap();
        assert_eq!(words(&text), MOST);
        assert!(run_as("Oak", &fields, &[&lines(19, 18)]).0.is_err());
    }
}

#[test]
fn a_repair_says_how_many_words_there_were_and_how_many_are_wanted() {
    let (text, asked) = run(&[&lines(10, 10), &lines(15, 15)]);
    assert!(text.is_ok());
    let repair = &asked[1].messages[3].content;
    assert!(
        repair.contains("the text has 20 words, must have 28 to 46"),
        "{repair}"
    );
}

#[test]
fn labels_and_chatter_of_the_model_are_dropped() {
    let plain = run(&[&lines(15, 15)]).0.unwrap();
    let [before, after] = seen(&lines(15, 15)).unwrap();
    let dressed = format!(
        "Certainly! Here is the caption:\n\n**Before cleaning:** {before}\n\n- After: {after}\n\nLet me know if it helps!"
    );
    let (text, asked) = run(&[&dressed]);
    assert_eq!(text.unwrap(), plain);
    assert_eq!(asked.len(), 1);
    // Words of labels do not count.
    let (_, asked) = run(&[
        &format!("Before cleaning: {}", lines(13, 14)),
        &lines(15, 15),
    ]);
    assert!(
        asked[1].messages[3]
            .content
            .contains("without its labels the text has 27 words")
    );
}

#[test]
fn what_breaks_a_rule_is_no_caption() {
    let good = lines(15, 15);
    for (bad, violation) in [
        (good.replace('\n', " "), "1 lines, must have 2 to 2"),
        (
            format!("{good}\nOne more line."),
            "3 lines, must have 2 to 2",
        ),
        (good.replace("Oak word", "Steel word"), "must use \"Oak\""),
        (
            good.replacen("word word", "word 532", 1),
            "not in the facts: 532",
        ),
        (
            good.replace("end.\n", "end\n"),
            "first line must end with a whole sentence",
        ),
        (
            good.trim_end_matches('.').to_owned(),
            "must end with a whole sentence",
        ),
    ] {
        let failure = run(&[bad.as_str(); 4]).0.unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidAnswer);
        assert!(
            failure.violations.join("\n").contains(violation),
            "{violation}: {failure:?}"
        );
    }
}

#[test]
fn a_polymer_with_a_long_name_has_a_caption_too() {
    let name = "Glass Fiber Reinforced Polymers GFRP";
    let answer = lines(12, 18).replacen("Oak", name, 1);
    let text = run_as(name, &oak(), &[&answer]).0.unwrap();
    assert!((FEWEST..=MOST).contains(&words(&text)), "{text}");
}

#[test]
fn only_a_record_that_says_nothing_is_unsuitable() {
    let settings = json!({"laser": {"wavelength_nm": 1064}});
    let text = run_as("Oak", &settings, &[&lines(18, 18)]).0.unwrap();
    assert!(text.ends_with("Settings: wavelength 1064 nm.\n"), "{text}");
    let (text, asked) = run_as("Oak", &json!({"formula": null}), &[]);
    assert_eq!(text.unwrap_err().kind, FailureKind::UnsuitableRecord);
    assert!(asked.is_empty());
}

#[test]
fn the_model_is_told_what_is_seen_and_no_settings() {
    let (_, asked) = run(&[&lines(15, 15)]);
    assert_eq!(
        asked[0].facts,
        json!({"name": "Oak", "contaminants": ["soot", "varnish"], "category": "Wood", "kind": "hardwood"}).to_string()
    );
    assert!(!asked[0].messages[0].content.contains("Oak"));
}
