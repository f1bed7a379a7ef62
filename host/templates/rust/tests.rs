use sdk::testing::{Answer, generate, input, prompt, with_answers};

use super::*;

fn given() -> sdk::bindings::Input {
    let mut given = input("oak", "Oak", "wood");
    given.fields = r#"{"description": "A hard wood"}"#.to_owned();
    given.prompts.push(prompt("write", "Write about it."));
    given
}

const TEXT: &str = "Oak is a hard wood that is used for floors, for furniture and for the barrels in which wine \
                    and spirits grow old over many years.";

#[test]
fn the_answer_is_the_file() {
    let (made, asked) = generate::<NewPlugin>(given(), &[TEXT]);
    assert_eq!(made.unwrap(), format!("{TEXT}\n"));
    assert!(asked[0].facts.contains("A hard wood"));
}

#[test]
fn an_answer_that_breaks_a_rule_goes_back() {
    let (made, asked) = generate::<NewPlugin>(given(), &["Too short.", TEXT]);
    assert_eq!((made.unwrap(), asked.len()), (format!("{TEXT}\n"), 2));
}

#[test]
fn an_answer_that_was_cut_off_is_not_published() {
    let cut_off = vec![Answer::CutOff(TEXT.to_owned()); 8];
    let (made, _) = with_answers(cut_off, || NewPlugin::generate(&Input::new(given())));
    assert!(made.is_err());
}
