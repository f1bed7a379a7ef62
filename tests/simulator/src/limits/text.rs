//! Limits as text: `MEASURE=AMOUNT/SPAN`, with `:fixed` and `:observed` behind it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Limit, Measure, WindowKind};

/// Why a limit could not be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{limit:?} is no limit; write MEASURE=AMOUNT/SPAN, such as requests=600/60s or tokens=200000/1m:fixed, \
     where MEASURE is one of requests, tokens, input-tokens, output-tokens, SPAN is a number of ms, s, m, h \
     or d, and `:fixed` or `:observed` may follow"
)]
pub struct LimitParseError {
    pub limit: String,
}

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl FromStr for Limit {
    type Err = LimitParseError;

    fn from_str(text: &str) -> Result<Limit, LimitParseError> {
        read(text).ok_or_else(|| LimitParseError {
            limit: text.to_owned(),
        })
    }
}

fn read(text: &str) -> Option<Limit> {
    let (measure, rest) = text.split_once('=')?;
    let (amount, rest) = rest.split_once('/')?;
    let mut parts = rest.split(':');
    let mut limit = Limit::new(
        measure_of(measure)?,
        amount.parse().ok()?,
        span(parts.next()?)?,
    );
    for part in parts {
        match part {
            "sliding" => limit.window = WindowKind::Sliding,
            "fixed" => limit.window = WindowKind::Fixed,
            "observed" => limit.enforced = false,
            _ => return None,
        }
    }
    Some(limit)
}

fn measure_of(text: &str) -> Option<Measure> {
    [
        Measure::Requests,
        Measure::InputTokens,
        Measure::OutputTokens,
        Measure::Tokens,
    ]
    .into_iter()
    .find(|measure| measure.name() == text)
}

fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    // A window without length would hold nothing.
    let span = number.checked_mul(*milliseconds)?;
    (span > 0).then(|| Duration::from_millis(span))
}

impl Measure {
    /// Its name in a limit.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Requests => "requests",
            Measure::InputTokens => "input-tokens",
            Measure::OutputTokens => "output-tokens",
            Measure::Tokens => "tokens",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, amount) = (self.measure.name(), self.amount);
        let milliseconds = self.span.as_millis();
        if milliseconds.is_multiple_of(1000) {
            write!(f, "{name}={amount}/{}s", milliseconds / 1000)?;
        } else {
            write!(f, "{name}={amount}/{milliseconds}ms")?;
        }
        if self.window == WindowKind::Fixed {
            write!(f, ":fixed")?;
        }
        if !self.enforced {
            write!(f, ":observed")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Limit {
    type Error = LimitParseError;

    fn try_from(text: String) -> Result<Limit, LimitParseError> {
        text.parse()
    }
}

impl From<Limit> for String {
    fn from(limit: Limit) -> String {
        limit.to_string()
    }
}
