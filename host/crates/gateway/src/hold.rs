//! What holds calls of a lane up, and for how long it has. Says it in words for people; decides nothing.

use std::fmt;
use std::time::Duration;

use crate::limits::rates::Source;
use types::limit::Limit;

/// What the next call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// So many calls are under way.
    Concurrency {
        /// Calls at once.
        at_once: u64,
        /// Whether nobody told the number, so that it may still grow.
        guessed: bool,
    },
    /// The provider has not accepted a call yet.
    FirstCalls,
    /// No limit is known, so more calls are sent only as calls are accepted.
    Ramp,
    /// The provider asked for a pause.
    Pause,
    /// A call was refused, and another finds out whether that was an accident.
    Refused,
    /// A window is full.
    Window {
        /// Its limit.
        limit: Limit,
        /// How it is known.
        source: Source,
    },
    /// The calls of a window are spread.
    Spread,
    /// The first question that begins alike is on its way, and writes the beginning into the provider's prompt cache.
    Prefix,
    /// The provider is down.
    Down,
}

impl Hold {
    /// The key of the configuration that sets it, where a person set it.
    pub fn setting(&self) -> Option<String> {
        match self {
            Hold::Concurrency { guessed: false, .. } => Some("concurrency".to_owned()),
            Hold::Window {
                limit,
                source: Source::Told,
            } => Some(format!("{}-per-{}", limit.amount.as_str(), limit.per())),
            _ => None,
        }
    }
}

impl Hold {
    /// What a person can do about it, in one sentence, if anything.
    pub fn advice(&self) -> Option<String> {
        if let Some(key) = self.setting() {
            return Some(format!(
                "If your provider allows more, raise `{key}` under [limits]."
            ));
        }
        matches!(self, Hold::Window { .. }).then(|| {
            "The provider sets this limit; no setting of yours holds the run back.".to_owned()
        })
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::Concurrency { at_once: 1, .. } => write!(out, "the call before it (one at once)"),
            Hold::Concurrency { at_once, .. } => write!(out, "one of {at_once} calls at once"),
            Hold::FirstCalls => write!(out, "the provider to accept the first calls"),
            Hold::Ramp => write!(
                out,
                "the provider to accept more calls (its limits are not known)"
            ),
            Hold::Pause => write!(out, "the pause that the provider asked for"),
            Hold::Refused => write!(out, "the provider to accept a call after a refusal"),
            Hold::Window { limit, source } => {
                let learned = match source {
                    Source::Told => "",
                    Source::Headers => " (by its headers)",
                    Source::Learned => " (learned)",
                };
                write!(
                    out,
                    "room within {} per {}{learned}",
                    limit.amount.counted(limit.most),
                    limit.per()
                )
            }
            Hold::Spread => write!(out, "its place in the window"),
            Hold::Prefix => write!(
                out,
                "the first question with the same beginning, to read that from the prompt cache"
            ),
            Hold::Down => write!(out, "the provider to come back"),
        }
    }
}

/// How long calls were held up by what.
#[derive(Debug, Default)]
pub(super) struct HeldUp {
    now: Option<(Hold, Duration)>,
    sums: Vec<(Hold, Duration)>,
}

impl HeldUp {
    /// From `now` on, calls wait for this.
    pub fn note(&mut self, now: Duration, hold: Option<&Hold>) {
        if let Some((before, since)) = self.now.take() {
            self.add(before, now.saturating_sub(since));
        }
        self.now = hold.map(|hold| (*hold, now));
    }

    /// What calls waited for longest, and for how long in all.
    pub fn longest(&self, now: Duration) -> Option<(Hold, Duration)> {
        let more = |hold: &Hold| match &self.now {
            Some((current, since)) if is_same(current, hold) => now.saturating_sub(*since),
            _ => Duration::ZERO,
        };
        let sums = self
            .sums
            .iter()
            .map(|(hold, sum)| (*hold, *sum + more(hold)));
        sums.max_by_key(|(_, sum)| *sum)
    }

    fn add(&mut self, hold: Hold, took: Duration) {
        match self
            .sums
            .iter_mut()
            .find(|(other, _)| is_same(other, &hold))
        {
            Some((last, sum)) => {
                *last = hold;
                *sum += took;
            }
            None => self.sums.push((hold, took)),
        }
    }
}

/// Whether both are the same cause: numbers that were learned change.
fn is_same(one: &Hold, other: &Hold) -> bool {
    match (one, other) {
        (Hold::Concurrency { .. }, Hold::Concurrency { .. }) => true,
        (
            Hold::Window { limit, source },
            Hold::Window {
                limit: of,
                source: by,
            },
        ) => limit.amount == of.amount && limit.span == of.span && source == by,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::limit::Amount;

    #[test]
    fn what_held_calls_up_longest_is_told() {
        let window = |most| Hold::Window {
            limit: Limit {
                amount: Amount::Tokens,
                span: Duration::from_secs(60),
                most,
            },
            source: Source::Learned,
        };
        let at = Duration::from_secs;
        let mut held = HeldUp::default();
        assert_eq!(held.longest(at(0)), None);
        held.note(at(0), Some(&window(10)));
        held.note(at(5), Some(&Hold::Pause));
        held.note(at(11), Some(&window(20)));
        held.note(at(13), None);
        assert_eq!(held.longest(at(90)), Some((window(20), at(7))));
    }

    #[test]
    fn a_limit_is_advised_to_be_raised_only_where_a_person_set_it() {
        let window = |source| Hold::Window {
            limit: Limit {
                amount: Amount::OutputTokens,
                span: Duration::from_secs(60),
                most: 5000,
            },
            source,
        };
        let told = window(Source::Told);
        assert!(
            told.advice()
                .unwrap()
                .contains("raise `output-tokens-per-minute`")
        );
        assert_eq!(
            told.to_string(),
            "room within 5000 output tokens per minute"
        );
        for source in [Source::Headers, Source::Learned] {
            let advice = window(source).advice().unwrap();
            assert!(advice.contains("The provider sets this limit"), "{advice}");
        }
        assert_eq!(Hold::Pause.advice(), None);
    }
}
