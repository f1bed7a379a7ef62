//! What is wrong with a call, whatever the dialect that says so.

use super::faults::FaultKind;
use super::limits::{DAY, Measure, Refusal};

/// Why a call gets no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It breaks the API's rules, in these words.
    Invalid(String),
    /// It is no request that can be read, with the status of HTTP that says so.
    Unreadable(u16, String),
    /// There is nothing at this address.
    NoRoute(String),
    /// There is no file or batch with this id, in these words.
    NotFound(String),
    /// What is asked for is too late, in these words.
    Conflict(String),
    /// The key is missing or wrong.
    Unauthorized,
    /// The key may not do this.
    Forbidden,
    /// There is no such model.
    ModelNotFound,
    /// A limit is reached, or pretended to be.
    RateLimited(Exceeded),
    /// The limit of a day is reached.
    DailyQuota,
    /// What was paid for is used up, in the provider's usual words.
    Quota,
    /// The same as status 402.
    Balance,
    /// The question is longer than the model can take.
    ContextLength,
    /// The body is larger than the server takes.
    TooLarge,
    /// Parameters that cannot be processed.
    Unprocessable,
    /// A filter refused the question.
    ContentFilter,
    /// There is no room for flexible work.
    Capacity,
    /// An error of the server.
    Server(u16),
}

/// A limit that is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceeded {
    /// `requests per minute`
    pub what: String,
    /// It counts tokens.
    pub tokens: bool,
    /// It is the limit of a day.
    pub daily: bool,
    pub limit: u64,
    /// What its window holds.
    pub used: u64,
    /// What the call would take.
    pub requested: u64,
    /// When to come again, as far as it is told.
    pub retry_after_ms: Option<u64>,
    /// It is told in words only.
    pub in_words: bool,
}

impl Exceeded {
    /// As it was refused.
    pub fn of(refusal: &Refusal, hide: bool) -> Exceeded {
        let wait = refusal.retry_after.filter(|_| !hide);
        // Whoever comes a fraction of a millisecond early would be refused again.
        let milliseconds = wait.map(|wait| wait.as_nanos().div_ceil(1_000_000).max(1));
        Exceeded {
            what: refusal.what(),
            tokens: refusal
                .limit
                .is_some_and(|limit| limit.measure != Measure::Requests),
            daily: refusal.limit.is_some_and(|limit| limit.span >= DAY),
            limit: refusal.limit.map_or(0, |limit| limit.amount),
            used: refusal.held,
            requested: refusal.requested,
            retry_after_ms: milliseconds.map(|wait| u64::try_from(wait).unwrap_or(u64::MAX)),
            in_words: false,
        }
    }

    /// One that does not follow from any limit.
    pub fn pretended(retry_after_ms: Option<u64>) -> Exceeded {
        Exceeded {
            what: "requests per minute".to_owned(),
            requested: 1,
            retry_after_ms,
            ..Exceeded::default()
        }
    }
}

/// The error that a fault is, if it is one.
pub fn of_fault(fault: FaultKind) -> Option<Problem> {
    Some(match fault {
        FaultKind::Status(status) => Problem::Server(status),
        FaultKind::RateLimited(wait) => Problem::RateLimited(Exceeded::pretended(wait)),
        FaultKind::HintInWords(wait) => Problem::RateLimited(Exceeded {
            in_words: true,
            ..Exceeded::pretended(Some(wait))
        }),
        FaultKind::Spurious => Problem::RateLimited(Exceeded::pretended(None)),
        FaultKind::DailyQuota => Problem::DailyQuota,
        FaultKind::InsufficientQuota => Problem::Quota,
        FaultKind::InsufficientBalance => Problem::Balance,
        FaultKind::Unauthorized => Problem::Unauthorized,
        FaultKind::Forbidden => Problem::Forbidden,
        FaultKind::ModelNotFound => Problem::ModelNotFound,
        FaultKind::ContextLengthExceeded => Problem::ContextLength,
        FaultKind::TooLarge => Problem::TooLarge,
        FaultKind::Unprocessable => Problem::Unprocessable,
        FaultKind::FlexCapacity => Problem::Capacity,
        FaultKind::ContentFilterError => Problem::ContentFilter,
        FaultKind::ContentFilterFinish
        | FaultKind::Refusal
        | FaultKind::InsufficientResource
        | FaultKind::ResetBeforeBody
        | FaultKind::ResetInBody
        | FaultKind::HangBeforeBody
        | FaultKind::HangInBody
        | FaultKind::TruncatedJson
        | FaultKind::WrongContentType
        | FaultKind::EmptyContent
        | FaultKind::ErrorInStream
        | FaultKind::Odd(_)
        | FaultKind::SlowBody(_)
        | FaultKind::Length => return None,
    })
}
