//! A provider that answers each question differently each time, as a model does, and remembers who asked what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use super::Dice;
use super::bus::Server;
use super::plan::Plan;
use gateway::error::CallError;
use gateway::provider::{Call, CallFuture, Finish, Provider, RawAnswer};
use types::digest::DigestBuilder;
use types::request::Usage;

/// The name of the record that is the end of workers, where one is.
const DEADLY: &str = "R3";

/// What was asked, by all.
pub(super) struct Book {
    seed: u64,
    longest: u64,
    calls: Mutex<Vec<Asked>>,
    has_deadly: bool,
    /// Who has asked of the deadly record.
    dead: Mutex<BTreeSet<String>>,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub question: u64,
    /// Who made it.
    pub by: String,
    pub began: Duration,
    /// When it is answered, whoever hears it.
    pub ends: Duration,
}

impl Book {
    pub fn new(plan: &Plan) -> Arc<Book> {
        Arc::new(Book {
            seed: plan.seed,
            longest: plan.longest,
            calls: Mutex::default(),
            has_deadly: plan.has_deadly,
            dead: Mutex::default(),
        })
    }

    /// Whether this process has to die now.
    pub fn is_dead(&self, who: &str) -> bool {
        let mut dead = self.dead.lock().expect("nobody panicked with it");
        dead.remove(who)
    }

    /// All calls, by question, each in the order of time.
    pub fn calls(&self) -> BTreeMap<u64, Vec<Asked>> {
        let mut all: BTreeMap<u64, Vec<Asked>> = BTreeMap::new();
        for call in &*self.calls.lock().expect("nobody panicked with it") {
            all.entry(call.question).or_default().push(call.clone());
        }
        all
    }

    /// The most calls that were ever under way at once.
    pub fn most_at_once(&self) -> usize {
        let calls = self.calls.lock().expect("nobody panicked with it");
        let at = |moment: Duration| {
            let under_way = calls
                .iter()
                .filter(|call| call.began <= moment && moment < call.ends);
            under_way.count()
        };
        calls.iter().map(|call| at(call.began)).max().unwrap_or(0)
    }
}

/// The provider, as one process asks it.
pub(super) struct Desk {
    pub book: Arc<Book>,
    pub server: Arc<Server>,
    pub by: String,
}

/// What an answer says: its question, and how often that was asked.
pub(super) fn text(question: u64, time: usize) -> String {
    format!("Answer to {question:016x}, given for the time {time}.")
}

/// The same text, given for the first time.
pub(super) fn at_first(text: &str) -> String {
    let cut = text.find(", given").unwrap_or(text.len());
    format!("{}, given for the time 1.\n", &text[..cut])
}

/// The question that a text answers.
pub(super) fn question_of(text: &str) -> u64 {
    let digits = text.get(10..26).unwrap_or_default();
    u64::from_str_radix(digits, 16).expect("an answer")
}

impl Provider for Desk {
    fn name(&self) -> &str {
        "sim"
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        Box::pin(async move {
            let mut builder = DigestBuilder::new("question");
            let request = serde_json::to_value(call.request).unwrap_or_default();
            if self.book.has_deadly && request.to_string().contains(DEADLY) {
                let dead = &self.book.dead;
                let mut dead = dead.lock().expect("nobody panicked with it");
                dead.insert(self.by.clone());
            }
            builder.json(&request);
            builder.number(u64::from(call.max_output_tokens));
            let question = builder.finish().seed();
            let (time, took) = {
                let mut calls = self.book.calls.lock().expect("nobody panicked with it");
                let before = calls.iter().filter(|asked| asked.question == question);
                let time = before.count() + 1;
                let mut dice = Dice(self.book.seed ^ question ^ time as u64);
                let took = Duration::from_millis(20 + dice.below(self.book.longest));
                let began = self.server.now();
                calls.push(Asked {
                    question,
                    by: self.by.clone(),
                    began,
                    ends: began + took,
                });
                (time, took)
            };
            sleep(took).await;
            (call.accepted)(&[]);
            Ok::<_, CallError>(RawAnswer {
                text: text(question, time),
                finish: Finish::Stop,
                finish_reason: "stop".to_owned(),
                refusal: None,
                thought: false,
                usage: Usage::new(50, 5),
                model: "model".to_owned(),
                served: None,
                observed: Vec::new(),
            })
        })
    }
}
