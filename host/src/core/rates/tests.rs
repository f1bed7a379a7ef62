//! The windows against a simulated provider: what it lets through is its secret.

use super::*;

const CALL: Size = Size {
    input: 100,
    output: 50,
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
    let mut under_way: VecDeque<(u64, Booking, Option<Option<Duration>>)> = VecDeque::new();
    let mut count = Count::default();
    let mut paused = Duration::ZERO;
    for tick in from..from + seconds * 1000 {
        let now = at(tick);
        while under_way.front().is_some_and(|(end, _, _)| *end <= tick) {
            let Some((_, booking, outcome)) = under_way.pop_front() else {
                break;
            };
            match outcome {
                None => {
                    rates.settle(&booking, CALL);
                    rates.passed(under_way.len() as u64);
                    count.passed += 1;
                }
                Some(hint) => {
                    let others = under_way.len() as u64;
                    rates.refused(now, &booking, hint, false, others);
                    paused = paused.max(now + hint.unwrap_or_default());
                    count.refused += 1;
                }
            }
        }
        while under_way.len() < AT_ONCE
            && now >= paused
            && rates.earliest(now, CALL).unwrap() <= now
        {
            let booking = rates.reserve(now, CALL);
            let outcome = provider.call(now);
            under_way.push_back((tick + LATENCY, booking, outcome));
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
            assert!(count.refused * 1000 < count.passed * 5, "{case}: {count:?}");

            provider.window.set_limit(then);
            saturate(&mut rates, &mut provider, 240_000, 120);
            let count = saturate(&mut rates, &mut provider, 360_000, 120);
            let ideal = 120 * then / seconds;
            assert!(
                count.passed * 100 >= ideal * 95,
                "{case}, changed: {count:?} of {ideal}"
            );
            assert!(
                count.refused * 1000 < count.passed * 5,
                "{case}, changed: {count:?}"
            );
        }
    }
}

#[test]
fn refusals_that_do_not_follow_the_rate_shrink_nothing() {
    for hint in [None, Some(at(200))] {
        spurious(hint);
    }
}

fn spurious(hint: Option<Duration>) {
    let mut rates = Rates::new(&[]);
    for call in 0..2000_u64 {
        let now = at(call * 10);
        assert_eq!(rates.earliest(now, CALL), Ok(now), "call {call}");
        let booking = rates.reserve(now, CALL);
        if call % 20 == 7 {
            assert!(!rates.refused(now, &booking, hint, false, 0), "call {call}");
        } else {
            rates.settle(&booking, CALL);
            rates.passed(0);
        }
    }
}

#[test]
fn refusals_that_come_sooner_than_answers_are_no_limit() {
    let mut rates = Rates::new(&[]);
    let now = at(1000);
    let mut bookings: Vec<Booking> = (0..200).map(|_| rates.reserve(now, CALL)).collect();
    for booking in bookings.drain(..20) {
        assert!(!rates.refused(now, &booking, None, false, 180));
    }
    assert!(rates.uses(now).is_empty());
    // When nearly all of them are refused, it is one.
    let follows = (0..170)
        .zip(&bookings)
        .map(|(ended, booking)| rates.refused(now, booking, None, false, 180 - ended));
    assert!(follows.fold(false, |any, follows| any | follows));
    assert!(rates.uses(now)[0].learned);
}

#[test]
fn a_limit_that_was_learned_by_accident_is_forgotten() {
    let mut rates = Rates::new(&[]);
    for call in 0..120 {
        let booking = rates.reserve(at(call), CALL);
        if call < 100 {
            rates.passed(0);
        } else {
            rates.refused(at(call), &booking, None, false, 0);
        }
    }
    assert!(rates.uses(at(120))[0].learned);
    // One in twenty is refused, whatever the rate.
    let mut call = 0_u64;
    for tick in 120..60_000 {
        while rates.earliest(at(tick), CALL) == Ok(at(tick)) && !rates.uses(at(tick)).is_empty() {
            let booking = rates.reserve(at(tick), CALL);
            call += 1;
            if call.is_multiple_of(20) {
                rates.refused(at(tick), &booking, None, false, 0);
            } else {
                rates.settle(&booking, CALL);
                rates.passed(0);
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
    rates.observe(now, &said);
    let uses = rates.uses(now);
    assert_eq!(
        (uses[0].used, uses[0].limit.most, uses[0].learned),
        (6, 10, false)
    );
    (0..4).for_each(|_| drop(rates.reserve(now, CALL)));
    assert!(rates.earliest(now, CALL).unwrap() > now);
    // A limit that was told is not raised by what the provider says.
    let mut told = Rates::new(&[limit(Amount::Requests, 60, 5)]);
    told.observe(now, &said);
    assert_eq!(told.uses(now)[0].limit.most, 5);
}

#[test]
fn what_may_have_been_under_way_counts_up_to_the_limit() {
    let mut rates = Rates::new(&[limit(Amount::Requests, 60, 10)]);
    let now = Duration::from_secs(172_800);
    rates.remember(now, Duration::from_secs(50), 6, Size::default());
    rates.assume(now, 4, CALL);
    assert_eq!(rates.uses(now)[0].used, 6 + 4 + 3);
    rates.assume(now, 64, CALL);
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
