//! Decides what becomes of each call: refused, answered, or gone wrong. Sends nothing and never
//! waits; the server carries out what is decided here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cache::{Beginning, Cache, CacheUse, by_itself};
use super::config::Config;
use super::dialect::{Dialect, Headers};
use super::faults::{Befallen, Fault, FaultKind, choose};
use super::http::Credentials;
use super::ledger::{Bill, BilledLine, Book, Ledger, Totals};
use super::limits::{Cost, Limiter, Limits, Receipt, Standing, WindowReport};
use super::pieces;
use super::plan::{End, Plan};
use super::problem::{Exceeded, Problem, of_fault};
use super::reply::{Asked, Model};

const JSON: &str = "application/json";

/// A provider of completions.
#[derive(Debug)]
pub struct Provider {
    model: Model,
    config: Config,
    epoch: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    limiter: Limiter,
    faults: Vec<Fault>,
    book: Book,
    counted: u64,
    cache: Cache,
    /// The one that batches write and read; single calls have nothing to do with it.
    batch_cache: Cache,
}

impl Provider {
    /// A provider that has seen no call.
    ///
    /// # Errors
    /// The ledger file cannot be opened.
    pub fn new(config: Config) -> std::io::Result<Provider> {
        let limits = config.limits.clone();
        let state = State {
            limiter: Limiter::new(&limits, config.dialect.charge(&limits)),
            limits,
            faults: config.faults.clone(),
            book: Book::new(config.ledger_file.as_deref())?,
            counted: 0,
            cache: Cache::default(),
            batch_cache: Cache::default(),
        };
        Ok(Provider {
            model: Model::new(&config),
            config,
            epoch: Instant::now(),
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    /// Whose API is spoken.
    pub fn dialect(&self) -> Dialect {
        self.config.dialect
    }

    /// What answers are written from.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Answers and random faults follow from it.
    pub fn seed(&self) -> u64 {
        self.config.seed
    }

    /// How long it has been there.
    pub fn now(&self) -> Duration {
        self.since(Instant::now())
    }

    /// Enters a line of a batch that was answered.
    pub fn bill_line(&self, bill: &Bill) {
        let now = self.now();
        self.state().book.bill(bill, true, now);
    }

    /// What a line of a batch that began at a moment reads and writes. The lines of one batch are answered all at once, so that
    /// none reads what another one writes.
    pub fn cached_for_line(&self, marked: &[Beginning], began: Duration) -> CacheUse {
        let now = self.now();
        let mut state = self.state();
        let found = state.batch_cache.look(marked, true, began);
        state.batch_cache.keep(marked, began, now);
        found
    }

    /// What was billed for the lines of batches, by their names.
    pub fn billed_lines(&self) -> BTreeMap<String, BilledLine> {
        self.state().book.lines()
    }

    /// What has happened until now.
    pub fn ledger(&self) -> Ledger {
        self.state().book.ledger()
    }

    /// The same as numbers only, which costs nothing.
    pub fn totals(&self) -> Totals {
        self.state().book.totals()
    }

    /// What became of every limit there was.
    pub fn windows(&self) -> Vec<WindowReport> {
        self.state().limiter.reports()
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.state().faults = faults;
    }

    /// Replaces the limits.
    pub fn set_limits(&self, limits: Limits) {
        let now = self.since(Instant::now());
        let charge = self.config.dialect.charge(&limits);
        let mut state = self.state();
        state.limiter.set(&limits, charge, now);
        state.limits = limits;
    }

    /// Enters what a plan says, before its last piece is sent.
    pub fn enter(&self, plan: &Plan, complete: bool, now: Instant) -> Option<usize> {
        let mut state = self.state();
        if let Some(status) = plan.status {
            state.book.answer(status);
        }
        let bill = plan.bill.as_ref()?;
        Some(state.book.bill(bill, complete, self.since(now)))
    }

    /// A call is no longer in flight.
    pub fn end(&self, plan: &Plan, now: Instant) {
        if let Some(receipt) = &plan.admitted {
            let output = plan.bill.as_ref().map_or(0, |bill| bill.output_tokens);
            let mut state = self.state();
            state.book.end();
            state.limiter.settle(receipt, output, self.since(now));
        }
    }

    /// The last piece of an entered call could not be sent.
    pub fn correct(&self, place: usize, plan: &Plan) {
        if let Some(bill) = &plan.bill {
            self.state().book.correct(place, bill.prompt);
        }
    }

    /// Whether a call carries the key, if one is asked for.
    ///
    /// # Errors
    /// It does not.
    pub fn authorize(&self, given: &Credentials) -> Result<(), Problem> {
        self.config
            .dialect
            .authorize(given, self.config.key.as_deref())
    }

    /// Decides on a call for an answer.
    pub fn chat(
        &self,
        given: &Credentials,
        deployment: Option<&str>,
        body: &[u8],
        now: Instant,
    ) -> Plan {
        let dialect = self.config.dialect;
        let parsed = self
            .authorize(given)
            .and_then(|()| dialect.read(body, deployment))
            .and_then(|chat| {
                let thoughts = dialect.thoughts(self.config.thinks, &chat);
                thoughts.map(|_| chat)
            });
        let now = self.since(now);
        let mut state = self.state();
        let number = state.book.arrive();
        let id = format!("req_{number:08}");
        let chat = match parsed {
            Ok(chat) => chat,
            Err(problem) => return self.refusal(&id, &problem, Headers::new(), None),
        };
        let in_flight = state.book.in_flight();
        let bills_writing = dialect == Dialect::Anthropic;
        let beginnings = match bills_writing {
            true => chat.marked.clone(),
            false => by_itself(&chat.messages),
        };
        let cache = state.cache.look(&beginnings, bills_writing, now);
        let free = if dialect.cached_input_is_free() {
            cache.read
        } else {
            0
        };
        let cost = Cost {
            input: chat.input_tokens() - free,
            most_output: chat.max_tokens,
        };
        let admitted = state.limiter.admit(cost, in_flight, now);
        let standings = state.limiter.standings(now);
        let mut headers = dialect.limit_headers(&state.limits, &standings);
        let receipt = match admitted {
            Ok(receipt) => receipt,
            Err(refused) => {
                let exceeded = Exceeded::of(&refused, state.limits.hide_retry_after);
                return self.refusal(&id, &Problem::RateLimited(exceeded), headers, None);
            }
        };
        state.book.begin();
        state.counted += 1;
        let attempt = state.book.attempt(chat.prompt);
        let texts: Vec<&str> = chat
            .messages
            .iter()
            .map(|message| message.content.as_str())
            .collect();
        let call = Befallen {
            number: state.counted,
            attempt,
            prompt: chat.prompt,
            texts: &texts,
        };
        let fault = choose(&state.faults, &call, self.config.seed);
        if fault.and_then(of_fault).is_none() {
            let answered = now + self.config.latency.first_token;
            state.cache.keep(&beginnings, now, answered);
        }
        if fault == Some(FaultKind::Spurious) {
            let all: Vec<Standing> = standings.iter().map(all_left).collect();
            headers = dialect.limit_headers(&state.limits, &all);
        }
        // Answers are written without the lock: the ledger may be read meanwhile.
        drop(state);
        if let Some(problem) = fault.and_then(of_fault) {
            return self.refusal(&id, &problem, headers, Some(receipt));
        }
        headers.push((dialect.id_header(), id.clone()));
        let asked = Asked {
            number,
            id: &id,
            chat: &chat,
            fault,
            cache,
            arrived: now,
        };
        Plan {
            admitted: Some(receipt),
            ..self.model.reply(&asked, &headers)
        }
    }

    /// A call that gets an error. What was admitted is in flight until it is sent.
    fn refusal(
        &self,
        id: &str,
        problem: &Problem,
        mut headers: Headers,
        admitted: Option<Receipt>,
    ) -> Plan {
        let dialect = self.config.dialect;
        if let Problem::RateLimited(Exceeded {
            retry_after_ms: Some(wait),
            in_words: false,
            ..
        }) = problem
        {
            headers.extend(dialect.retry_headers(*wait));
        }
        headers.push((dialect.id_header(), id.to_owned()));
        let error = dialect.error(problem, id);
        let piece = pieces::single(error.status, JSON, &headers, &error.body.to_string());
        Plan {
            pieces: vec![(Duration::ZERO, piece)],
            end: End::Sent,
            status: Some(error.status),
            bill: None,
            admitted,
        }
    }
}

/// The same limit with nothing used of it.
fn all_left(standing: &Standing) -> Standing {
    Standing {
        remaining: standing.limit.amount,
        reset: Duration::ZERO,
        ..*standing
    }
}
