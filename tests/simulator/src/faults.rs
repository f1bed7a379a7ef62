//! What can go wrong with a call, and with which calls it does. Knows no HTTP.

mod text;

#[cfg(test)]
mod tests;

use offline::Chance;

pub use text::FaultParseError;

use super::odd::Odd;

/// Something that goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An error of the server with this status: 408, 409, 500, 502, 503, 504, 529.
    Status(u16),
    /// 429; with a `retry-after` of so many milliseconds if it is given.
    RateLimited(Option<u64>),
    /// 429 with the code `insufficient_quota`.
    InsufficientQuota,
    /// 429 that follows no limit: its headers say that all is left, and nothing says when to come again.
    Spurious,
    /// 429 for the limit of a day (Gemini: `PerDay` and a short `retryDelay`, which is no help).
    DailyQuota,
    /// 402: the balance is used up.
    InsufficientBalance,
    /// 401 with the code `invalid_api_key`.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 413.
    TooLarge,
    /// 422.
    Unprocessable,
    /// No room for flexible work: Groq says 498, Gemini 503, and the others 429 with the code `resource_unavailable`.
    FlexCapacity,
    /// 404 with the code `model_not_found`.
    ModelNotFound,
    /// 400 with the code `context_length_exceeded`.
    ContextLengthExceeded,
    /// 400 with the code `content_filter`.
    ContentFilterError,
    /// An answer that ends with the finish reason `content_filter`.
    ContentFilterFinish,
    /// The connection is reset before any byte of an answer.
    ResetBeforeBody,
    /// The connection is reset in the middle of the answer.
    ResetInBody,
    /// No byte of an answer comes, until shutdown.
    HangBeforeBody,
    /// The answer stops in the middle, until shutdown.
    HangInBody,
    /// Status 200 and a body that ends, as HTTP has it, in the middle of its JSON.
    TruncatedJson,
    /// Status 200 and an HTML page.
    WrongContentType,
    /// An answer without text.
    EmptyContent,
    /// Half of an answer, with the finish reason `length`.
    Length,
    /// An answer that is a refusal.
    Refusal,
    /// Half of an answer, with DeepSeek's finish reason `insufficient_system_resource`.
    InsufficientResource,
    /// Half of a stream, then an event that is an error; if it is not streamed, 200 with an error as body.
    ErrorInStream,
    /// 429 whose hint of so many milliseconds stands in its words only.
    HintInWords(u64),
    /// An answer in a shape that no documentation promises.
    Odd(Odd),
    /// A whole answer that comes a few bytes at a time, so many milliseconds apart.
    SlowBody(u64),
}

/// The calls that a fault befalls. Calls refused by a limit or for their key are not counted.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Each call with this probability, 0 to 1, decided by seed, prompt and attempt.
    Probability(f64),
    /// The call with this number, from 1.
    Request(u64),
    /// So many first attempts of every distinct prompt.
    FirstAttempts(u64),
    /// Every call whose messages contain this text.
    Containing(String),
}

/// A fault and the calls that it befalls.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub kind: FaultKind,
    pub when: When,
}

/// A call, as far as faults are chosen by it.
#[derive(Clone, Copy, Debug)]
pub struct Befallen<'a> {
    /// Its number among all calls that were counted, from 1.
    pub number: u64,
    /// How often its prompt was asked, this time included.
    pub attempt: u64,
    pub prompt: u128,
    /// The texts of its messages.
    pub texts: &'a [&'a str],
}

/// The first fault that befalls a call.
pub fn choose(faults: &[Fault], call: &Befallen<'_>, seed: u64) -> Option<FaultKind> {
    let found = faults
        .iter()
        .enumerate()
        .find(|(index, fault)| befalls(*index, &fault.when, call, seed));
    found.map(|(_, fault)| fault.kind)
}

/// Whether the fault with this place in its list befalls a call.
pub fn befalls(index: usize, when: &When, call: &Befallen<'_>, seed: u64) -> bool {
    match when {
        When::Probability(probability) => {
            // The upper half is as good as the whole: the prompt is a hash.
            let mut chance = Chance::new(seed ^ (call.prompt >> 64) as u64)
                .fork(call.attempt)
                .fork(index as u64);
            chance.happens(*probability)
        }
        When::Request(number) => *number == call.number,
        When::FirstAttempts(count) => call.attempt <= *count,
        When::Containing(text) => call
            .texts
            .iter()
            .any(|message| message.contains(text.as_str())),
    }
}
