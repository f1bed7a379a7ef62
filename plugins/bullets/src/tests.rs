use sdk::testing::{self, CompletionRequest, ResponseFormat};
use sdk::{FailureKind, json};

use super::*;

fn run_as(
    name: &str,
    fields: &Value,
    answers: &[&str],
) -> (Result<String, Failure>, Vec<CompletionRequest>) {
    let mut input = testing::input("record", name, "wood");
    input.fields = fields.to_string();
    input.category_fields = json!({"name": "Wood"}).to_string();
    input.prompts = vec![testing::prompt(
        "write",
        include_str!("../prompts/write.md"),
    )];
    testing::generate::<Bullets>(input, answers)
}

/// A wood: it has no formula, and most of what is optional is not there.
fn oak() -> Value {
    json!({
        "subcategory": "hardwood",
        "formula": null,
        "contaminants": ["soot", "varnish"],
        "properties": {"density_g_cm3": 0.76},
        "laser": {"wavelength_nm": 1064, "pulse_duration_ns": {"min": 10, "max": 100, "typical": 50}},
    })
}

fn run(answers: &[&str]) -> (Result<String, Failure>, Vec<CompletionRequest>) {
    run_as("Oak", &oak(), answers)
}

fn points() -> Vec<(&'static str, String)> {
    vec![
        (
            "Soot",
            "Soot absorbs the beam and leaves the oak below it cold.".to_owned(),
        ),
        (
            "Varnish",
            "Old varnish comes off in thin layers, pass by pass.".to_owned(),
        ),
        (
            "Density",
            "At 0.76 g/cm³ the wood is dense enough to keep tool marks.".to_owned(),
        ),
        (
            "Settings",
            "Start at 1064 nm with pulses of 50 ns and watch the grain.".to_owned(),
        ),
    ]
}

fn answer(points: &[(&str, String)]) -> String {
    let points = points
        .iter()
        .map(|(label, sentence)| json!({"label": label, "sentence": sentence}));
    json!({ "points": points.collect::<Vec<_>>() }).to_string()
}

/// What is wrong with an answer that differs in one point.
fn violations(index: usize, label: Option<&str>, sentence: Option<&str>) -> String {
    let mut points = points();
    if let Some(label) = label.map(|label| Box::leak(label.to_owned().into_boxed_str())) {
        points[index].0 = label;
    }
    if let Some(sentence) = sentence {
        points[index].1 = sentence.to_owned();
    }
    let failure = run(&[answer(&points).as_str(); 4]).0.unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidAnswer);
    failure.violations.join("\n")
}

#[test]
fn every_point_is_a_line_with_a_bold_label() {
    let (text, asked) = run(&[&answer(&points())]);
    let expected = "\
• **Soot**: Soot absorbs the beam and leaves the oak below it cold.
• **Varnish**: Old varnish comes off in thin layers, pass by pass.
• **Density**: At 0.76 g/cm³ the wood is dense enough to keep tool marks.
• **Settings**: Start at 1064 nm with pulses of 50 ns and watch the grain.
";
    assert_eq!(text.unwrap(), expected);
    assert_eq!(asked.len(), 1);
}

#[test]
fn what_can_be_mended_is_not_asked_again() {
    let mut dressed = points();
    dressed[0] = (
        "• **soot:**",
        "**Soot:** soot absorbs the beam and\nleaves the oak below it cold.".to_owned(),
    );
    dressed.push((
        "varnish",
        "A second sentence under a label that is there already.".to_owned(),
    ));
    let dressed = answer(&dressed);
    let (text, asked) = run(&[&dressed]);
    assert_eq!(
        text.unwrap(),
        run(&[&answer(&points())])
            .0
            .unwrap()
            .replace("Soot absorbs", "Soot: soot absorbs")
    );
    assert_eq!(asked.len(), 1);
}

