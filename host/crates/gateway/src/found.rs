//! The limits that a lane found out, as they are kept for the next run. What is old is forgotten, and numbers are taken as
//! they may be: a state can come from anywhere.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::limits::counts::Counts;
use types::limit::{Amount, Limit};

/// What was found out so long ago is forgotten.
const DAY: u64 = 86_400;
/// A learned limit, pace or number begins at this share of what it was: the provider may take a little less today.
const BELOW: f64 = 0.95;

/// Seconds since 1970.
pub type UnixTime = u64;

/// The time of the machine's clock.
pub fn unix_time() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// What a lane found out about its limits. Each entry stands with the time at which the provider last spoke of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Found {
    /// Limits by headers and refusals.
    pub limits: Vec<FoundLimit>,
    /// Microseconds between two calls, where the provider takes calls evenly.
    pub gap_micros: Option<(u64, UnixTime)>,
    /// The most calls that were accepted within a second.
    pub a_second: Option<(u64, UnixTime)>,
    /// Calls at once.
    pub at_once: Option<(AtOnce, UnixTime)>,
}

/// A limit of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FoundLimit {
    /// What is limited.
    pub amount: Amount,
    /// Milliseconds of its window.
    pub span_millis: u64,
    /// Most of it in any window.
    pub most: u64,
    /// Whether headers told it; otherwise it was learned from refusals.
    #[serde(default)]
    pub by_headers: bool,
    /// What the provider counts of a call.
    #[serde(default)]
    pub counts: Counts,
    /// About how much it counted of a call.
    #[serde(default)]
    pub a_call: u64,
    /// When the provider last spoke of it.
    pub at: UnixTime,
}

/// Calls at once that were found useful or allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AtOnce {
    /// How many.
    pub calls: u64,
    /// How the number is known.
    pub known: Known,
}

/// How a number of calls at once is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// It did, and more may do.
    Grew,
    /// More brought no more answers a second.
    Useful,
    /// More were refused.
    Refused,
}

impl FoundLimit {
    /// The limit.
    pub fn limit(&self) -> Limit {
        Limit {
            amount: self.amount,
            span: Duration::from_millis(self.span_millis),
            most: self.most,
        }
    }
}

impl Found {
    /// What of it is still to be believed, with learned numbers somewhat lower.
    #[must_use]
    pub fn recent(&self, now: UnixTime) -> Found {
        let is_recent = |at: UnixTime| now.abs_diff(at) <= DAY;
        let limits = self.limits.iter().filter(|limit| {
            let span = 1..=DAY * 1000;
            is_recent(limit.at) && span.contains(&limit.span_millis) && limit.most > 0
        });
        let limits = limits.map(|limit| FoundLimit {
            most: if limit.by_headers {
                limit.most
            } else {
                lower(limit.most)
            },
            ..*limit
        });
        let gap = self.gap_micros.filter(|(gap, at)| {
            let usual = 1..=60_000_000;
            is_recent(*at) && usual.contains(gap)
        });
        let at_once = self.at_once.filter(|(_, at)| is_recent(*at));
        Found {
            limits: limits.collect(),
            gap_micros: gap.map(|(gap, at)| ((gap as f64 / BELOW).ceil() as u64, at)),
            a_second: self
                .a_second
                .filter(|(_, at)| is_recent(*at))
                .map(|(calls, at)| (lower(calls), at)),
            at_once: at_once.map(|(at_once, at)| {
                let calls = match at_once.known {
                    Known::Refused => lower(at_once.calls),
                    Known::Grew | Known::Useful => at_once.calls,
                };
                (AtOnce { calls, ..at_once }, at)
            }),
        }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Found::default()
    }

    /// What limits calls, for people and estimates: an even pace is a limit on the requests of a minute.
    pub fn bounds(&self) -> Vec<Limit> {
        let mut limits: Vec<Limit> = self.limits.iter().map(FoundLimit::limit).collect();
        limits.extend(self.gap_micros.map(|(gap, _)| Limit {
            amount: Amount::Requests,
            span: Duration::from_secs(60),
            most: (60_000_000 / gap.max(1)).max(1),
        }));
        limits
    }

    /// The calls at once, where more would not help.
    pub fn most_at_once(&self) -> Option<u64> {
        let (at_once, _) = self.at_once?;
        (at_once.known != Known::Grew).then_some(at_once.calls.max(1))
    }
}

/// Somewhat less, and at least one.
fn lower(number: u64) -> u64 {
    ((number as f64 * BELOW).floor() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = 1_800_000_000;

    fn limit(by_headers: bool, at: UnixTime) -> FoundLimit {
        FoundLimit {
            amount: Amount::Requests,
            span_millis: 60_000,
            most: 100,
            by_headers,
            counts: Counts::Used,
            a_call: 0,
            at,
        }
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_was_learned_begins_lower() {
        let found = Found {
            limits: vec![
                limit(true, NOW - 10),
                limit(false, NOW - 10),
                limit(true, NOW - DAY - 1),
            ],
            gap_micros: Some((100_000, NOW - DAY - 1)),
            a_second: Some((40, NOW)),
            at_once: None,
        };
        let recent = found.recent(NOW);
        let most: Vec<u64> = recent.limits.iter().map(|limit| limit.most).collect();
        assert_eq!(most, [100, 95]);
        assert_eq!(recent.gap_micros, None);
        assert_eq!(recent.a_second, Some((38, NOW)));
    }

    #[test]
    fn numbers_that_cannot_be_are_forgotten() {
        let odd = |most, span_millis| Found {
            limits: vec![FoundLimit {
                most,
                span_millis,
                ..limit(true, NOW)
            }],
            gap_micros: Some((0, NOW)),
            a_second: Some((u64::MAX, u64::MAX)),
            ..Found::default()
        };
        for found in [odd(0, 1000), odd(1, 0), odd(1, u64::MAX)] {
            assert!(found.recent(NOW).is_empty(), "{found:?}");
        }
    }

    #[test]
    fn an_even_pace_bounds_the_requests_of_a_minute() {
        let found = Found {
            gap_micros: Some((500_000, NOW)),
            ..Found::default()
        };
        assert_eq!(found.bounds()[0].most, 120);
    }
}
