use sdk::{FailureKind, testing};

use super::*;

fn run(answers: &[&str]) -> (Result<String, Failure>, usize) {
    let mut input = testing::input("tin", "Tin", "metal");
    input.fields = json!({"formula": "Sn"}).to_string();
    input.prompts = vec![testing::prompt(
        "write",
        include_str!("../prompts/write.md"),
    )];
    let (text, asked) = testing::generate::<Summary>(input, answers);
    (text, asked.len())
}

#[test]
fn the_answer_is_published_as_it_is() {
    let (text, asked) = run(&["Tin is a metal"]);
    assert_eq!((text.unwrap().as_str(), asked), ("Tin is a metal\n", 1));
}

#[test]
fn an_empty_answer_is_none() {
    let (text, asked) = run(&[""; 4]);
    assert_eq!(
        (text.unwrap_err().kind, asked),
        (FailureKind::InvalidAnswer, 4)
    );
}
