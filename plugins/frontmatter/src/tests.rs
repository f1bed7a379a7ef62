use sdk::testing::{self, CompletionRequest, ResponseFormat};
use sdk::{FailureKind, numbers};

use super::*;

const PROMPT: &str = include_str!("../prompts/write.md");

fn tin() -> Value {
    json!({
        "subcategory": "post-transition metal",
        "formula": "Sn",
        "industries": ["Food", "Electronics"],
        "applications": [{"industry": "Food", "use": "residue removal from cans"}],
        "contaminants": ["oxide layer", "flux"],
        "properties": {"density_g_cm3": 7.3, "hardness_mohs": 1.5, "melting_point_c": 231.9},
        "laser": {
            "wavelength_nm": 1064,
            "average_power_w": {"min": 50, "max": 200, "typical": 100},
            "repetition_rate_khz": {"min": 20, "max": 200, "typical": 100},
            "scan_speed_mm_s": {"min": 500, "max": 5000, "typical": 2000},
            "spot_diameter_um": {"min": 50, "max": 200, "typical": 100},
            "overlap_pct": {"min": 30, "max": 70, "typical": 50},
            "passes": {"min": 1, "max": 4, "typical": 2},
        },
    })
}

fn metals() -> Value {
    json!({
        "name": "Metals",
        "published_on": "2026-11-24",
        "desk": {"name": "Metals desk"},
        "ranges": {"density_g_cm3": {"min": 2.3, "max": 22.3}, "melting_point_c": {"min": 300, "max": 3422}},
        "regulatory_standards": [{"code": "ISO 11553-1", "title": "Safety"}],
        "environmental_benefits": [{"benefit": "No solvents", "detail": "nothing to strip"}],
        "compatibility": {"suited": ["rusted steel"], "caution": []},
    })
}

fn answer(description: &str) -> String {
    json!({
        "headline": "How Tin Comes Clean Under the Laser",
        "description": description,
        "keywords": ["tin", "flux", "oxide layer", "Tin laser cleaning", "cans", "solder", "residue", "food industry"],
        "applications": [
            "Residue is removed from food cans before they are filled and closed.",
            "Electronics: flux is removed from solder joints without touching them",
        ],
    })
    .to_string()
}

fn description() -> String {
    format!(
        "Tin melts at 231.9 °C, so short pulses lift oxide and flux {}.",
        "gently ".repeat(9).trim()
    )
}

fn run(fields: &Value, answers: &[&str]) -> (Result<String, Failure>, Vec<CompletionRequest>) {
    let mut input = testing::input("tin", "Tin", "metal");
    input.fields = fields.to_string();
    input.category_fields = metals().to_string();
    input.prompts = vec![testing::prompt("write", PROMPT)];
    testing::generate::<FrontMatter>(input, answers)
}

fn made(fields: &Value) -> Value {
    let (page, _) = run(fields, &[&answer(&description())]);
    let page = page.unwrap();
    let body = page
        .strip_prefix("---\n")
        .unwrap()
        .strip_suffix("---\n")
        .unwrap();
    serde_saphyr::from_str(body).unwrap()
}

#[test]
fn the_page_parses_and_has_every_part_in_number() {
    let page = made(&tin());
    assert_eq!(page["title"], "Tin Laser Cleaning");
    assert_eq!(page["description"], description());
    assert!((120..=170).contains(&description().chars().count()));
    // The model's "Tin laser cleaning" is one that every page has.
    assert_eq!(page["keywords"].as_array().unwrap().len(), 9);
    assert_eq!(page["applications"].as_array().unwrap().len(), 2);
    assert_eq!(page["outcomes"].as_array().unwrap().len(), 3);
    assert_eq!(page["byline"]["name"], "Metals desk");
    assert_eq!(
        page["images"]["hero"]["url"],
        "https://example.org/images/tin-laser-cleaning-hero.jpg"
    );
    assert_eq!(
        page["compatibility"],
        json!({"applies_to": "Metals", "suited": ["rusted steel"]})
    );
}

