//! Writes the answers of calls that get one, well or with what befalls them.

use std::time::Duration;

use offline::Chance;

use super::cache::CacheUse;
use super::chat::{Answer, Chat, Finish, Tier, answer, truncate};
use super::config::{Answers, Config, Flex, Latency, Thinks};
use super::dialect::{Dialect, Headers};
use super::faults::FaultKind;
use super::ledger::Bill;
use super::pieces::{self, KeepAlive};
use super::plan::{End, Plan};
use super::problem::Problem;
use super::quality::Quality;
use super::{prompt, sloppy};

const ECHO: &str = "This is a simulated answer.";
/// 64 bytes.
const LONG: &str = "This sentence of a simulated answer has sixty-four bytes in all.";
const JSON: &str = "application/json";
const HTML: &str = "<!doctype html><html><body><h1>Please wait</h1></body></html>";
/// How often a queued call gives a sign of life, if nothing else is said.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// What answers are written from.
#[derive(Debug)]
pub struct Model {
    dialect: Dialect,
    seed: u64,
    answers: Answers,
    quality: Quality,
    latency: Latency,
    keep_alive: Duration,
    reasoning_tokens: u64,
    thinks: Thinks,
    flex: Flex,
}

/// A call that was let through.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its number among all that arrived.
    pub number: u64,
    /// The same as the provider writes it.
    pub id: &'a str,
    pub chat: &'a Chat,
    /// What goes wrong with it.
    pub fault: Option<FaultKind>,
    /// Tokens of the question that come from the cache.
    pub cache: CacheUse,
    /// When it arrived, since the start.
    pub arrived: Duration,
}

impl Model {
    /// The model that a configuration asks for.
    pub fn new(config: &Config) -> Model {
        Model {
            dialect: config.dialect,
            seed: config.seed,
            answers: config.answers,
            quality: config.quality.clone(),
            latency: config.latency,
            keep_alive: config.keep_alive.unwrap_or(KEEP_ALIVE),
            reasoning_tokens: config.reasoning_tokens,
            thinks: config.thinks,
            flex: config.flex,
        }
    }

    /// What is to be sent for a call.
    pub fn reply(&self, asked: &Asked<'_>, headers: &Headers) -> Plan {
        let silent = |end| Plan {
            pieces: Vec::new(),
            end,
            status: None,
            bill: None,
            admitted: None,
        };
        match asked.fault {
            Some(FaultKind::ResetBeforeBody) => silent(End::Reset),
            Some(FaultKind::HangBeforeBody) => silent(End::Hang),
            _ => self.answered(asked, headers),
        }
    }

    fn answered(&self, asked: &Asked<'_>, headers: &Headers) -> Plan {
        let answer = self.answer(asked);
        let mut pieces = self.pieces(asked, &answer, headers);
        let end = match asked.fault {
            Some(FaultKind::ResetInBody) => End::Reset,
            Some(FaultKind::HangInBody) => End::Hang,
            _ => End::Sent,
        };
        if end != End::Sent {
            pieces::half_of(&mut pieces);
        }
        if let Some(FaultKind::SlowBody(milliseconds)) = asked.fault {
            pieces = pieces::slowly(pieces, Duration::from_millis(milliseconds));
        }
        let whole = !matches!(
            asked.fault,
            Some(
                FaultKind::ResetInBody
                    | FaultKind::HangInBody
                    | FaultKind::TruncatedJson
                    | FaultKind::WrongContentType
                    | FaultKind::ErrorInStream
            )
        );
        let bill = Bill {
            whole,
            ..self.bill(asked, &answer)
        };
        Plan {
            pieces,
            end,
            status: Some(200),
            bill: Some(bill),
            admitted: None,
        }
    }

    /// The answer to a line of a batch, and what it costs.
    pub fn answer_line(&self, asked: &Asked<'_>) -> (Answer, Bill) {
        let answer = self.answer(asked);
        let bill = self.bill(asked, &answer);
        (answer, bill)
    }

    /// What is entered for an answer that is sent whole.
    fn bill(&self, asked: &Asked<'_>, answer: &Answer) -> Bill {
        Bill {
            pictures: asked.chat.pictures.clone(),
            number: asked.number,
            model: asked.chat.model.clone(),
            prompt: asked.chat.prompt,
            input_tokens: answer.input_tokens,
            cached_tokens: answer.cached_tokens,
            cache_write_tokens: answer.cache_write_tokens,
            output_tokens: answer.output_tokens,
            reasoning_tokens: answer.reasoning_tokens,
            flex: answer.tier == Some(Tier::Flex),
            finish: self.dialect.finish(asked.chat, answer),
            whole: true,
            well: answer.finish == Finish::Stop && !answer.text.is_empty(),
            arrived: asked.arrived,
            line: None,
        }
    }

