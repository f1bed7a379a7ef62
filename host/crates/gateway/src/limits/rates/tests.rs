//! The windows against a simulated provider: what it lets through is its secret.

use super::*;
use crate::limits::refusals::{Refusals, Verdict};
use types::limit::Observed;

const TOOK: Size = Size {
    input: 100,
    output: 50,
};
const CALL: Booked = Booked {
    likely: TOOK,
    most: TOOK,
};
/// An answer, or a refusal, comes so long after the call.
const LATENCY: u64 = 20;
/// Calls at once.
const AT_ONCE: usize = 64;

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn limit(amount: Amount, seconds: u64, most: u64) -> Limit {
    Limit {
        amount,
        span: Duration::from_secs(seconds),
        most,
    }
}

/// Lets through so many requests in any span, and says when to come again if `hints`.
struct Provider {
    window: Window,
    hints: bool,
}

impl Provider {
    fn new(most: u64, seconds: u64, hints: bool) -> Provider {
        Provider {
            window: Window::new(most, Duration::from_secs(seconds)),
            hints,
        }
    }

    /// `None` if it lets the call through, else its hint.
    fn call(&mut self, now: Duration) -> Option<Option<Duration>> {
        let free = self.window.earliest(now, 1).unwrap_or(now);
        if free <= now {
            self.window.reserve(now, 1);
            return None;
        }
        Some(self.hints.then(|| free - now))
    }
}

/// What went through and what was refused.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    passed: u64,
    refused: u64,
}

/// Calls as fast as the windows let it, for so many seconds, from where it stands.
fn saturate(rates: &mut Rates, provider: &mut Provider, from: u64, seconds: u64) -> Count {
    let mut under_way: VecDeque<(u64, u64, Booking, Option<Option<Duration>>)> = VecDeque::new();
    let (mut refusals, mut number) = (Refusals::default(), 0);
    let mut count = Count::default();
    let (mut paused, mut back_off) = (Duration::ZERO, at(250));
    for tick in from..from + seconds * 1000 {
        let now = at(tick);
        while under_way.front().is_some_and(|(end, ..)| *end <= tick) {
            let Some((_, number, booking, outcome)) = under_way.pop_front() else {
                break;
            };
            match outcome {
                None => {
                    rates.accepted(&booking);
                    rates.settle(&booking, TOOK);
                    rates.passed();
                    if refusals.accepted(number) {
                        back_off = at(250);
                    }
                    count.passed += 1;
                }
                Some(hint) => {
                    let exhausted = refusals.refused(number, false) == Verdict::Exhausted;
                    rates.refused(now, &booking, hint, false, exhausted, true);
                    if exhausted && now >= paused {
                        paused = now + hint.unwrap_or(back_off);
                        back_off *= 2;
                    }
                    count.refused += 1;
                }
            }
            refusals.ended(number);
        }
        while under_way.len() < AT_ONCE
            && now >= paused
            && refusals.may_start()
            && rates.earliest(now, CALL).unwrap() <= now
        {
            let booking = rates.reserve(now, CALL);
            let outcome = provider.call(now);
            refusals.started(number);
            under_way.push_back((tick + LATENCY, number, booking, outcome));
            number += 1;
        }
    }
    count
}

#[test]
fn a_told_limit_is_used_and_never_refused() {
    let mut rates = Rates::new(&[limit(Amount::Requests, 1, 100)]);
    let count = saturate(&mut rates, &mut Provider::new(100, 1, true), 0, 30);
    assert_eq!(count.refused, 0);
    assert!(count.passed >= 30 * 97, "{count:?}");
}

