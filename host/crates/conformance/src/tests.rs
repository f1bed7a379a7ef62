//! What the sandbox makes impossible, so that no plugin can show it.

use super::determinism::difference;
use super::trial::{Trial, completion};
use engine::TaskFailure;
use plugin::sandbox::Answered;
use types::class::FailureClass;
use types::digest::Digest;
use types::request::StopReason;

fn trial(questions: &[&str], end: &str) -> Trial {
    let told = questions.iter().map(|question| Answered {
        key: Digest::of(question.as_bytes()),
        answer: completion("Yes.".to_owned(), StopReason::Stop),
        request: None,
    });
    Trial {
        told: told.collect(),
        end: Ok(end.to_owned()),
    }
}

#[test]
fn what_differs_is_named() {
    let before = trial(&["a", "b"], "one text");
    assert_eq!(difference(&before, &before), None);
    let shown = |again: Trial| difference(&before, &again).unwrap();
    assert_eq!(
        shown(trial(&["a", "c"], "one text")),
        "question 2 is another"
    );
    assert_eq!(
        shown(trial(&["a"], "one text")),
        "it asked 2 questions, then 1"
    );
    assert_eq!(
        shown(trial(&["a", "b"], "one word")),
        "the artifact differs from byte 4 on"
    );
    let failed = Trial {
        end: Err(TaskFailure {
            class: FailureClass::Trap,
            cause: "unreachable".to_owned(),
        }),
        ..before.clone()
    };
    assert_eq!(
        shown(failed),
        "it ended with an artifact of 8 bytes, then with trap: unreachable"
    );
    let caught = Trial {
        end: Err(TaskFailure {
            class: FailureClass::Determinism,
            cause: "its question 1 is another".to_owned(),
        }),
        ..before.clone()
    };
    assert_eq!(shown(caught), "its question 1 is another");
}
