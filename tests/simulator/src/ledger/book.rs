//! Keeps the ledger.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{BilledLine, Call, Ledger, Tokens, Totals};

/// Keeps the ledger, in a shape that a million calls fit into.
#[derive(Debug, Default)]
pub struct Book {
    totals: Totals,
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
    cache_write_tokens: u32,
    output_tokens: u32,
    reasoning_tokens: u32,
    flex: bool,
    arrived_ms: u64,
    ended_ms: u64,
    complete: bool,
    again: bool,
    line: Option<Box<BilledFor>>,
    pictures: Box<[String]>,
}

/// The line of a batch that something is billed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BilledFor {
    pub batch: Arc<str>,
    pub custom_id: Box<str>,
}

impl Record {
    fn call(&self) -> Call {
        let line = self.line.as_deref();
        Call {
            id: match line {
                Some(line) => format!("req_{}-{}", line.batch, self.number),
                None => format!("req_{:08}", self.number),
            },
            model: self.model.to_string(),
            prompt: format!("{:032x}", self.prompt),
            input_tokens: self.input_tokens.into(),
            cached_tokens: self.cached_tokens.into(),
            cache_write_tokens: self.cache_write_tokens.into(),
            output_tokens: self.output_tokens.into(),
            reasoning_tokens: self.reasoning_tokens.into(),
            flex: self.flex,
            status: 200,
            finish_reason: self.finish.to_owned(),
            complete: self.complete,
            again: self.again,
            arrived_ms: self.arrived_ms,
            ended_ms: self.ended_ms,
            pictures: self.pictures.to_vec(),
            batch: line.map(|line| line.batch.to_string()),
            custom_id: line.map(|line| line.custom_id.to_string()),
        }
    }

    fn tokens(&self) -> Tokens {
        Tokens {
            input: self.input_tokens.into(),
            cached: self.cached_tokens.into(),
            cache_write: self.cache_write_tokens.into(),
            output: self.output_tokens.into(),
            reasoning: self.reasoning_tokens.into(),
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
    pub prompt: u128,
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Those of them that came from the cache.
    pub cached_tokens: u64,
    /// Those of them that were written to the cache, where that is billed.
    pub cache_write_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Those of them that were thoughts.
    pub reasoning_tokens: u64,
    /// It is served at the flex tier.
    pub flex: bool,
    /// The provider's word for why the answer ended.
    pub finish: &'static str,
    /// The answer is sent to its end, if nothing comes in between.
    pub whole: bool,
    /// The answer is one that a client can use.
    pub well: bool,
    /// When it arrived, since the start.
    pub arrived: Duration,
    /// The line of a batch that it is, if it is one.
    pub line: Option<BilledFor>,
    /// Hashes of the pictures that the question showed.
    pub pictures: Vec<String>,
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
        let totals = self.totals.clone();
        Ledger {
            requests: totals.requests,
            statuses: totals.statuses,
            in_flight: totals.in_flight,
            max_in_flight: totals.max_in_flight,
            tokens: totals.tokens,
            batch_tokens: totals.batch_tokens,
            calls: self.records.iter().map(Record::call).collect(),
        }
    }

    /// The same as numbers only.
    pub fn totals(&self) -> Totals {
        self.totals.clone()
    }

    /// What was billed for the lines of batches, by their names.
    pub fn lines(&self) -> BTreeMap<String, BilledLine> {
        let mut lines = BTreeMap::<String, BilledLine>::new();
        for record in &self.records {
            let Some(line) = record.line.as_deref() else {
                continue;
            };
            let entry = lines.entry(line.custom_id.to_string()).or_default();
            entry.billed += 1;
            entry.batches.push(line.batch.to_string());
            entry.tokens.add(record.tokens());
        }
        lines
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
            cache_write_tokens: small(bill.cache_write_tokens),
            output_tokens: small(bill.output_tokens),
            reasoning_tokens: small(bill.reasoning_tokens),
            flex: bill.flex,
            arrived_ms: millis(bill.arrived),
            ended_ms: millis(now),
            complete,
            again,
            line: bill.line.clone().map(Box::new),
            pictures: bill.pictures.clone().into(),
        };
        self.totals.tokens.add(record.tokens());
        if record.line.is_some() {
            self.totals.batch_tokens.add(record.tokens());
        }
        self.totals.billed += 1;
        self.totals.billed_again += u64::from(again);
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
