//! What each dialect says in its own words.

use super::headers::{go_duration, limits, retry, rfc3339};
use super::*;
use crate::limits::{DAY, Limit, Measure};

const MINUTE: Duration = Duration::from_secs(60);

fn standing(measure: Measure, span: Duration, remaining: u64) -> Standing {
    Standing {
        limit: Limit::new(measure, 10_000, span),
        remaining,
        reset: Duration::from_millis(1500),
    }
}

fn said(dialect: Dialect, given: &Limits) -> Vec<String> {
    let standings = [
        standing(Measure::Requests, MINUTE, 7),
        standing(Measure::Requests, DAY, 1400),
        standing(Measure::InputTokens, MINUTE, 4600),
        standing(Measure::OutputTokens, MINUTE, 2300),
    ];
    limits(dialect, given, &standings, UNIX_EPOCH)
        .into_iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

#[test]
fn limits_are_in_the_headers_of_the_dialect() {
    let shown = Limits {
        headers: true,
        ..Limits::default()
    };
    assert_eq!(
        said(Dialect::Groq, &Limits::default()),
        [
            "x-ratelimit-limit-requests: 10000",
            "x-ratelimit-remaining-requests: 1400",
            "x-ratelimit-reset-requests: 1.5s",
            "x-ratelimit-limit-tokens: 10000",
            "x-ratelimit-remaining-tokens: 2300",
            "x-ratelimit-reset-tokens: 1.5s",
        ]
    );
    let anthropic = said(Dialect::Anthropic, &Limits::default());
    for line in [
        "anthropic-ratelimit-requests-remaining: 1400",
        "anthropic-ratelimit-input-tokens-remaining: 5000",
        "anthropic-ratelimit-output-tokens-remaining: 2000",
        "anthropic-ratelimit-tokens-limit: 10000",
        "anthropic-ratelimit-tokens-reset: 1970-01-01T00:00:02Z",
    ] {
        assert!(anthropic.iter().any(|said| said == line), "{anthropic:?}");
    }
    assert!(said(Dialect::OpenAi, &Limits::default()).is_empty());
    assert_eq!(said(Dialect::OpenAi, &shown).len(), 6);
    for silent in [Dialect::DeepSeek, Dialect::Gemini] {
        assert!(said(silent, &shown).is_empty());
    }
    let unknown = Limits {
        unknown_remaining: true,
        ..shown
    };
    let azure = said(Dialect::Azure, &unknown);
    assert!(azure.contains(&"x-ratelimit-remaining-tokens: -1".to_owned()));
}

#[test]
fn the_time_to_wait_is_said_as_the_dialect_says_it() {
    let names = |dialect| retry(dialect, 1500).into_iter().collect::<Vec<_>>();
    let seconds = ("retry-after", "2".to_owned());
    assert_eq!(names(Dialect::Anthropic), std::slice::from_ref(&seconds));
    assert_eq!(
        names(Dialect::Azure),
        [seconds, ("retry-after-ms", "1500".to_owned())]
    );
    assert!(names(Dialect::DeepSeek).is_empty() && names(Dialect::Gemini).is_empty());
}

#[test]
fn durations_are_written_as_go_does() {
    let written = [12, 1500, 360_000, 86_399_500]
        .map(|milliseconds| go_duration(Duration::from_millis(milliseconds)));
    assert_eq!(written, ["12ms", "1.5s", "6m0s", "23h59m59.5s"]);
}

#[test]
fn times_are_written_as_rfc_3339_does() {
    for (seconds, written) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_767_225_599, "2025-12-31T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
    ] {
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), written);
    }
    assert_eq!(
        rfc3339(UNIX_EPOCH + Duration::from_millis(1)),
        "1970-01-01T00:00:01Z"
    );
}
