use super::*;
use sdk::FailureKind;
use sdk::testing::{RawInput, generate, input, prompt, upstream};

const TEXT: &str = "Oak is **hard**.\nIt weighs 900 kg per cubic metre.\n";

fn given(options: &Value) -> RawInput {
    let mut raw = input("oak", "Oak", "wood");
    raw.fields = json!({"density": "720 kg/m³"}).to_string();
    raw.options = options.to_string();
    raw.prompts = vec![
        prompt(
            "judge",
            "From {{ lowest }} to {{ highest }}:\n{{ criteria }}",
        ),
        prompt("text.write", "Write about wood."),
        prompt("other.write", "Never shown."),
    ];
    raw.upstreams = vec![upstream("text", TEXT, None)];
    raw
}

fn options() -> Value {
    json!({
        "criteria": {"faithfulness": "Says what the facts say"},
        "lowest": 1, "highest": 5, "at-least": 4, "judge-prompts": true,
    })
}

fn answer(quote: &str, score: i64) -> String {
    json!({
        "doubts": [{"quote": quote, "why": "the facts say 720"}],
        "reason": "The density is wrong.",
        "scores": {"faithfulness": score},
    })
    .to_string()
}

#[test]
fn a_verdict_has_the_worst_score_and_quotes_what_is_doubted() {
    let said = answer("It weighs 900 kg per cubic metre.", 2);
    let (made, asked) = generate::<Judge>(given(&options()), &[&said]);
    let made = made.unwrap();
    assert_eq!(
        made,
        "passes: false\nscore: 2\nscores:\n  faithfulness: 2\nreason: \"The density is wrong.\\n\\\"It weighs 900 kg per cubic metre.\\\": the facts say 720\"\n"
    );
    let question = format!("{:?}", asked[0]);
    for shown in [
        "From 1 to 5",
        "- faithfulness: Says",
        "Write about wood.",
        "720 kg",
    ] {
        assert!(question.contains(shown), "{shown}: {question}");
    }
    assert!(!question.contains("Never shown"), "{question}");
}

#[test]
fn a_quotation_that_does_not_stand_in_the_text_is_repaired() {
    let wrong = answer("It weighs 1000 kg.", 2);
    let right = answer("Oak is hard.", 5);
    let (made, asked) = generate::<Judge>(given(&options()), &[&wrong, &right]);
    assert!(made.unwrap().starts_with("passes: true\nscore: 5\n"));
    assert_eq!(asked.len(), 2);
    assert!(format!("{:?}", asked[1]).contains("does not stand in the text"));
}

#[test]
fn options_that_nothing_can_be_judged_by_are_told() {
    for (name, value) in [("criteria", json!({})), ("lowest", json!(5))] {
        let mut options = options();
        options[name] = value;
        let (made, _) = generate::<Judge>(given(&options), &[]);
        assert_eq!(made.unwrap_err().kind, FailureKind::ComponentFault);
    }
    let mut alone = given(&options());
    alone.upstreams.clear();
    let (made, _) = generate::<Judge>(alone, &[]);
    assert!(made.unwrap_err().message.contains("depends-on"));
}

#[test]
fn of_two_texts_one_is_better_and_equal_ones_need_no_model() {
    let compared = |second: &str| {
        let mut raw = given(&options());
        raw.prompts = vec![prompt("compare", "By these:\n{{ criteria }}")];
        raw.upstreams = vec![
            upstream("first", TEXT, None),
            upstream("second", second, None),
        ];
        raw
    };
    let said = json!({"reason": "It says the right density.", "better": "second"}).to_string();
    let (made, asked) = generate::<Judge>(compared("It weighs 720 kg.\n"), &[&said]);
    assert_eq!(
        made.unwrap(),
        "better: second\nreason: It says the right density.\n"
    );
    let question = format!("{:?}", asked[0]);
    for shown in [
        "By these:",
        "- faithfulness: Says",
        "It weighs 720",
        "720 kg/m",
    ] {
        assert!(question.contains(shown), "{shown}: {question}");
    }
    let (made, asked) = generate::<Judge>(compared(TEXT), &[]);
    assert_eq!(
        made.unwrap(),
        "better: neither\nreason: Both are the same.\n"
    );
    assert!(asked.is_empty());
}
