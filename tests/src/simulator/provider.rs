//! Decides what becomes of each call: refused, answered, or gone wrong. Sends nothing and never
//! waits; the server carries out what is decided here.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use host::llm::writer::{self, Chance};

use super::config::{Answers, Config};
use super::faults::{Befallen, Fault, FaultKind, choose};
use super::ledger::{Bill, Book, Call, Ledger};
use super::limits::{Limiter, Limits, Refusal, Standing};
use super::openai::{self, Answer, ApiError, Chat};
use super::{pieces, prompt, sloppy};

const ECHO: &str = "This is a simulated answer.";
const JSON: &str = "application/json";
const HTML: &str = "<!doctype html><html><body><h1>Please wait</h1></body></html>";

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With all that is to be sent.
    Sent,
    /// The connection is reset then.
    Reset,
    /// Nothing more comes then.
    Hang,
}

/// What is to be done with a call.
#[derive(Debug)]
pub struct Plan {
    /// What to send, and how long to wait before each piece.
    pub pieces: Vec<(Duration, Vec<u8>)>,
    /// How it ends.
    pub end: End,
    /// The status that is sent, if one is.
    pub status: Option<u16>,
    /// What is entered for it.
    pub bill: Option<Bill>,
    /// It was let through, and is in flight until [`Provider::end`].
    pub in_flight: bool,
}

/// A provider of completions.
#[derive(Debug)]
pub struct Provider {
    config: Config,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    limiter: Limiter,
    faults: Vec<Fault>,
    book: Book,
    counted: u64,
}