    fn answer(&self, asked: &Asked<'_>) -> Answer {
        let thoughts = self.dialect.thoughts(self.thinks, asked.chat).unwrap_or(0);
        let thoughts = thoughts + self.reasoning_tokens;
        let mut answer = answer(asked.chat, self.text(asked.chat), thoughts);
        answer.cached_tokens = asked.cache.read.min(answer.input_tokens);
        let fresh = answer.input_tokens - answer.cached_tokens;
        answer.cache_write_tokens = asked.cache.written.min(fresh);
        answer.for_an_hour = asked.cache.for_an_hour;
        if answer.tier == Some(Tier::Flex) && self.serves_at_default(asked) {
            answer.tier = Some(Tier::Default);
        }
        let half = answer.text.len() / 2;
        match asked.fault {
            Some(FaultKind::EmptyContent) => answer.shorten(0, Finish::Stop),
            Some(FaultKind::ContentFilterFinish) => answer.shorten(0, Finish::ContentFilter),
            Some(FaultKind::Refusal) => answer.shorten(0, Finish::Refusal),
            Some(FaultKind::Length) => answer.shorten(half, Finish::Length),
            Some(FaultKind::InsufficientResource) => {
                answer.shorten(half, Finish::InsufficientResource);
            }
            _ => {}
        }
        answer
    }

    fn pieces(&self, asked: &Asked<'_>, answer: &Answer, headers: &Headers) -> pieces::Pieces {
        let (mut latency, chat, dialect) = (self.latency, asked.chat, self.dialect);
        if chat.tier == Some(Tier::Flex) {
            latency.first_token += self.flex.delay;
        }
        let alive: KeepAlive = dialect
            .keep_alive(chat.stream)
            .map(|sign| (sign, self.keep_alive));
        let overloaded = Problem::Server(529);
        match asked.fault {
            Some(FaultKind::WrongContentType) => {
                let page = pieces::single(200, "text/html", headers, HTML);
                vec![(latency.first_token, page)]
            }
            Some(FaultKind::ErrorInStream) if !chat.stream => {
                let body = dialect.error(&overloaded, asked.id).body.to_string();
                vec![(
                    latency.first_token,
                    pieces::single(200, JSON, headers, &body),
                )]
            }
            Some(FaultKind::Odd(odd)) => {
                let texts = if chat.stream {
                    dialect.events(chat, answer, asked.id)
                } else {
                    vec![dialect.whole(chat, answer, asked.id)]
                };
                let bytes = odd.bytes(answer, texts, chat.stream, headers);
                vec![(latency.first_token, bytes)]
            }
            fault if chat.stream => {
                let mut events = dialect.events(chat, answer, asked.id);
                let half = events.len().div_ceil(2);
                if fault == Some(FaultKind::TruncatedJson) {
                    events.truncate(half);
                    if let Some(last) = events.last_mut() {
                        cut(last);
                    }
                } else if fault == Some(FaultKind::ErrorInStream) {
                    events.truncate(half);
                    events.push(dialect.error_event(&overloaded, asked.id));
                }
                pieces::streamed(latency, headers, &events, alive)
            }
            fault => {
                let mut body = dialect.whole(chat, answer, asked.id);
                if fault == Some(FaultKind::TruncatedJson) {
                    cut(&mut body);
                }
                pieces::whole(latency, headers, &body, alive)
            }
        }
    }

    fn serves_at_default(&self, asked: &Asked<'_>) -> bool {
        let mut chance = Chance::new(self.seed ^ asked.chat.body).fork(asked.number);
        chance.happens(self.flex.at_default)
    }

    /// What the model says; the same for the same body and seed.
    fn text(&self, chat: &Chat) -> String {
        let seed = self.seed ^ chat.body;
        let format = prompt::schema(&chat.messages, &chat.format);
        let request = || prompt::read(chat.messages.clone(), format.clone());
        match self.answers {
            Answers::Echo => ECHO.to_owned(),
            Answers::Long => LONG.repeat(32),
            Answers::Good => {
                let good = offline::write(&request(), seed);
                self.quality
                    .spoil(good, &chat.model, &format, &mut Chance::new(seed))
            }
            Answers::Sloppy => {
                let good = offline::write(&request(), seed);
                sloppy::spoil(good, &chat.messages, &format, &mut Chance::new(seed))
            }
        }
    }
}

/// Keeps the first half.
fn cut(text: &mut String) {
    let half = text.len() / 2;
    truncate(text, half);
}
