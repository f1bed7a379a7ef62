//! What can go wrong with a call, and with which calls it does. Knows no HTTP.

use std::str::FromStr;

use host::llm::writer::Chance;

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
    /// 498, Groq's word for having no room for flexible work.
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
    /// A whole answer that comes a few bytes at a time, so many milliseconds apart.
    SlowBody(u64),
}

/// Milliseconds between the bytes of a slow body, if nothing else is said.
const SLOW_MILLIS: u64 = 300;

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
    /// What goes wrong.
    pub kind: FaultKind,
    /// With which calls.
    pub when: When,
}

/// A call, as far as faults are chosen by it.
#[derive(Clone, Copy, Debug)]
pub struct Befallen<'a> {
    /// Its number among all calls that were counted, from 1.
    pub number: u64,
    /// How often its prompt was asked, this time included.
    pub attempt: u64,
    /// Identifies its prompt.
    pub prompt: u128,
    /// The texts of its messages.
    pub texts: &'a [&'a str],
}

/// The first fault that befalls a call.
pub fn choose(faults: &[Fault], call: &Befallen<'_>, seed: u64) -> Option<FaultKind> {
    let befalls = |index: usize, when: &When| match when {
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
    };
    let found = faults
        .iter()
        .enumerate()
        .find(|(index, fault)| befalls(*index, &fault.when));
    found.map(|(_, fault)| fault.kind)
}

/// Why a fault could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultParseError {
    /// There is no `@`.
    #[error("fault {fault:?} has no `@`; write KIND@WHEN, such as 503@5% or reset-in-body@first:2")]
    NoWhen {
        /// What was given.
        fault: String,
    },
    /// The part before `@` names no fault.
    #[error("{kind:?} is no fault; use one of {KINDS}")]
    UnknownKind {
        /// What was given.
        kind: String,
    },
    /// The part behind `@` names no calls.
    #[error("{when:?} names no calls; use a share such as 5%, nth:N, first:N or containing:TEXT")]
    UnknownWhen {
        /// What was given.
        when: String,
    },
}

const KINDS: &str = "408, 409, 500, 502, 503, 504, 529, rate-limited, rate-limited:MILLISECONDS, insufficient-quota, \
    unauthorized, model-not-found, context-length-exceeded, content-filter-error, content-filter-finish, \
    reset-before-body, reset-in-body, hang-before-body, hang-in-body, truncated-json, wrong-content-type, \
    empty-content, length, spurious, daily-quota, insufficient-balance (402), forbidden (403), too-large (413), \
    unprocessable (422), flex-capacity (498), refusal, insufficient-resource, error-in-stream, slow-body, \
    slow-body:MILLISECONDS";

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

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: u64, attempt: u64, prompt: u128) -> Befallen<'static> {
        Befallen {
            number,
            attempt,
            prompt,
            texts: &["clean the steel"],
        }
    }

    fn chosen(fault: &str, call: &Befallen<'_>) -> bool {
        choose(&[fault.parse().unwrap()], call, 7).is_some()
    }

    #[test]
    fn befall_the_calls_that_they_name() {
        assert!(chosen("500@nth:3", &call(3, 1, 0)) && !chosen("500@nth:3", &call(4, 1, 0)));
        assert!(chosen("500@first:2", &call(9, 2, 0)) && !chosen("500@first:2", &call(9, 3, 0)));
        assert!(
            chosen("500@containing:steel", &call(1, 1, 0))
                && !chosen("500@containing:wood", &call(1, 1, 0))
        );
        assert!(chosen("500@100%", &call(1, 1, 0)) && !chosen("500@0%", &call(1, 1, 0)));
    }

    #[test]
    fn shares_are_kept_and_do_not_depend_on_the_order_of_calls() {
        let hit = |number: u64, prompt: u128| chosen("503@20%", &call(number, 1, prompt << 64));
        let hits = (0..5000).filter(|prompt| hit(1, *prompt)).count();
        assert!((850..1150).contains(&hits), "{hits}");
        assert!((0..200).all(|prompt| hit(1, prompt) == hit(99, prompt)));
    }

    #[test]
    fn the_first_fault_that_applies_is_chosen() {
        let faults: Vec<Fault> = ["length@nth:9", "rate-limited:1500@first:1", "500@100%"]
            .map(|fault| fault.parse().unwrap())
            .into();
        assert_eq!(
            choose(&faults, &call(1, 1, 0), 0),
            Some(FaultKind::RateLimited(Some(1500)))
        );
        assert_eq!(
            choose(&faults, &call(1, 2, 0), 0),
            Some(FaultKind::Status(500))
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (fault, named) in [
            ("503", "KIND@WHEN"),
            ("418@5%", "reset-in-body"),
            ("500@120%", "first:N"),
        ] {
            let error = fault.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn every_named_kind_can_be_read() {
        for names in KINDS
            .split(',')
            .map(|kind| kind.trim().replace("MILLISECONDS", "20"))
        {
            for kind in names.split([' ', '(', ')']).filter(|kind| !kind.is_empty()) {
                assert!(kind.parse::<FaultKind>().is_ok(), "{kind}");
            }
        }
    }
}
