//! What the headers of an answer say of the provider's limits, in the words of `types::limit`. A header that
//! is absent, `-1` or not understood is unknown; no header is ever an error.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::times;
use types::limit::{Amount, Observed};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How a provider's headers name its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateLimitHeaders {
    /// `x-ratelimit-limit-requests`, at OpenAI, Azure, xAI and many that are like them.
    #[serde(rename = "openai")]
    OpenAi,
    /// `anthropic-ratelimit-requests-limit`, per minute.
    Anthropic,
    /// OpenAI's names; requests per day and tokens per minute.
    Groq,
    /// `x-ratelimit-limit`, per second.
    Together,
    /// OpenAI's names, else `ratelimit-limit` or `x-ratelimit-limit`.
    Generic,
    /// It says nothing.
    None,
}

/// The limits that the headers describe at `now_unix`, the time since 1970.
pub fn observed(
    headers: &HeaderMap,
    dialect: RateLimitHeaders,
    now_unix: Duration,
) -> Vec<Observed> {
    let row = |amount, span, names: [&str; 3]| row(headers, amount, span, names, now_unix);
    let openai = |requests, tokens| {
        [
            row(
                Amount::Requests,
                requests,
                [
                    "x-ratelimit-limit-requests",
                    "x-ratelimit-remaining-requests",
                    "x-ratelimit-reset-requests",
                ],
            ),
            row(
                Amount::Tokens,
                tokens,
                [
                    "x-ratelimit-limit-tokens",
                    "x-ratelimit-remaining-tokens",
                    "x-ratelimit-reset-tokens",
                ],
            ),
        ]
    };
    let plain = |span| {
        row(
            Amount::Requests,
            span,
            [
                "x-ratelimit-limit",
                "x-ratelimit-remaining",
                "x-ratelimit-reset",
            ],
        )
    };
    let rows: Vec<Option<Observed>> = match dialect {
        RateLimitHeaders::OpenAi => openai(None, None).into(),
        RateLimitHeaders::Groq => openai(Some(DAY), Some(MINUTE)).into(),
        RateLimitHeaders::Together => {
            let [_, tokens] = openai(None, Some(SECOND));
            vec![plain(Some(SECOND)), tokens]
        }
        RateLimitHeaders::Anthropic => [
            ("requests", Amount::Requests),
            ("tokens", Amount::Tokens),
            ("input-tokens", Amount::InputTokens),
            ("output-tokens", Amount::OutputTokens),
        ]
        .map(|(what, amount)| {
            let name = |field: &str| format!("anthropic-ratelimit-{what}-{field}");
            let names = [name("limit"), name("remaining"), name("reset")];
            row(amount, Some(MINUTE), names.each_ref().map(String::as_str))
        })
        .into(),
        RateLimitHeaders::Generic => {
            let [requests, tokens] = openai(None, None);
            let standard = || {
                let names = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
                row(Amount::Requests, None, names)
            };
            vec![requests.or_else(standard).or_else(|| plain(None)), tokens]
        }
        RateLimitHeaders::None => Vec::new(),
    };
    rows.into_iter().flatten().collect()
}

/// One limit by the names of its three headers.
fn row(
    headers: &HeaderMap,
    amount: Amount,
    span: Option<Duration>,
    [limit, remaining, reset]: [&str; 3],
    now: Duration,
) -> Option<Observed> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let limit = text(limit);
    // Azure says -1, and then leaves 0 where it should say what remains.
    if limit.is_some_and(|limit| matches!(count(limit), None | Some(0))) {
        return None;
    }
    let found = Observed {
        amount,
        span: span.or_else(|| limit.and_then(window)),
        limit: limit.and_then(count),
        remaining: text(remaining).and_then(count),
        reset: text(reset).and_then(|text| times::until(text, now)),
    };
    (found.limit.is_some() || found.remaining.is_some() || found.reset.is_some()).then_some(found)
}

/// `100`, `99.5`, and the first number of `100, 100;w=60`.
fn count(text: &str) -> Option<u64> {
    let number = text.split([',', ';']).next()?.trim();
    number.parse().ok().or_else(|| {
        let number = number.parse::<f64>().ok()?;
        // A float becomes an integer by being cut off at the ends, so none wraps.
        (number.is_finite() && number >= 0.0).then_some(number as u64)
    })
}

