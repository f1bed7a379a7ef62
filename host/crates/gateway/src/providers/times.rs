//! Moments and spans as servers write them: seconds with or without fraction, milliseconds or seconds since
//! 1970, Go durations, HTTP dates and RFC 3339. It has no clock; now is an argument.

use std::time::{Duration, SystemTime};

/// Seconds from here on are a moment since 1970 and no span: it is 2001, or thirty years from now.
const EPOCH_SECONDS: f64 = 1e9;
/// And from here on they are milliseconds.
const EPOCH_MILLISECONDS: f64 = 1e11;

/// Nobody waits longer, and a clock can be set to it: what is said beyond is as good as never.
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long from `now` (since 1970) until what `text` says. A moment that has passed is no time away.
pub(super) fn until(text: &str, now: Duration) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let seconds = if number >= EPOCH_MILLISECONDS {
            (number / 1000.0 - now.as_secs_f64()).max(0.0)
        } else if number >= EPOCH_SECONDS {
            (number - now.as_secs_f64()).max(0.0)
        } else {
            number
        };
        return self::seconds(seconds);
    }
    span(text).or_else(|| {
        let moment = httpdate::parse_http_date(text)
            .ok()
            .or_else(|| humantime::parse_rfc3339(text).ok())?;
        let moment = moment.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(moment.saturating_sub(now).min(LONGEST))
    })
}

/// So many seconds, if they are a span.
pub(super) fn seconds(seconds: f64) -> Option<Duration> {
    let is_span = seconds.is_finite() && seconds >= 0.0;
    is_span.then(|| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
}

/// A Go duration: `12ms`, `1.2s`, `6m0s`, `-1s` being none.
pub(super) fn span(text: &str) -> Option<Duration> {
    // The crate knows `us` and not Go's sign for it.
    let span = humantime::parse_duration(&text.replace(['µ', 'μ'], "u")).ok()?;
    Some(span.min(LONGEST))
}

/// What stands before a span in the words of a message.
const MARKS: [&str; 12] = [
    "try again in ",
    "try again after ",
    "retry in ",
    "retry after ",
    "retry your request after ",
    "retry the request after ",
    "retry your request in ",
    "please wait ",
    "wait for ",
    "reset after ",
    "resets in ",
    "available in ",
];

/// Words that may stand before the number.
const BEFORE: [&str; 7] = [
    "for",
    "about",
    "approximately",
    "around",
    "at",
    "least",
    "another",
];

/// A span in the words of a message: "Please try again in 6m0s.", "Please wait 1 minute and 20 seconds."
pub(super) fn in_words(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    MARKS.iter().find_map(|mark| {
        let (_, rest) = lower.split_once(mark)?;
        let words = rest
            .split_whitespace()
            .map(|word| word.trim_end_matches(['.', ',', ';', ')', '!']))
            .skip_while(|word| BEFORE.contains(word));
        sum(words)
    })
}

/// The sum of the spans that a text begins with: `1m20s`, `20`, `1 minute and 20 seconds`.
fn sum<'a>(words: impl Iterator<Item = &'a str>) -> Option<Duration> {
    let mut words = words.peekable();
    let mut sum: Option<Duration> = None;
    while let Some(word) = words.next() {
        let found = match word.parse::<f64>() {
            Ok(number) => {
                let factor = words.peek().and_then(|unit| factor(unit));
                match factor {
                    Some(_) => words.next(),
                    // A number without a unit behind a span is something else.
                    None if sum.is_some() => break,
                    None => None,
                };
                seconds(number * factor.unwrap_or(1.0))
            }
            Err(_) if word == "and" && sum.is_some() => continue,
            Err(_) => span(word),
        };
        let Some(found) = found else { break };
        sum = Some(sum.unwrap_or_default().saturating_add(found).min(LONGEST));
    }
    sum
}

/// How many seconds a unit has.
fn factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "msec" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT

    #[test]
    fn every_form_is_told_apart() {
        let later = Duration::from_secs(1_800_000_000);
        for (text, now, expected) in [
            ("2", NOW, Some(2.0)),
            ("0.5", NOW, Some(0.5)),
            ("12ms", NOW, Some(0.012)),
            ("6m0s", NOW, Some(360.0)),
            ("7m12.5s", NOW, Some(432.5)),
            ("1h2m3s", NOW, Some(3723.0)),
            ("1800000030", later, Some(30.0)),
            ("1800000030500", later, Some(30.5)),
            ("1799999999", later, Some(0.0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", NOW, Some(60.0)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", NOW, Some(0.0)),
            ("1994-11-06T08:49:47Z", NOW, Some(10.0)),
            ("1994-11-06T08:49:47.500Z", NOW, Some(10.5)),
            ("1e18", NOW, Some(LONGEST.as_secs_f64())),
            ("1e300", NOW, Some(LONGEST.as_secs_f64())),
            ("9999999999999999999", NOW, Some(LONGEST.as_secs_f64())),
            ("9999999999999999999s", NOW, Some(LONGEST.as_secs_f64())),
            (
                "Fri, 31 Dec 9999 23:59:59 GMT",
                NOW,
                Some(LONGEST.as_secs_f64()),
            ),
            ("9999-12-31T23:59:59Z", NOW, Some(LONGEST.as_secs_f64())),
            ("-1", NOW, None),
            ("NaN", NOW, None),
            ("inf", NOW, None),
            ("soon", NOW, None),
            ("", NOW, None),
        ] {
            let found = until(text, now).map(|span| span.as_secs_f64());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn words_are_read() {
        for (message, expected) in [
            (
                "Rate limit reached. Please try again in 1.2s. Visit https://x",
                Some(1.2),
            ),
            ("Please try again in 6m0s.", Some(360.0)),
            ("Please try again in 20ms.", Some(0.02)),
            ("Please retry after 6 seconds.", Some(6.0)),
            ("Please retry after 500 milliseconds", Some(0.5)),
            ("Please retry in 52.25s.", Some(52.25)),
            ("Try again in 2 minutes", Some(120.0)),
            (
                "Please try again in 9999999999999999999s.",
                Some(LONGEST.as_secs_f64()),
            ),
            ("try again in 1e30 minutes", Some(LONGEST.as_secs_f64())),
            (
                "Please wait 1 minute and 20 seconds before retrying.",
                Some(80.0),
            ),
            ("Please wait for another 20 seconds", Some(20.0)),
            (
                "Rate limit of 1 per 60s exceeded. Please wait 45 seconds before retrying.",
                Some(45.0),
            ),
            ("Please retry your request after 20 seconds.", Some(20.0)),
            ("Your quota will reset after 1h2m3s.", Some(3723.0)),
            (
                "try again after 3 minutes, 5 requests are left",
                Some(180.0),
            ),
            ("Please try again in 9 days", Some(777_600.0)),
            ("Please wait until tomorrow", None),
            ("retry after and 5 seconds", None),
            ("try again in a while", None),
            ("try again later", None),
        ] {
            let found = in_words(message).map(|span| span.as_secs_f64());
            assert_eq!(found, expected, "{message}");
        }
    }
}
