//! Faults as text: `KIND@WHEN`.

use std::str::FromStr;

use clap::ValueEnum;

use super::{Fault, FaultKind, Odd, When};

/// Milliseconds between the bytes of a slow body, if nothing else is said.
const SLOW_MILLIS: u64 = 300;

/// Why a fault could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultParseError {
    /// There is no `@`.
    #[error("fault {fault:?} has no `@`; write KIND@WHEN, such as 503@5% or reset-in-body@first:2")]
    NoWhen { fault: String },
    /// The part before `@` names no fault.
    #[error("{kind:?} is no fault; use one of {KINDS}")]
    UnknownKind { kind: String },
    /// The part behind `@` names no calls.
    #[error("{when:?} names no calls; use a share such as 5%, nth:N, first:N or containing:TEXT")]
    UnknownWhen { when: String },
}

pub(super) const KINDS: &str = "408, 409, 500, 502, 503, 504, 529, rate-limited, rate-limited:MILLISECONDS, insufficient-quota, \
    unauthorized, model-not-found, context-length-exceeded, content-filter-error, content-filter-finish, \
    reset-before-body, reset-in-body, hang-before-body, hang-in-body, truncated-json, wrong-content-type, \
    empty-content, length, spurious, daily-quota, insufficient-balance (402), forbidden (403), too-large (413), \
    unprocessable (422), flex-capacity, refusal, insufficient-resource, error-in-stream, slow-body, \
    slow-body:MILLISECONDS, hint-in-words:MILLISECONDS, odd:parts, odd:null-usage, odd:zero-usage, odd:text-usage, odd:inner-usage, odd:no-reason, \
    odd:empty-reason, odd:capital-reason, odd:unknown-reason, odd:plain-text, odd:packed, odd:noise, \
    odd:behind, odd:repeated, odd:empty-error, odd:empty-refusal, odd:odd-fields, odd:half-pair, \
    odd:thoughts, odd:end-token, odd:elsewhere, odd:tool, odd:error-inside";

impl FromStr for Fault {
    type Err = FaultParseError;

    fn from_str(fault: &str) -> Result<Fault, FaultParseError> {
        let (kind, when) = fault
            .split_once('@')
            .ok_or_else(|| FaultParseError::NoWhen {
                fault: fault.to_owned(),
            })?;
        Ok(Fault {
            kind: kind.parse()?,
            when: when.parse()?,
        })
    }
}

impl FromStr for FaultKind {
    type Err = FaultParseError;

    fn from_str(kind: &str) -> Result<FaultKind, FaultParseError> {
        let unknown = || FaultParseError::UnknownKind {
            kind: kind.to_owned(),
        };
        if let Some(milliseconds) = kind.strip_prefix("rate-limited:") {
            return Ok(FaultKind::RateLimited(Some(
                milliseconds.parse().map_err(|_| unknown())?,
            )));
        }
        if let Some(milliseconds) = kind.strip_prefix("slow-body:") {
            return Ok(FaultKind::SlowBody(
                milliseconds.parse().map_err(|_| unknown())?,
            ));
        }
        if let Some(milliseconds) = kind.strip_prefix("hint-in-words:") {
            let milliseconds = milliseconds.parse().map_err(|_| unknown())?;
            return Ok(FaultKind::HintInWords(milliseconds));
        }
        if let Some(odd) = kind.strip_prefix("odd:") {
            let odd = Odd::from_str(odd, false).map_err(|_| unknown())?;
            return Ok(FaultKind::Odd(odd));
        }
        Ok(match kind {
            "408" | "409" | "500" | "502" | "503" | "504" | "529" => {
                FaultKind::Status(kind.parse().map_err(|_| unknown())?)
            }
            "rate-limited" => FaultKind::RateLimited(None),
            "insufficient-quota" => FaultKind::InsufficientQuota,
            "unauthorized" => FaultKind::Unauthorized,
            "model-not-found" => FaultKind::ModelNotFound,
            "context-length-exceeded" => FaultKind::ContextLengthExceeded,
            "content-filter-error" => FaultKind::ContentFilterError,
            "content-filter-finish" => FaultKind::ContentFilterFinish,
            "reset-before-body" => FaultKind::ResetBeforeBody,
            "reset-in-body" => FaultKind::ResetInBody,
            "hang-before-body" => FaultKind::HangBeforeBody,
            "hang-in-body" => FaultKind::HangInBody,
            "truncated-json" => FaultKind::TruncatedJson,
            "wrong-content-type" => FaultKind::WrongContentType,
            "empty-content" => FaultKind::EmptyContent,
            "length" => FaultKind::Length,
            "spurious" => FaultKind::Spurious,
            "daily-quota" => FaultKind::DailyQuota,
            "insufficient-balance" | "402" => FaultKind::InsufficientBalance,
            "forbidden" | "403" => FaultKind::Forbidden,
            "too-large" | "413" => FaultKind::TooLarge,
            "unprocessable" | "422" => FaultKind::Unprocessable,
            "flex-capacity" | "498" => FaultKind::FlexCapacity,
            "refusal" => FaultKind::Refusal,
            "insufficient-resource" => FaultKind::InsufficientResource,
            "error-in-stream" => FaultKind::ErrorInStream,
            "slow-body" => FaultKind::SlowBody(SLOW_MILLIS),
            _ => return Err(unknown()),
        })
    }
}

impl FromStr for When {
    type Err = FaultParseError;

    fn from_str(when: &str) -> Result<When, FaultParseError> {
        let unknown = || FaultParseError::UnknownWhen {
            when: when.to_owned(),
        };
        let count = |text: &str| text.parse::<u64>().map_err(|_| unknown());
        if let Some(text) = when.strip_prefix("containing:") {
            Ok(When::Containing(text.to_owned()))
        } else if let Some(number) = when.strip_prefix("nth:") {
            Ok(When::Request(count(number)?))
        } else if let Some(number) = when.strip_prefix("first:") {
            Ok(When::FirstAttempts(count(number)?))
        } else {
            let percent: Option<f64> = when.strip_suffix('%').and_then(|share| share.parse().ok());
            let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
            percent
                .map(|percent| When::Probability(percent / 100.0))
                .ok_or_else(unknown)
        }
    }
}
