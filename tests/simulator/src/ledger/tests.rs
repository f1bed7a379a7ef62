//! What is entered and what is said of it.

use std::time::Duration;

use super::*;

fn bill(prompt: u128, complete: bool, well: bool) -> Bill {
    Bill {
        number: 1,
        model: "model".to_owned(),
        prompt,
        input_tokens: 10,
        cached_tokens: 0,
        cache_write_tokens: 0,
        output_tokens: 20,
        reasoning_tokens: 0,
        flex: false,
        finish: "stop",
        whole: complete,
        well,
        arrived: Duration::from_millis(5),
        line: None,
        pictures: Vec::new(),
    }
}

const NOW: Duration = Duration::from_millis(9);

#[test]
fn only_a_prompt_that_was_answered_well_is_billed_again() {
    let mut book = Book::default();
    for (complete, well) in [(false, true), (true, false), (true, true), (true, true)] {
        book.bill(&bill(1, complete, well), true, NOW);
    }
    book.bill(&bill(2, true, true), true, NOW);
    let again: Vec<bool> = book.ledger().calls.iter().map(|call| call.again).collect();
    assert_eq!(again, [false, false, false, true, false]);
    assert_eq!(
        (book.ledger().billed(), book.ledger().billed_again()),
        (5, 1)
    );
}

#[test]
fn an_answer_that_could_not_be_sent_was_none() {
    let mut book = Book::default();
    let place = book.bill(&bill(1, true, true), true, NOW);
    book.correct(place, 1);
    book.bill(&bill(1, true, true), true, NOW);
    assert_eq!(book.ledger().billed_again(), 0);
    assert!(!book.ledger().calls[0].complete);
}

#[test]
fn the_file_has_every_call_and_its_correction() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jsonl");
    let mut book = Book::new(Some(&path)).unwrap();
    let place = book.bill(&bill(1, true, true), true, NOW);
    book.correct(place, 1);
    let lines = std::fs::read_to_string(&path).unwrap();
    let calls: Vec<Call> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        calls.iter().map(|call| call.complete).collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn the_most_calls_in_flight_are_kept() {
    let mut book = Book::default();
    book.begin();
    book.begin();
    book.end();
    book.begin();
    assert_eq!((book.in_flight(), book.ledger().max_in_flight), (2, 2));
}
