use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::FailureKind;
use crate::testing::{Answer, Role, with_answers};

#[derive(Debug, Deserialize, PartialEq)]
struct Title {
    title: String,
}

fn whole(answers: &[&str]) -> Vec<Answer> {
    answers
        .iter()
        .map(|answer| Answer::Whole((*answer).to_owned()))
        .collect()
}

fn text_request() -> TextRequest {
    let mut request = TextRequest::new("Write.".to_owned(), json!({"name": "Tin", "size": 3}));
    request.rules.max_words = Some(3);
    request.rules.numbers_from_facts = true;
    request
}

fn json_request() -> JsonRequest {
    JsonRequest::new(
        "Write.".to_owned(),
        json!({"name": "Tin"}),
        r#"{"type": "object", "properties": {"title": {"type": "string", "maxLength": 10}},
            "required": ["title"], "additionalProperties": false}"#,
    )
    .unwrap()
}

fn ask_json(answers: Vec<Answer>) -> (Result<Title, Failure>, Vec<llm::CompletionRequest>) {
    with_answers(answers, || {
        complete_json(&json_request(), |answer: &Title| {
            if answer.title == "Lead" {
                vec!["title must not be Lead".to_owned()]
            } else {
                Vec::new()
            }
        })
    })
}

#[test]
fn a_good_answer_costs_one_question_and_an_answer_in_fences_no_more() {
    let (answer, asked) = with_answers(whole(&["Sure! Here it is:\n```\nSize 3.\n```"]), || {
        ask_text(&text_request())
    });
    assert_eq!(answer.unwrap(), "Size 3.");
    assert_eq!(asked.len(), 1);
    let roles: Vec<Role> = asked[0]
        .messages
        .iter()
        .map(|message| message.role)
        .collect();
    assert_eq!(roles, [Role::System, Role::User]);
}

#[test]
fn a_repair_shows_the_answer_and_its_violations() {
    let (answer, asked) = with_answers(whole(&["far too many words, 7", "Fine."]), || {
        ask_text(&text_request())
    });
    assert_eq!(answer.unwrap(), "Fine.");
    let [_, _, bad, violations] = &asked[1].messages[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (bad.role, bad.content.as_str()),
        (Role::Assistant, "far too many words, 7")
    );
    assert_eq!(violations.role, Role::User);
    assert!(
        violations
            .content
            .contains("the text has 5 words, must have at most 3")
    );
    assert!(violations.content.contains("not in the facts: 7"));
}

#[test]
fn two_repairs_and_one_fresh_answer_and_then_a_failure() {
    let (answer, asked) = ask_json(whole(&[
        "a",
        "b",
        "{\"title\": \"much too long a title\"}",
        "{}",
        "x",
    ]));
    let failure = answer.unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidAnswer);
    assert_eq!(failure.violations, ["title is missing"]);
    let turns: Vec<usize> = asked.iter().map(|asked| asked.messages.len()).collect();
    assert_eq!(turns, [2, 4, 4, 2]);
    // The fresh question is the first one again, to the letter.
    assert_eq!(format!("{:?}", asked[3]), format!("{:?}", asked[0]));
}

#[test]
fn the_fresh_answer_is_accepted() {
    let (answer, asked) = ask_json(whole(&["a", "b", "c", "{\"title\": \" Tin \"}"]));
    assert_eq!(
        answer.unwrap(),
        Title {
            title: "Tin".to_owned()
        }
    );
    assert_eq!(asked.len(), 4);
}

#[test]
fn an_answer_that_was_cut_off_is_not_accepted_however_good() {
    let good = "{\"title\": \"Tin\"}".to_owned();
    let (answer, asked) = ask_json(vec![Answer::CutOff(good.clone()), Answer::Whole(good)]);
    assert!(answer.is_ok());
    assert!(asked[1].messages[3].content.contains("was cut off"));
}

#[test]
fn strings_of_a_json_answer_obey_the_number_rule_and_the_check() {
    let (answer, asked) = ask_json(whole(&[
        "{\"title\": \"Tin 7\"}",
        "{\"title\": \"Lead\"}",
        "{\"title\": \"Tin\"}",
    ]));
    assert!(answer.is_ok());
    assert!(
        asked[1].messages[3]
            .content
            .contains("title has numbers that are not in the facts: 7")
    );
    assert!(
        asked[2].messages[3]
            .content
            .contains("title must not be Lead")
    );
}

#[test]
fn an_empty_answer_is_never_accepted() {
    let request = TextRequest::new("Write.".to_owned(), json!({}));
    let (answer, asked) = with_answers(whole(&[" ", "```\n```", "Tin."]), || ask_text(&request));
    assert_eq!(answer.unwrap(), "Tin.");
    assert_eq!(asked[1].messages[2].content, "(nothing)");
    assert!(!asked[0].messages[1].content.is_empty());
}

#[test]
fn what_would_not_be_published_goes_back() {
    let answers = whole(&["---\ntitle: Tin: a metal\n---\n\nTin.", "---\n\nTin."]);
    let (answer, asked) = with_answers(answers, || {
        ask_text(&TextRequest::new("Write.".to_owned(), json!({})))
    });
    assert_eq!(answer.unwrap(), "Tin.");
    assert_eq!(asked.len(), 2);
    let told = &asked[1].messages[3].content;
    assert!(told.contains("`title: Tin: a metal`"), "{told}");
    let mut request = TextRequest::new("Write.".to_owned(), json!({}));
    request.begins_markdown = false;
    let (answer, _) = with_answers(whole(&["---\n\nTin."]), || ask_text(&request));
    assert_eq!(answer.unwrap(), "---\n\nTin.");
}

#[test]
fn a_refusal_is_a_failure_at_once() {
    let refused = Answer::Refused(llm::Error::ContextTooLong("9000 tokens".to_owned()));
    let (answer, asked) = ask_json(vec![refused]);
    let failure = answer.unwrap_err();
    assert_eq!((failure.kind, asked.len()), (FailureKind::Refused, 1));
    assert!(failure.message.contains("9000 tokens"));
}

#[test]
fn a_schema_is_narrowed_at_run_time() {
    let mut request = json_request();
    request
        .constrain("/properties/title", "enum", json!(["Tin", "Zinc"]))
        .unwrap();
    assert!(
        request
            .constrain("/properties/name", "enum", json!([]))
            .is_err()
    );
    let (answer, asked) = with_answers(
        whole(&["{\"title\": \"Lead\"}", "{\"title\": \"Zinc\"}"]),
        || complete_json(&request, |_: &Title| Vec::new()),
    );
    assert_eq!(answer.unwrap().title, "Zinc");
    assert_eq!(asked.len(), 2);
}