#[test]
fn a_hidden_limit_is_found_kept_and_found_again() {
    for (seconds, most, then) in [(1, 50, 90), (1, 50, 30), (60, 900, 600), (60, 900, 1500)] {
        for hints in [true, false] {
            let case = format!("{most} then {then} in {seconds} s, hints {hints}");
            // What was told is far too high, and says nothing.
            let mut rates = Rates::new(&[limit(Amount::Requests, 1, 1_000_000)]);
            let mut provider = Provider::new(most, seconds, hints);
            saturate(&mut rates, &mut provider, 0, 120);
            let count = saturate(&mut rates, &mut provider, 120_000, 120);
            let ideal = 120 * most / seconds;
            assert!(
                count.passed * 100 >= ideal * 95,
                "{case}: {count:?} of {ideal}"
            );
            assert!(count.refused * 1000 < count.passed * 6, "{case}: {count:?}");

            provider.window.set_limit(then);
            saturate(&mut rates, &mut provider, 240_000, 180);
            let count = saturate(&mut rates, &mut provider, 420_000, 120);
            let ideal = 120 * then / seconds;
            assert!(
                count.passed * 100 >= ideal * 95,
                "{case}, changed: {count:?} of {ideal}"
            );
            assert!(
                count.refused * 1000 < count.passed * 6,
                "{case}, changed: {count:?}"
            );
        }
    }
}

#[test]
fn refusals_that_are_accidents_shrink_nothing() {
    for hint in [None, Some(at(200))] {
        let mut rates = Rates::new(&[]);
        for call in 0..2000_u64 {
            let now = at(call * 10);
            assert_eq!(rates.earliest(now, CALL), Ok(now), "call {call}");
            let booking = rates.reserve(now, CALL);
            if call % 20 == 7 {
                assert!(!rates.refused(now, &booking, hint, false, false, true));
            } else {
                rates.settle(&booking, TOOK);
                rates.passed();
            }
        }
    }
}

#[test]
fn a_limit_that_was_learned_by_accident_is_forgotten() {
    let mut rates = Rates::new(&[]);
    for call in 0..120 {
        let booking = rates.reserve(at(call), CALL);
        if call < 100 {
            rates.passed();
        } else {
            rates.refused(at(call), &booking, None, false, true, true);
        }
    }
    assert_eq!(rates.uses(at(120))[0].source, Source::Learned);
    // One in twenty is refused, whatever the rate.
    let mut call = 0_u64;
    for tick in 120..60_000 {
        while rates.earliest(at(tick), CALL) == Ok(at(tick)) && !rates.uses(at(tick)).is_empty() {
            let booking = rates.reserve(at(tick), CALL);
            call += 1;
            if call.is_multiple_of(20) {
                rates.refused(at(tick), &booking, None, false, false, true);
            } else {
                rates.settle(&booking, TOOK);
                rates.passed();
            }
        }
    }
    assert!(rates.uses(at(60_000)).is_empty());
}

#[test]
fn what_takes_more_than_a_told_limit_never_starts() {
    let mut rates = Rates::new(&[limit(Amount::Tokens, 60, 100)]);
    let error = rates.earliest(Duration::ZERO, CALL).unwrap_err();
    assert_eq!((error.amount, error.limit.most), (150, 100));
}

#[test]
fn headers_set_a_limit_and_tell_what_others_used() {
    let mut rates = Rates::new(&[]);
    let now = at(1000);
    let said = Observed {
        amount: Amount::Requests,
        span: Some(Duration::from_secs(60)),
        limit: Some(10),
        remaining: Some(4),
        reset: None,
    };
    let booking = rates.reserve(now, CALL);
    rates.cancel(&booking);
    rates.observe(now, &booking, &said);
    let uses = rates.uses(now);
    assert_eq!(
        (uses[0].used, uses[0].limit.most, uses[0].source),
        (6, 10, Source::Headers)
    );
    (0..4).for_each(|_| drop(rates.reserve(now, CALL)));
    assert!(rates.earliest(now, CALL).unwrap() > now);
    // A limit that was told is not raised by what the provider says.
    let mut told = Rates::new(&[limit(Amount::Requests, 60, 5)]);
    told.observe(now, &booking, &said);
    assert_eq!(told.uses(now)[0].limit.most, 5);
}