#[test]
fn numbers_are_computed_and_lie_within_their_range() {
    let page = made(&tin());
    let density = json!({
        "label": "density", "value": 7.3, "unit": "g/cm³", "min": 2.3, "max": 22.3, "position_pct": 25
    });
    assert_eq!(page["properties"]["density"], density);
    // A range that does not hold the value says nothing of it; nor does one that is not known.
    assert_eq!(page["properties"]["melting_point"]["min"], Value::Null);
    assert_eq!(
        page["properties"]["hardness_mohs"],
        json!({"label": "Mohs hardness", "value": 1.5})
    );
    // 2000 mm/s × 0.1 mm × (1 − 50 %) / 2 passes are 50 mm²/s.
    let metrics: Vec<&Value> = page["outcomes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|outcome| &outcome["metric"])
        .collect();
    assert_eq!(metrics, ["30 cm²/min", "200 J/cm²", "5"]);
    assert_eq!(
        page["machine_settings"]["wavelength"],
        json!({"label": "wavelength", "typical": 1064, "unit": "nm"})
    );
}

#[test]
fn details_are_whole_sentences_without_a_label() {
    let page = made(&tin());
    assert_eq!(page["applications"][1]["industry"], "Electronics");
    assert_eq!(
        page["applications"][1]["detail"],
        "Flux is removed from solder joints without touching them."
    );
}

#[test]
fn a_record_that_says_next_to_nothing_has_a_page_without_empty_parts() {
    let mut answer: Value = parsed(&answer(&description().replace("231.9", "some")));
    answer["applications"] = json!([]);
    for fields in [
        json!({}),
        json!({"formula": null, "applications": null, "properties": {}}),
    ] {
        let (page, _) = run(&fields, &[&answer.to_string()]);
        let page = page.unwrap();
        for word in [
            "formula",
            "applications",
            "outcomes",
            "properties",
            "null",
            "None",
            "[]",
            "{}",
        ] {
            assert!(!page.contains(word), "{word} in\n{page}");
        }
    }
}

#[test]
fn a_description_that_breaks_its_length_goes_back_with_what_is_wrong() {
    let (page, asked) = run(
        &tin(),
        &[&answer("Tin is a metal."), &answer(&description())],
    );
    assert!(page.unwrap().contains(&description()));
    let repair = &asked[1].messages[3].content;
    assert!(
        repair.contains("description has 15 characters, must have 120 to 170"),
        "{repair}"
    );
}

#[test]
fn text_of_another_record_and_numbers_of_nobody_are_violations() {
    let steel = description()
        .replace("Tin", "Steel")
        .replace("231.9", "1510");
    let (page, _) = run(&tin(), &[answer(&steel).as_str(); 4]);
    let failure = page.unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidAnswer);
    assert!(
        failure
            .violations
            .iter()
            .any(|violation| violation.contains("1510")),
        "{failure:?}"
    );
    let steel = description().replace("Tin", "Steel");
    let failure = run(&tin(), &[answer(&steel).as_str(); 4]).0.unwrap_err();
    assert_eq!(
        failure.violations,
        ["description must name the material, Tin"]
    );
}

#[test]
fn half_a_sentence_is_a_violation() {
    let cut = description().replace("gently.", "gently and");
    let failure = run(&tin(), &[answer(&cut).as_str(); 4]).0.unwrap_err();
    assert_eq!(
        failure.violations,
        ["description must end with a whole sentence"]
    );
}

#[test]
fn the_model_is_told_facts_with_units_and_how_many_applications_to_write() {
    let (_, asked) = run(&tin(), &[&answer(&description())]);
    let facts = parsed(&asked[0].facts);
    assert_eq!(facts["properties"]["melting point"], "231.9 °C");
    assert!(numbers::strangers(&facts, "30 cm²/min").is_empty());
    let ResponseFormat::JsonSchema(schema) = &asked[0].response_format else {
        panic!("{asked:?}")
    };
    assert_eq!(parsed(schema)["properties"]["applications"]["minItems"], 2);
    // Nothing of the record stands in the instructions, so that all records share them.
    assert!(!asked[0].messages[0].content.contains("Tin"));
}

fn parsed(text: &str) -> Value {
    text.parse().unwrap()
}
