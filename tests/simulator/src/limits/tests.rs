//! Limits are exact, and what is said of them is true.

use proptest::prelude::*;

use super::*;

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn limiter(limits: &[&str], charge: OutputCharge) -> Limiter {
    Limiter::new(&given(limits), charge)
}

fn given(limits: &[&str]) -> Limits {
    let limits = limits.iter().map(|limit| limit.parse().unwrap());
    Limits::of(limits.collect::<Vec<Limit>>())
}

fn cost(input: u64, most_output: u64) -> Cost {
    Cost {
        input,
        most_output: Some(most_output),
    }
}

#[test]
fn refuses_beyond_the_limit_and_says_when_to_come_again() {
    let limits = Limits {
        requests_per_second: Some(2),
        ..Limits::default()
    };
    let mut limiter = Limiter::new(&limits, OutputCharge::Charge);
    let call = Cost::default();
    assert!(limiter.admit(call, 0, at(0)).is_ok());
    assert!(limiter.admit(call, 0, at(300)).is_ok());
    let refusal = limiter.admit(call, 0, at(400)).unwrap_err();
    assert_eq!(refusal.retry_after, Some(at(600)));
    assert_eq!(refusal.what(), "requests per second");
    assert!(limiter.admit(call, 0, at(1000)).is_ok());
    let standing = limiter.standings(at(1000))[0];
    assert_eq!((standing.remaining, standing.reset), (0, SECOND));
    let report = &limiter.reports()[0];
    assert_eq!((report.most, report.most_offered), (2, 3));
    assert_eq!((report.used, report.refused), (3, 1));
    assert_eq!(report.per_span, [2, 1]);
    assert!(!report.overshot() && report.over_asked());
}

#[test]
fn concurrent_calls_are_refused_without_a_time() {
    let limits = Limits {
        concurrent: Some(3),
        ..Limits::default()
    };
    let mut limiter = Limiter::new(&limits, OutputCharge::Charge);
    assert!(limiter.admit(Cost::default(), 2, at(0)).is_ok());
    let refusal = limiter.admit(Cost::default(), 3, at(0)).unwrap_err();
    assert_eq!((refusal.limit, refusal.retry_after), (None, None));
}

#[test]
fn fixed_windows_are_empty_when_the_next_one_starts() {
    let mut limiter = limiter(&["requests=2/1s:fixed"], OutputCharge::Charge);
    let call = Cost::default();
    assert!(limiter.admit(call, 0, at(900)).is_ok());
    assert!(limiter.admit(call, 0, at(950)).is_ok());
    let refusal = limiter.admit(call, 0, at(990)).unwrap_err();
    assert_eq!(refusal.retry_after, Some(at(10)));
    assert!(limiter.admit(call, 0, at(1000)).is_ok());
    assert_eq!(limiter.reports()[0].most, 2);
}

#[test]
fn what_an_answer_did_not_take_of_its_cap_is_given_back_where_it_is_so() {
    for (charge, left, used) in [
        (OutputCharge::Reserve, 850, 150),
        (OutputCharge::Keep, 500, 500),
        (OutputCharge::Charge, 850, 150),
    ] {
        let mut limiter = limiter(&["tokens=1000/60s"], charge);
        let receipt = limiter.admit(cost(100, 400), 0, at(0)).unwrap();
        let during = limiter.standings(at(10))[0].remaining;
        let charged = charge == OutputCharge::Charge;
        assert_eq!(during, if charged { 900 } else { 500 }, "{charge:?}");
        limiter.settle(&receipt, 50, at(2000));
        assert_eq!(limiter.standings(at(2000))[0].remaining, left, "{charge:?}");
        assert_eq!(limiter.reports()[0].used, used, "{charge:?}");
        // What was given back cannot be given back again when it leaves the window.
        assert_eq!(limiter.standings(at(62_000))[0].remaining, 1000);
    }
}

#[test]
fn a_call_that_never_fits_is_refused_without_a_time() {
    let mut limiter = limiter(&["input-tokens=10/1s"], OutputCharge::Charge);
    let refusal = limiter.admit(cost(11, 0), 0, at(0)).unwrap_err();
    assert_eq!((refusal.retry_after, refusal.requested), (None, 11));
}

#[test]
fn an_observed_limit_refuses_nothing() {
    let mut limiter = limiter(&["requests=1/1s:observed"], OutputCharge::Charge);
    for _ in 0..3 {
        limiter.admit(Cost::default(), 0, at(0)).unwrap();
    }
    assert!(limiter.reports()[0].overshot());
    assert!(limiter.standings(at(0)).is_empty());
}

#[test]
fn limits_that_change_keep_what_was_counted_and_are_told_apart() {
    let mut limiter = limiter(&["requests=3/60s"], OutputCharge::Charge);
    for second in 0..3 {
        limiter
            .admit(Cost::default(), 0, at(second * 1000))
            .unwrap();
    }
    limiter.set(&given(&["requests=2/60s"]), OutputCharge::Charge, at(5000));
    let refusal = limiter.admit(Cost::default(), 0, at(5000)).unwrap_err();
    // Two calls have to leave before there is room for one.
    assert_eq!(refusal.retry_after, Some(at(56_000)));
    limiter.set(&Limits::default(), OutputCharge::Charge, at(6000));
    limiter.admit(Cost::default(), 0, at(6000)).unwrap();
    let reports = limiter.reports();
    let told: Vec<_> = reports
        .iter()
        .map(|report| {
            (
                report.limit.amount,
                report.used,
                report.since_ms,
                report.until_ms,
            )
        })
        .collect();
    assert_eq!(told, [(3, 3, 0, Some(5000)), (2, 0, 5000, Some(6000))]);
    assert!(reports.iter().all(|report| !report.overshot()));
    assert!((reports[0].share(at(60_000)) - 1.0).abs() < 1e-9);
}