#[test]
fn what_may_have_been_under_way_counts_up_to_the_limit() {
    let mut rates = Rates::new(&[limit(Amount::Requests, 60, 10)]);
    let now = Duration::from_secs(172_800);
    rates.remember(now, Duration::from_secs(50), 6, Size::default());
    rates.assume(now, 4, TOOK);
    assert_eq!(rates.uses(now)[0].used, 6 + 4 + 3);
    rates.assume(now, 64, TOOK);
    assert_eq!(rates.uses(now)[0].used, 6 + 7 + 10);
    assert!(rates.earliest(now, CALL).unwrap() > now + Duration::from_secs(60));
}

#[test]
fn what_was_used_before_counts() {
    let mut rates = Rates::new(&[limit(Amount::Requests, 60, 10)]);
    let now = Duration::from_secs(172_800);
    rates.remember(now, Duration::from_secs(50), 6, Size::default());
    rates.remember(now, Duration::from_secs(5), 4, Size::default());
    let free = rates.earliest(now, CALL).unwrap();
    assert!(free > now + Duration::from_secs(9) && free < now + Duration::from_secs(12));
}

/// What a provider says that allows so much a minute and has this left.
fn said(amount: Amount, limit: u64, remaining: u64) -> Observed {
    Observed {
        amount,
        span: Some(Duration::from_secs(60)),
        limit: Some(limit),
        remaining: Some(remaining),
        reset: None,
    }
}

#[test]
fn what_the_provider_counts_is_found_out() {
    let call = Booked {
        likely: TOOK,
        most: Size {
            output: 850,
            ..TOOK
        },
    };
    // This one counts the whole cap of each answer, whatever was used of it.
    let mut rates = Rates::new(&[]);
    let now = at(1000);
    for calls in 1..=20_u64 {
        let booking = rates.reserve(now, call);
        rates.observe(
            now,
            &booking,
            &said(Amount::Tokens, 19_500, 19_500 - 950 * calls),
        );
        rates.settle(&booking, TOOK);
    }
    assert_eq!(rates.uses(now)[0].used, 19_000);
    assert!(
        rates.earliest(now, call).unwrap() > now,
        "it knows the 21st does not fit"
    );
    // That one counts what was used.
    let mut rates = Rates::new(&[]);
    for calls in 1..=100_u64 {
        let booking = rates.reserve(now, call);
        rates.observe(
            now,
            &booking,
            &said(Amount::Tokens, 20_000, 20_000 - 150 * calls),
        );
        rates.settle(&booking, TOOK);
    }
    let used = rates.uses(now)[0].used;
    assert!((15_000..16_000).contains(&used), "{used}");
    assert_eq!(rates.earliest(now, call), Ok(now));
}

#[test]
fn a_span_that_no_header_names_is_told_by_its_reset() {
    let span = |limit, remaining, reset: Option<f64>| {
        let observed = Observed {
            amount: Amount::Requests,
            span: None,
            limit: Some(limit),
            remaining,
            reset: reset.map(Duration::from_secs_f64),
        };
        let mut rates = Rates::new(&[]);
        let booking = rates.reserve(at(1000), CALL);
        rates.observe(at(1000), &booking, &observed);
        rates.uses(at(1000))[0].limit.span.as_secs()
    };
    assert_eq!(
        span(500, Some(499), Some(0.12)),
        60,
        "a bucket that fills in a minute"
    );
    assert_eq!(
        span(10_000, Some(9_999), Some(8.64)),
        86_400,
        "one that fills in a day"
    );
    assert_eq!(span(500, Some(499), Some(58.0)), 60, "a window that ends");
    assert_eq!(span(100, Some(40), Some(0.9)), 1);
    assert_eq!(span(500, Some(500), Some(0.0)), 60, "nothing tells it");
    assert_eq!(span(500, None, None), 60);
}
