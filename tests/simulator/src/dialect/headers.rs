//! The headers that say how limits stand and when to come again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Dialect, Headers};
use crate::limits::{DAY, Limits, Measure, Standing};

/// The names of a limit's three headers: limit, remaining, reset.
type Names = [&'static str; 3];

const OPENAI_REQUESTS: Names = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
];
const OPENAI_TOKENS: Names = [
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];
const REQUESTS: Names = [
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
];
const TOKENS: Names = [
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
];
const INPUT_TOKENS: Names = [
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
];
const OUTPUT_TOKENS: Names = [
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
];

/// How limits stand, as far as the dialect says it.
pub fn limits(
    dialect: Dialect,
    limits: &Limits,
    standings: &[Standing],
    wall: SystemTime,
) -> Headers {
    let always = matches!(dialect, Dialect::Anthropic | Dialect::Groq);
    let never = matches!(dialect, Dialect::DeepSeek | Dialect::Gemini);
    if never || !(always || limits.headers) {
        return Headers::new();
    }
    let of = |measure: Measure| {
        let counted = standings
            .iter()
            .filter(|standing| standing.limit.measure == measure);
        counted.max_by_key(|standing| standing.limit.span)
    };
    let tokens = of(Measure::Tokens).or_else(|| {
        let parts = [of(Measure::InputTokens), of(Measure::OutputTokens)];
        parts
            .into_iter()
            .flatten()
            .min_by_key(|standing| standing.remaining)
    });
    let mut headers = Headers::new();
    let mut say = |names: Names, standing: Option<&Standing>| {
        let Some(standing) = standing else { return };
        let remaining = match dialect {
            _ if limits.unknown_remaining => "-1".to_owned(),
            Dialect::Anthropic if standing.limit.measure != Measure::Requests => {
                (standing.remaining.saturating_add(500) / 1000 * 1000).to_string()
            }
            _ => standing.remaining.to_string(),
        };
        let reset = match dialect {
            Dialect::Anthropic => rfc3339(wall + standing.reset),
            _ => go_duration(standing.reset),
        };
        let values = [standing.limit.amount.to_string(), remaining, reset];
        headers.extend(names.into_iter().zip(values));
    };
    match dialect {
        Dialect::Anthropic => {
            say(REQUESTS, of(Measure::Requests));
            say(TOKENS, tokens);
            say(INPUT_TOKENS, of(Measure::InputTokens));
            say(OUTPUT_TOKENS, of(Measure::OutputTokens));
        }
        Dialect::Groq => {
            // Its limits of requests in a minute and of tokens in a day are in no header.
            say(
                OPENAI_REQUESTS,
                of(Measure::Requests).filter(|daily| daily.limit.span >= DAY),
            );
            say(
                OPENAI_TOKENS,
                tokens.filter(|tokens| tokens.limit.span < DAY),
            );
        }
        _ => {
            say(OPENAI_REQUESTS, of(Measure::Requests));
            say(OPENAI_TOKENS, tokens);
        }
    }
    headers
}

/// When to come again, as far as the dialect says it in headers.
pub fn retry(dialect: Dialect, milliseconds: u64) -> Headers {
    let seconds = ("retry-after", milliseconds.div_ceil(1000).to_string());
    match dialect {
        Dialect::DeepSeek | Dialect::Gemini | Dialect::Mistral => Headers::new(),
        Dialect::Anthropic | Dialect::Groq | Dialect::Together => vec![seconds],
        Dialect::OpenAi | Dialect::Azure | Dialect::Xai => {
            vec![seconds, ("retry-after-ms", milliseconds.to_string())]
        }
    }
}

/// A duration as Go writes it: `12ms`, `1.5s`, `6m0s`.
pub(super) fn go_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let seconds = rest as f64 / 1000.0;
    match (hours, minutes) {
        (0, 0) if milliseconds < 1000 => format!("{milliseconds}ms"),
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// A time as RFC 3339 writes it, in whole seconds: rounded up, so that nobody comes too early.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 1970 as a date, by eras of 400 years that begin in March.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}