#[test]
fn what_was_counted_under_another_amount_is_not_taken_from_this_one() {
    let mut limiter = limiter(&["tokens=1000/60s"], OutputCharge::Reserve);
    let before = limiter.admit(cost(10, 100), 0, at(1000)).unwrap();
    limiter.set(&given(&["tokens=900/60s"]), OutputCharge::Reserve, at(1000));
    let after = limiter.admit(cost(10, 100), 0, at(1000)).unwrap();
    for receipt in [before, after] {
        limiter.settle(&receipt, 40, at(2000));
    }
    let used: Vec<u64> = limiter.reports().iter().map(|report| report.used).collect();
    assert_eq!(used, [110, 50]);
    assert_eq!(limiter.standings(at(2000))[0].remaining, 800);
}

#[test]
fn limits_are_read_and_written_as_text() {
    for text in [
        "requests=600/60s",
        "tokens=1/500ms:fixed",
        "output-tokens=9/86400s:fixed:observed",
    ] {
        assert_eq!(text.parse::<Limit>().unwrap().to_string(), text);
    }
    let limit = "tokens=200000/1m:sliding".parse::<Limit>().unwrap();
    assert_eq!(limit, Limit::new(Measure::Tokens, 200_000, MINUTE));
    for text in [
        "requests",
        "requests=5",
        "calls=5/1s",
        "requests=x/1s",
        "requests=1/0s",
        "requests=1/s",
        "requests=1/1s:odd",
    ] {
        let error = text.parse::<Limit>().unwrap_err().to_string();
        assert!(error.contains("requests=600/60s"), "{error}");
    }
    let json = r#"{"limits": ["requests=6/1s"], "concurrent": 2, "output": "keep"}"#;
    let limits: Limits = serde_json::from_str(json).unwrap();
    assert_eq!((limits.all().len(), limits.concurrent), (1, Some(2)));
    assert!(serde_json::from_str::<Limits>(r#"{"request": 1}"#).is_err());
}

/// What was counted, when, as the test knows it.
type Counted = Vec<(Duration, u64)>;

/// The most that any window held: after each event, what is still in it.
fn most(counted: &Counted, limit: &Limit) -> u64 {
    let inside = |event: Duration, now: Duration| match limit.window {
        WindowKind::Sliding => event + limit.span > now,
        WindowKind::Fixed => {
            event.as_nanos() / limit.span.as_nanos() == now.as_nanos() / limit.span.as_nanos()
        }
    };
    let held = |last: usize| -> u64 {
        let (now, _) = counted[last];
        let earlier = counted[..=last].iter();
        earlier
            .filter(|(event, _)| inside(*event, now))
            .map(|(_, amount)| amount)
            .sum()
    };
    (0..counted.len()).map(held).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn no_window_ever_holds_more_than_its_limit(
        calls in prop::collection::vec((0..400_u64, 0..30_u64, 0..30_u64), 1..200),
        requests in 1..8_u64, input in 30..90_u64, tokens in 60..200_u64,
        fixed in any::<[bool; 3]>(),
    ) {
        let mut all = [
            Limit::new(Measure::Requests, requests, SECOND),
            Limit::new(Measure::InputTokens, input, Duration::from_secs(3)),
            Limit::new(Measure::Tokens, tokens, Duration::from_secs(7)),
        ];
        for (limit, fixed) in all.iter_mut().zip(fixed) {
            *limit = if fixed { limit.fixed() } else { *limit };
        }
        let mut limiter = Limiter::new(&Limits::of(all), OutputCharge::Keep);
        let mut now = Duration::ZERO;
        let mut counted: [Counted; 3] = Default::default();
        for (gap, input, output) in calls {
            now += Duration::from_millis(gap);
            if let Err(refusal) = limiter.admit(cost(input, output), 0, now) {
                // Who comes when he is told to is let in, and nobody who comes earlier.
                let wait = refusal.retry_after.unwrap();
                let early = now + wait - Duration::from_nanos(1);
                prop_assert!(limiter.admit(cost(input, output), 0, early).is_err());
                now += wait;
                prop_assert!(limiter.admit(cost(input, output), 0, now).is_ok());
            }
            let amounts = [1, input, input + output];
            counted.iter_mut().zip(amounts).for_each(|(counted, amount)| counted.push((now, amount)));
        }
        for ((limit, counted), report) in all.iter().zip(&counted).zip(limiter.reports()) {
            prop_assert!(!report.overshot());
            prop_assert_eq!(report.most, most(counted, limit));
            let used: u64 = counted.iter().map(|(_, amount)| amount).sum();
            prop_assert_eq!(report.used, used);
            prop_assert_eq!(report.per_span.iter().sum::<u64>(), used);
        }
    }

    #[test]
    fn settled_calls_leave_only_what_they_took(
        calls in prop::collection::vec((0..500_u64, 1..50_u64, 0..60_u64, 0..2000_u64), 1..60),
    ) {
        let limit = Limit::new(Measure::OutputTokens, 1_000_000, SECOND);
        let mut limiter = Limiter::new(&Limits::of([limit]), OutputCharge::Reserve);
        let mut now = Duration::ZERO;
        let mut used = 0;
        for (gap, most, output, took) in calls {
            now += Duration::from_millis(gap);
            let receipt = limiter.admit(cost(0, most), 0, now).unwrap();
            now += Duration::from_millis(took);
            limiter.settle(&receipt, output, now);
            used += output;
        }
        prop_assert_eq!(limiter.reports()[0].used, used);
        now += SECOND;
        prop_assert_eq!(limiter.standings(now)[0].remaining, 1_000_000);
    }
}