#[test]
fn four_to_six_points_have_labels_of_their_own() {
    let found = violations(1, Some("SOOT"), None);
    assert!(
        found.contains("3 different labels, must have 4 to 6"),
        "{found}"
    );
    let found = violations(1, Some("a b c d e"), None);
    assert!(
        found.contains("\"A b c d e\" has 5 words, must have 1 to 4"),
        "{found}"
    );
    let few = answer(&points()[..3]);
    let failure = run(&[few.as_str(); 4]).0.unwrap_err();
    assert!(
        failure.violations[0].contains("points has 3 items"),
        "{failure:?}"
    );
}

#[test]
fn sentences_are_whole_and_neither_short_nor_long() {
    let found = violations(1, None, Some("It comes off."));
    assert!(
        found.contains("points[1].sentence has 13 characters"),
        "{found}"
    );
    let found = violations(1, None, Some("Old varnish comes off in thin layers and"));
    assert!(
        found.contains("behind \"Varnish\" must be whole"),
        "{found}"
    );
    let tripled = |text: &str| format!("{}.", [text.trim_end_matches('.'); 3].join(" "));
    let long: Vec<_> = points()
        .into_iter()
        .map(|(label, sentence)| (label, tripled(&sentence)))
        .collect();
    let failure = run(&[answer(&long).as_str(); 4]).0.unwrap_err();
    assert!(
        failure.violations[0].contains("characters on average, must have 30 to 150"),
        "{failure:?}"
    );
}

#[test]
fn numbers_of_nobody_and_texts_of_another_material_go_back() {
    let found = violations(
        3,
        None,
        Some("Start at 532 nm with pulses of 50 ns and watch it."),
    );
    assert!(found.contains("not in the facts: 532"), "{found}");
    let foreign = violations(
        0,
        None,
        Some("Soot absorbs the beam and leaves the steel cold."),
    );
    assert_eq!(foreign, "at least one sentence must name the material, Oak");
    let (text, asked) = run(&[
        &answer(&points()).replace("oak", "steel"),
        &answer(&points()),
    ]);
    assert!(text.is_ok());
    assert!(
        asked[1].messages[3]
            .content
            .contains("must name the material, Oak")
    );
}

#[test]
fn marks_of_markdown_in_a_sentence_stay_text() {
    let mut marked = points();
    marked[1].1 = "Old varnish [the *first* layer] comes off, <b>pass by pass</b>.".to_owned();
    let text = run(&[&answer(&marked)]).0.unwrap();
    assert!(
        text.contains("\\[the \\*first\\* layer\\] comes off, \\<b>pass"),
        "{text}"
    );
}

#[test]
fn a_record_needs_no_fact_in_particular_but_one() {
    let name = "Glass Fiber Reinforced Polymers GFRP";
    let plain: Vec<_> = points()
        .into_iter()
        .map(|(label, _)| {
            (
                label,
                format!("Dark marks leave {name} without damage to it."),
            )
        })
        .collect();
    for fields in [
        json!({"contaminants": ["paint"]}),
        json!({"laser": {"wavelength_nm": 1064}}),
    ] {
        let (text, _) = run_as(name, &fields, &[&answer(&plain)]);
        let text = text.unwrap();
        assert!(!text.contains("None") && !text.contains("null"), "{text}");
    }
    let (text, asked) = run_as(name, &json!({}), &[&answer(&plain)]);
    assert_eq!(text.unwrap_err().kind, FailureKind::UnsuitableRecord);
    assert!(asked.is_empty());
}

#[test]
fn what_all_records_share_comes_first() {
    let (_, asked) = run(&[&answer(&points())]);
    assert!(!asked[0].messages[0].content.contains("Oak"));
    assert!(
        asked[0].facts.contains("\"density\":\"0.76 g/cm³\""),
        "{}",
        asked[0].facts
    );
    assert!(!asked[0].facts.contains("formula"));
    assert!(asked[0].rules.as_ref().unwrap().numbers_from_facts);
    assert!(matches!(
        asked[0].response_format,
        ResponseFormat::JsonSchema(_)
    ));
}