/// The window of `100, 100;w=60`, in seconds.
fn window(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once(";w=")?;
    let seconds = rest.split([',', ';']).next()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(times::LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn read(dialect: RateLimitHeaders, pairs: &[(&str, &str)]) -> Vec<Observed> {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        observed(&headers, dialect, NOW)
    }

    fn row(
        amount: Amount,
        span: Option<u64>,
        limit: Option<u64>,
        remaining: Option<u64>,
        reset: Option<f64>,
    ) -> Observed {
        Observed {
            amount,
            span: span.map(Duration::from_secs),
            limit,
            remaining,
            reset: reset.map(Duration::from_secs_f64),
        }
    }

    const OPENAI: [(&str, &str); 6] = [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];

    #[test]
    fn openai_and_those_like_it() {
        let expected = |day, minute| {
            [
                row(Amount::Requests, day, Some(60), Some(59), Some(1.0)),
                row(
                    Amount::Tokens,
                    minute,
                    Some(150_000),
                    Some(149_984),
                    Some(360.0),
                ),
            ]
        };
        assert_eq!(
            read(RateLimitHeaders::OpenAi, &OPENAI),
            expected(None, None)
        );
        assert_eq!(
            read(RateLimitHeaders::Generic, &OPENAI),
            expected(None, None)
        );
        assert_eq!(
            read(RateLimitHeaders::Groq, &OPENAI),
            expected(Some(86_400), Some(60))
        );
        assert_eq!(read(RateLimitHeaders::None, &OPENAI), []);
        assert_eq!(read(RateLimitHeaders::Anthropic, &OPENAI), []);
    }

    #[test]
    fn what_azure_does_not_know_is_unknown() {
        let unknown = [
            ("x-ratelimit-limit-requests", "-1"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-remaining-tokens", "-1"),
            ("x-ratelimit-reset-tokens", "5"),
        ];
        let expected = [row(Amount::Tokens, None, None, None, Some(5.0))];
        assert_eq!(read(RateLimitHeaders::OpenAi, &unknown), expected);
    }

    #[test]
    fn anthropic_counts_questions_and_answers_apart() {
        let found = read(
            RateLimitHeaders::Anthropic,
            &[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2027-01-15T08:00:10Z"),
                ("anthropic-ratelimit-input-tokens-limit", "50000"),
                ("anthropic-ratelimit-output-tokens-remaining", "8000"),
            ],
        );
        let minute = Some(60);
        let expected = [
            row(Amount::Requests, minute, Some(50), Some(49), Some(10.0)),
            row(Amount::InputTokens, minute, Some(50_000), None, None),
            row(Amount::OutputTokens, minute, None, Some(8000), None),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn together_counts_by_the_second() {
        let found = read(
            RateLimitHeaders::Together,
            &[
                ("x-ratelimit-limit", "10"),
                ("x-ratelimit-remaining", "9"),
                ("x-ratelimit-reset", "1"),
                ("x-ratelimit-limit-tokens", "3000"),
            ],
        );
        let expected = [
            row(Amount::Requests, Some(1), Some(10), Some(9), Some(1.0)),
            row(Amount::Tokens, Some(1), Some(3000), None, None),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn generic_names_and_every_form_of_reset() {
        let found = read(
            RateLimitHeaders::Generic,
            &[
                ("ratelimit-limit", "100, 100;w=30"),
                ("ratelimit-remaining", "7"),
                ("ratelimit-reset", "12"),
            ],
        );
        let expected = [row(
            Amount::Requests,
            Some(30),
            Some(100),
            Some(7),
            Some(12.0),
        )];
        assert_eq!(found, expected);
        for (reset, seconds) in [
            ("1800000020", 20.0),
            ("1800000020500", 20.5),
            ("Fri, 15 Jan 2027 08:00:05 GMT", 5.0),
        ] {
            let found = read(RateLimitHeaders::Generic, &[("x-ratelimit-reset", reset)]);
            let expected = [row(Amount::Requests, None, None, None, Some(seconds))];
            assert_eq!(found, expected, "{reset}");
        }
    }

    #[test]
    fn nonsense_is_unknown() {
        let nonsense = [
            ("x-ratelimit-limit", "many"),
            ("ratelimit-remaining", ""),
            ("ratelimit-reset", "soon"),
        ];
        assert_eq!(read(RateLimitHeaders::Generic, &nonsense), []);
    }
}
