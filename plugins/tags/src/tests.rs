use sdk::testing::{self, CompletionRequest};

use super::*;

fn run(fields: &Value, answers: &[&str]) -> (Result<String, Failure>, Vec<CompletionRequest>) {
    let mut input = testing::input("stainless-steel", "Stainless Steel", "metal");
    input.fields = fields.to_string();
    input.prompts = vec![testing::prompt(
        "write",
        include_str!("../prompts/write.md"),
    )];
    testing::generate::<Tags>(input, answers)
}

fn steel() -> Value {
    json!({
        "industries": ["Food & Beverage", "Marine", "Medical Devices"],
        "properties": {"density_g_cm3": 8.0, "thermal_conductivity_w_m_k": 16},
    })
}

#[test]
fn eight_tags_in_one_line_five_of_them_fixed() {
    let answer = r#"{"tags": ["marine", "dense", "food-beverage"]}"#;
    let (line, asked) = run(&steel(), &[answer]);
    assert_eq!(
        line.unwrap(),
        "stainless-steel, laser, cleaning, ablation, non-contact, marine, dense, food-beverage\n"
    );
    assert_eq!(asked.len(), 1);
}

#[test]
fn a_tag_that_is_no_candidate_or_comes_twice_goes_back() {
    let (line, asked) = run(
        &steel(),
        &[
            r#"{"tags": ["marine", "shiny", "dense"]}"#,
            r#"{"tags": ["marine", "marine", "dense"]}"#,
            r#"{"tags": ["marine", "medical-devices", "dense"]}"#,
        ],
    );
    assert!(line.unwrap().ends_with("marine, medical-devices, dense\n"));
    assert!(
        asked[1].messages[3]
            .content
            .contains("tags[1] is \"shiny\", must be one of")
    );
    assert!(asked[2].messages[3].content.contains("more than once"));
}

#[test]
fn too_few_candidates_are_filled_up_and_leave_nothing_to_ask() {
    for (fields, expected) in [
        (
            json!({"industries": ["Marine"], "contaminants": ["Rust", "mill scale"]}),
            "marine, metal, rust",
        ),
        (
            json!({"industries": ["Laser", "Cleaning"]}),
            "metal, surface-preparation, maintenance",
        ),
    ] {
        let (line, asked) = run(&fields, &[]);
        assert_eq!(
            line.unwrap(),
            format!("stainless-steel, laser, cleaning, ablation, non-contact, {expected}\n")
        );
        assert!(asked.is_empty());
    }
}