impl Provider {
    /// A provider that has seen no call.
    ///
    /// # Errors
    /// The ledger file cannot be opened.
    pub fn new(config: Config) -> std::io::Result<Provider> {
        let state = State {
            limits: config.limits,
            limiter: Limiter::default(),
            faults: config.faults.clone(),
            book: Book::new(config.ledger_file.as_deref())?,
            counted: 0,
        };
        Ok(Provider {
            config,
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has happened until now.
    pub fn ledger(&self) -> Ledger {
        self.state().book.ledger().clone()
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.state().faults = faults;
    }

    /// Replaces the limits.
    pub fn set_limits(&self, limits: Limits) {
        self.state().limits = limits;
    }

    /// Enters what a plan says, before its last piece is sent.
    pub fn enter(&self, plan: &Plan, complete: bool) -> Option<usize> {
        let mut state = self.state();
        if let Some(status) = plan.status {
            state.book.answer(status);
        }
        let bill = plan.bill.as_ref()?;
        let call = Call {
            complete: complete && bill.call.complete,
            ..bill.call.clone()
        };
        Some(state.book.bill(Bill {
            call,
            ..bill.clone()
        }))
    }

    /// A call is no longer in flight.
    pub fn end(&self, plan: &Plan) {
        if plan.in_flight {
            self.state().book.end();
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
    /// Status 401.
    pub fn authorize(&self, authorization: Option<&str>) -> Result<(), ApiError> {
        let Some(key) = &self.config.key else {
            return Ok(());
        };
        let given = authorization.and_then(|given| given.strip_prefix("Bearer "));
        if given == Some(key.as_str()) {
            Ok(())
        } else {
            Err(openai::unauthorized())
        }
    }

    /// Decides on a call of the chat completions.
    pub fn chat(&self, authorization: Option<&str>, body: &[u8], now: Instant) -> Plan {
        let parsed = self
            .authorize(authorization)
            .and_then(|()| openai::read(body));
        let mut state = self.state();
        state.book.arrive();
        let id = format!("req_{:08}", state.book.ledger().requests);
        let chat = match parsed {
            Ok(chat) => chat,
            Err(error) => return refusal(&id, &error, Vec::new(), false),
        };
        let limits = state.limits;
        let in_flight = state.book.in_flight();
        let admitted = state.limiter.admit(&limits, in_flight, now);
        let standing = if limits.headers {
            state.limiter.standing(&limits, now)
        } else {
            None
        };
        if let Err(refused) = admitted {
            return limited(&id, &refused, &limits, standing.as_ref());
        }
        state.book.begin();
        state.counted += 1;
        let number = state.counted;
        let attempt = state.book.attempt(chat.prompt);
        let texts: Vec<&str> = chat
            .messages
            .iter()
            .map(|message| message.content.as_str())
            .collect();
        let call = Befallen {
            number,
            attempt,
            prompt: chat.prompt,
            texts: &texts,
        };
        let fault = choose(&state.faults, &call, self.config.seed);
        // Answers are written without the lock: the ledger may be read meanwhile.
        drop(state);
        self.decide(&id, &chat, fault, standing.as_ref())
    }

    fn decide(
        &self,
        id: &str,
        chat: &Chat,
        fault: Option<FaultKind>,
        standing: Option<&Standing>,
    ) -> Plan {
        let mut headers = standing.map(openai::rate_headers).unwrap_or_default();
        if let Some(error) = fault.and_then(openai::of_fault) {
            if let Some(FaultKind::RateLimited(Some(milliseconds))) = fault {
                headers.extend(openai::retry_headers(Duration::from_millis(milliseconds)));
            }
            return refusal(id, &error, headers, true);
        }
        let silent = |end| Plan {
            pieces: Vec::new(),
            end,
            status: None,
            bill: None,
            in_flight: true,
        };
        match fault {
            Some(FaultKind::ResetBeforeBody) => silent(End::Reset),
            Some(FaultKind::HangBeforeBody) => silent(End::Hang),
            _ => self.answer(id, chat, fault, headers),
        }
    }

    fn answer(
        &self,
        id: &str,
        chat: &Chat,
        fault: Option<FaultKind>,
        mut headers: Vec<(&'static str, String)>,
    ) -> Plan {
        headers.push(("x-request-id", id.to_owned()));
        let latency = self.config.latency;
        let mut answer = openai::answer(chat, self.text(chat));
        let half = answer.text.len() / 2;
        match fault {
            Some(FaultKind::EmptyContent) => shorten(&mut answer, 0, "stop"),
            Some(FaultKind::ContentFilterFinish) => shorten(&mut answer, 0, "content_filter"),
            Some(FaultKind::Length) => shorten(&mut answer, half, "length"),
            _ => {}
        }
        let whole = !matches!(
            fault,
            Some(
                FaultKind::ResetInBody
                    | FaultKind::HangInBody
                    | FaultKind::TruncatedJson
                    | FaultKind::WrongContentType
            )
        );
        let mut pieces = if fault == Some(FaultKind::WrongContentType) {
            vec![(
                latency.first_token,
                pieces::single(200, "text/html", &headers, HTML),
            )]
        } else {
            let cut = fault == Some(FaultKind::TruncatedJson);
            if chat.stream {
                pieces::streamed(latency, id, chat, &answer, &headers, cut)
            } else {
                pieces::whole(latency, id, chat, &answer, &headers, cut)
            }
        };
        let end = match fault {
            Some(FaultKind::ResetInBody) => End::Reset,
            Some(FaultKind::HangInBody) => End::Hang,
            _ => End::Sent,
        };
        if end != End::Sent {
            pieces::half_of(&mut pieces);
        }
        let call = Call {
            id: id.to_owned(),
            model: chat.model.clone(),
            prompt: format!("{:032x}", chat.prompt),
            input_tokens: answer.input_tokens,
            output_tokens: answer.output_tokens,
            status: 200,
            finish_reason: answer.finish.to_owned(),
            complete: whole,
            again: false,
        };
        let well = answer.finish == "stop" && !answer.text.is_empty();
        let bill = Some(Bill {
            prompt: chat.prompt,
            call,
            well,
        });
        Plan {
            pieces,
            end,
            status: Some(200),
            bill,
            in_flight: true,
        }
    }

    /// What the model says; the same for the same body and seed.
    fn text(&self, chat: &Chat) -> String {
        let seed = self.config.seed ^ chat.body;
        let request = || prompt::read(chat.messages.clone(), chat.format.clone());
        match self.config.answers {
            Answers::Echo => ECHO.to_owned(),
            Answers::Good => writer::write(&request(), seed),
            Answers::Sloppy => {
                let good = writer::write(&request(), seed);
                sloppy::spoil(good, &chat.messages, &chat.format, &mut Chance::new(seed))
            }
        }
    }
}

fn shorten(answer: &mut Answer, bytes: usize, finish: &'static str) {
    openai::truncate(&mut answer.text, bytes);
    answer.output_tokens = openai::tokens(&answer.text);
    answer.finish = finish;
}

fn refusal(
    id: &str,
    error: &ApiError,
    mut headers: Vec<(&'static str, String)>,
    in_flight: bool,
) -> Plan {
    headers.push(("x-request-id", id.to_owned()));
    let piece = pieces::single(error.status, JSON, &headers, &error.body());
    Plan {
        pieces: vec![(Duration::ZERO, piece)],
        end: End::Sent,
        status: Some(error.status),
        bill: None,
        in_flight,
    }
}

fn limited(id: &str, refused: &Refusal, limits: &Limits, standing: Option<&Standing>) -> Plan {
    let mut headers = standing.map(openai::rate_headers).unwrap_or_default();
    if let Some(wait) = refused.retry_after.filter(|_| !limits.hide_retry_after) {
        headers.extend(openai::retry_headers(wait));
    }
    refusal(id, &openai::rate_limited(refused.what), headers, false)
}
