//! What the simulator would have billed. Knows no HTTP.
//!
//! A call is entered before its last byte is sent, so that whoever has an answer finds it here. If
//! the rest then cannot be sent, the entry is corrected: in a ledger file by another line of the same
//! id, the last of which counts.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A billed call: one that was answered 200, in full or in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The `x-request-id` of the answer.
    pub id: String,
    /// The model that was asked for.
    pub model: String,
    /// Hash of messages and format, in hexadecimal.
    pub prompt: String,
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// HTTP status.
    pub status: u16,
    /// The provider's word for why the answer ended.
    pub finish_reason: String,
    /// The answer was sent to its end.
    pub complete: bool,
    /// The same prompt had been answered well before: in full, not empty, not cut off.
    pub again: bool,
}

/// Everything that happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Calls that arrived, refused ones included.
    pub requests: u64,
    /// Answers by HTTP status; a call that was reset or hung before its status is in none.
    pub statuses: BTreeMap<u16, u64>,
    /// Most calls in flight at once.
    pub max_in_flight: u64,
    /// Billed calls in the order of their answers.
    pub calls: Vec<Call>,
}

impl Ledger {
    /// How many calls were billed.
    pub fn billed(&self) -> u64 {
        self.calls.len() as u64
    }

    /// How many calls were billed for a prompt that had been answered well before.
    pub fn billed_again(&self) -> u64 {
        self.calls.iter().filter(|call| call.again).count() as u64
    }

    /// How many answers had this HTTP status.
    pub fn status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }
}

/// Keeps the ledger.
#[derive(Debug, Default)]
pub struct Book {
    ledger: Ledger,
    in_flight: u64,
    prompts: HashMap<u128, Prompt>,
    file: Option<File>,
}

#[derive(Debug, Default)]
struct Prompt {
    attempts: u64,
    answered_well: bool,
}

/// What is to be entered for a billed call.
#[derive(Clone, Debug)]
pub struct Bill {
    /// Identifies the prompt.
    pub prompt: u128,
    /// The entry; `again` is set when it is made.
    pub call: Call,
    /// The answer is one that a client can use.
    pub well: bool,
}

impl Book {
    /// A book that also appends to a file.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn new(file: Option<&Path>) -> std::io::Result<Book> {
        let open = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Book {
            file: file.map(open).transpose()?,
            ..Book::default()
        })
    }

    /// What was entered until now.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Counts a call that arrived.
    pub fn arrive(&mut self) {
        self.ledger.requests += 1;
    }

    /// Counts an answer's status.
    pub fn answer(&mut self, status: u16) {
        *self.ledger.statuses.entry(status).or_default() += 1;
    }

    /// Counts a call that was let through as in flight.
    pub fn begin(&mut self) {
        self.in_flight += 1;
        self.ledger.max_in_flight = self.ledger.max_in_flight.max(self.in_flight);
    }

    /// The call is no longer in flight.
    pub fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Counts an attempt at a prompt and returns how many there were.
    pub fn attempt(&mut self, prompt: u128) -> u64 {
        let prompt = self.prompts.entry(prompt).or_default();
        prompt.attempts += 1;
        prompt.attempts
    }

    /// Enters a billed call and returns its place for [`Book::correct`].
    pub fn bill(&mut self, bill: Bill) -> usize {
        let prompt = self.prompts.entry(bill.prompt).or_default();
        let call = Call {
            again: prompt.answered_well,
            ..bill.call
        };
        prompt.answered_well |= bill.well && call.complete;
        self.append(&call);
        self.ledger.calls.push(call);
        self.ledger.calls.len() - 1
    }

    /// The answer could not be sent to its end after all, so it was no answer for the client.
    pub fn correct(&mut self, place: usize, prompt: u128) {
        let Some(call) = self.ledger.calls.get_mut(place) else {
            return;
        };
        call.complete = false;
        let call = call.clone();
        if let (false, Some(prompt)) = (call.again, self.prompts.get_mut(&prompt)) {
            prompt.answered_well = false;
        }
        self.append(&call);
    }

    fn append(&mut self, call: &Call) {
        let Some(file) = &mut self.file else { return };
        let line = serde_json::to_string(call)
            .map(|line| line + "\n")
            .map_err(std::io::Error::from);
        if let Err(error) = line.and_then(|line| file.write_all(line.as_bytes())) {
            // A ledger with a hole would let a test pass that should not.
            eprintln!(
                "llm-simulator: cannot append to the ledger file, no further calls are written: {error}"
            );
            self.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill(prompt: u128, complete: bool, well: bool) -> Bill {
        let call = Call {
            id: "req_1".to_owned(),
            model: "model".to_owned(),
            prompt: format!("{prompt:032x}"),
            input_tokens: 10,
            output_tokens: 20,
            status: 200,
            finish_reason: "stop".to_owned(),
            complete,
            again: false,
        };
        Bill { prompt, call, well }
    }

    #[test]
    fn only_a_prompt_that_was_answered_well_is_billed_again() {
        let mut book = Book::default();
        for (complete, well) in [(false, true), (true, false), (true, true), (true, true)] {
            book.bill(bill(1, complete, well));
        }
        book.bill(bill(2, true, true));
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
        let place = book.bill(bill(1, true, true));
        book.correct(place, 1);
        book.bill(bill(1, true, true));
        assert_eq!(book.ledger().billed_again(), 0);
        assert!(!book.ledger().calls[0].complete);
    }

    #[test]
    fn the_file_has_every_call_and_its_correction() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let mut book = Book::new(Some(&path)).unwrap();
        let place = book.bill(bill(1, true, true));
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
}
