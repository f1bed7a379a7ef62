//! What the simulator would have billed. Knows no HTTP.
//!
//! A call is entered before its last byte is sent, so that whoever has an answer finds it here. If
//! the rest then cannot be sent, the entry is corrected: in a ledger file by another line of the same
//! id, the last of which counts.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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
    /// Those of them that came from the cache.
    pub cached_tokens: u64,
    /// Tokens of the answer, thoughts included.
    pub output_tokens: u64,
    /// Those of them that were thoughts.
    pub reasoning_tokens: u64,
    /// HTTP status.
    pub status: u16,
    /// The provider's word for why the answer ended.
    pub finish_reason: String,
    /// The answer was sent to its end.
    pub complete: bool,
    /// The same prompt had been answered well before: in full, not empty, not cut off.
    pub again: bool,
    /// When it arrived, in milliseconds since the start.
    pub arrived_ms: u64,
    /// When its last byte was about to be sent, or when it broke off.
    pub ended_ms: u64,
}

/// Tokens of many calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Of the questions.
    pub input: u64,
    /// Those of them that came from the cache.
    pub cached: u64,
    /// Of the answers, thoughts included.
    pub output: u64,
    /// Those of them that were thoughts.
    pub reasoning: u64,
}

/// Everything that happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Calls that arrived, refused ones included.
    pub requests: u64,
    /// Answers by HTTP status; a call that was reset or hung before its status is in none.
    pub statuses: BTreeMap<u16, u64>,
    /// Calls in flight.
    pub in_flight: u64,
    /// Most calls in flight at once.
    pub max_in_flight: u64,
    /// Tokens of all billed calls.
    pub tokens: Tokens,
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

/// Keeps the ledger, in a shape that a million calls fit into.
#[derive(Debug, Default)]
pub struct Book {
    totals: Ledger,
    records: Vec<Record>,
    models: HashSet<Arc<str>>,
    prompts: HashMap<u128, Prompt>,
    file: Option<File>,
}

#[derive(Debug, Default)]
struct Prompt {
    attempts: u32,
    answered_well: bool,
}

/// A billed call without what is the same in many.
#[derive(Debug)]
struct Record {
    number: u64,
    model: Arc<str>,
    prompt: u128,
    finish: &'static str,
    input_tokens: u32,
    cached_tokens: u32,
    output_tokens: u32,
    reasoning_tokens: u32,
    arrived_ms: u64,
    ended_ms: u64,
    complete: bool,
    again: bool,
}

impl Record {
    fn call(&self) -> Call {
        Call {
            id: format!("req_{:08}", self.number),
            model: self.model.to_string(),
            prompt: format!("{:032x}", self.prompt),
            input_tokens: self.input_tokens.into(),
            cached_tokens: self.cached_tokens.into(),
            output_tokens: self.output_tokens.into(),
            reasoning_tokens: self.reasoning_tokens.into(),
            status: 200,
            finish_reason: self.finish.to_owned(),
            complete: self.complete,
            again: self.again,
            arrived_ms: self.arrived_ms,
            ended_ms: self.ended_ms,
        }
    }
}

/// What is to be entered for a billed call.
#[derive(Clone, Debug)]
pub struct Bill {
    /// Its number among all calls.
    pub number: u64,
    /// The model that was asked for.
    pub model: String,
    /// Identifies the prompt.
    pub prompt: u128,
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Those of them that came from the cache.
    pub cached_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Those of them that were thoughts.
    pub reasoning_tokens: u64,
    /// The provider's word for why the answer ended.
    pub finish: &'static str,
    /// The answer is sent to its end, if nothing comes in between.
    pub whole: bool,
    /// The answer is one that a client can use.
    pub well: bool,
    /// When it arrived, since the start.
    pub arrived: Duration,
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
    pub fn ledger(&self) -> Ledger {
        Ledger {
            calls: self.records.iter().map(Record::call).collect(),
            ..self.totals.clone()
        }
    }

    /// The same without the calls.
    pub fn totals(&self) -> Ledger {
        self.totals.clone()
    }

    /// Counts a call that arrived and returns its number.
    pub fn arrive(&mut self) -> u64 {
        self.totals.requests += 1;
        self.totals.requests
    }

    /// Counts an answer's status.
    pub fn answer(&mut self, status: u16) {
        *self.totals.statuses.entry(status).or_default() += 1;
    }

    /// Counts a call that was let through as in flight.
    pub fn begin(&mut self) {
        self.totals.in_flight += 1;
        self.totals.max_in_flight = self.totals.max_in_flight.max(self.totals.in_flight);
    }

    /// The call is no longer in flight.
    pub fn end(&mut self) {
        self.totals.in_flight = self.totals.in_flight.saturating_sub(1);
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> u64 {
        self.totals.in_flight
    }

    /// Counts an attempt at a prompt and returns how many there were.
    pub fn attempt(&mut self, prompt: u128) -> u64 {
        let prompt = self.prompts.entry(prompt).or_default();
        prompt.attempts = prompt.attempts.saturating_add(1);
        prompt.attempts.into()
    }

    /// Enters a billed call and returns its place for [`Book::correct`].
    pub fn bill(&mut self, bill: &Bill, complete: bool, now: Duration) -> usize {
        let complete = complete && bill.whole;
        let prompt = self.prompts.entry(bill.prompt).or_default();
        let again = prompt.answered_well;
        prompt.answered_well |= bill.well && complete;
        let model = self.model(&bill.model);
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let record = Record {
            number: bill.number,
            model,
            prompt: bill.prompt,
            finish: bill.finish,
            input_tokens: small(bill.input_tokens),
            cached_tokens: small(bill.cached_tokens),
            output_tokens: small(bill.output_tokens),
            reasoning_tokens: small(bill.reasoning_tokens),
            arrived_ms: millis(bill.arrived),
            ended_ms: millis(now),
            complete,
            again,
        };
        self.totals.tokens.input += bill.input_tokens;
        self.totals.tokens.cached += bill.cached_tokens;
        self.totals.tokens.output += bill.output_tokens;
        self.totals.tokens.reasoning += bill.reasoning_tokens;
        self.records.push(record);
        let place = self.records.len() - 1;
        self.append(place);
        place
    }

    /// Every model's name is kept once.
    fn model(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.models.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.models.insert(Arc::clone(&new));
        new
    }

    /// The answer could not be sent to its end after all, so it was no answer for the client.
    pub fn correct(&mut self, place: usize, prompt: u128) {
        let Some(record) = self.records.get_mut(place) else {
            return;
        };
        record.complete = false;
        if let (false, Some(prompt)) = (record.again, self.prompts.get_mut(&prompt)) {
            prompt.answered_well = false;
        }
        self.append(place);
    }

    fn append(&mut self, place: usize) {
        let (Some(file), Some(record)) = (&mut self.file, self.records.get(place)) else {
            return;
        };
        let line = serde_json::to_string(&record.call())
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

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
