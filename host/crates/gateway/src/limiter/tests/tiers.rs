//! The limiter on tokio's paused clock against providers of many tiers, of which it is told nothing: how much longer
//! than an omniscient client it takes, and how often it is refused.

use std::collections::VecDeque;

use super::*;
use crate::limits::retry::{Failure, RetryPolicy};

/// How a provider counts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Any span of that length.
    Sliding,
    /// Spans that follow each other; the first has this share of its length left when the run begins.
    Fixed(f64),
    /// A bucket of that share of the limit, that fills evenly.
    Bucket(f64),
    /// So many are under way at most.
    AtOnce,
}

/// What refusals and answers say.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tells {
    /// Nothing.
    Nothing,
    /// Refusals say when to come again, in whole seconds.
    Hints,
    /// Headers say the limits and what is left.
    Headers,
    /// Headers say what is left of the limit of a minute, and it is enforced in shorter spans.
    HeadersOfMinute,
}

#[derive(Clone, Copy, Debug)]
struct Tier {
    kind: Kind,
    tells: Tells,
    /// Requests in a span.
    requests: Option<(u64, f64)>,
    /// Tokens in a span; each call is counted with its cap.
    tokens: Option<(u64, f64)>,
    calls: u64,
    first_token: f64,
    latency: f64,
}

/// What each call counts.
const CALL: u64 = 963;
const CAP: u64 = 860;

#[derive(Debug)]
struct Meter {
    kind: Kind,
    most: u64,
    span: f64,
    entries: VecDeque<(f64, u64)>,
    used: u64,
    /// Of a bucket: what is in it and since when.
    level: (f64, f64),
}

impl Meter {
    fn new(kind: Kind, most: u64, span: f64) -> Meter {
        let full = match kind {
            Kind::Bucket(share) => (most as f64 * share).max(1.0),
            _ => 0.0,
        };
        Meter {
            kind,
            most,
            span,
            entries: VecDeque::new(),
            used: 0,
            level: (full, 0.0),
        }
    }

    fn capacity(&self) -> f64 {
        match self.kind {
            Kind::Bucket(share) => self.most as f64 * share,
            _ => self.most as f64,
        }
    }

    /// How long until `amount` fits.
    fn wait(&mut self, now: f64, amount: u64) -> f64 {
        match self.kind {
            Kind::AtOnce => 0.0,
            Kind::Bucket(_) => {
                let rate = self.most as f64 / self.span;
                let (level, at) = self.level;
                let capacity = self.capacity().max(amount as f64);
                self.level = ((level + (now - at) * rate).min(capacity), now);
                let wait = (amount as f64 - self.level.0) / rate;
                if wait > 1e-6 { wait } else { 0.0 }
            }
            Kind::Fixed(left) => {
                let first = left * self.span;
                let start = if now < first {
                    first - self.span
                } else {
                    first + ((now - first) / self.span).floor() * self.span
                };
                while self.entries.front().is_some_and(|(at, _)| *at < start) {
                    self.used -= self.entries.pop_front().unwrap().1;
                }
                if self.used + amount <= self.most {
                    0.0
                } else {
                    start + self.span - now + 1e-6
                }
            }
            Kind::Sliding => {
                while self
                    .entries
                    .front()
                    .is_some_and(|(at, _)| at + self.span <= now)
                {
                    self.used -= self.entries.pop_front().unwrap().1;
                }
                let mut excess = (self.used + amount).saturating_sub(self.most);
                let mut free = 0.0;
                for (at, amount) in &self.entries {
                    if excess == 0 {
                        break;
                    }
                    excess = excess.saturating_sub(*amount);
                    free = at + self.span - now + 1e-6;
                }
                free
            }
        }
    }

    fn book(&mut self, now: f64, amount: u64) {
        match self.kind {
            Kind::Bucket(_) => self.level.0 -= amount as f64,
            _ => {
                self.entries.push_back((now, amount));
                self.used += amount;
            }
        }
    }
}

struct Server {
    tier: Tier,
    meters: Vec<(Amount, Meter, f64)>,
    /// What headers speak of, where that is not what is enforced.
    said: Vec<(Amount, Meter, f64)>,
    under_way: u64,
    random: u64,
    accepted: u64,
    refused: u64,
    /// When calls were answered.
    answered: Vec<Duration>,
}

impl Server {
    fn new(tier: Tier, seed: u64) -> Server {
        let mut meters = Vec::new();
        if tier.kind != Kind::AtOnce {
            meters.extend(
                tier.requests.map(|(most, span)| {
                    (Amount::Requests, Meter::new(tier.kind, most, span), span)
                }),
            );
        }
        meters.extend(
            tier.tokens
                .map(|(most, span)| (Amount::Tokens, Meter::new(tier.kind, most, span), span)),
        );
        let said = if tier.tells == Tells::HeadersOfMinute {
            let of_minute = |(amount, meter, span): &(Amount, Meter, f64)| {
                let most = (meter.most as f64 * 60.0 / span).round() as u64;
                (*amount, Meter::new(Kind::Sliding, most, 60.0), 60.0)
            };
            meters.iter().map(of_minute).collect()
        } else {
            Vec::new()
        };
        Server {
            tier,
            meters,
            said,
            under_way: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            accepted: 0,
            refused: 0,
            answered: Vec::new(),
        }
    }

    fn next_random(&mut self) -> f64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as f64 / (1_u64 << 31) as f64
    }

    /// What it says to a call that arrives: nothing if it takes it.
    fn arrives(&mut self, now: f64) -> Option<CallError> {
        let mut wait = 0.0_f64;
        let mut about = Amount::Requests;
        for (amount, meter, _) in &mut self.meters {
            let size = if *amount == Amount::Requests { 1 } else { CALL };
            let free = meter.wait(now, size);
            if free > wait {
                wait = free;
                about = *amount;
            }
        }
        if self.tier.kind == Kind::AtOnce
            && self
                .tier
                .requests
                .is_some_and(|(most, _)| self.under_way >= most)
        {
            wait = 1.0;
        }
        if wait == 0.0 {
            for (amount, meter, _) in self.meters.iter_mut().chain(&mut self.said) {
                meter.book(now, if *amount == Amount::Requests { 1 } else { CALL });
            }
            self.under_way += 1;
            self.accepted += 1;
            return None;
        }
        self.refused += 1;
        let words = if about == Amount::Tokens {
            "Rate limit reached on tokens per min"
        } else {
            "Too many requests"
        };
        Some(CallError {
            retry_after: (self.tier.tells == Tells::Hints)
                .then(|| Duration::from_secs_f64(wait.ceil().max(1.0))),
            observed: self.headers(now).into(),
            ..CallError::new(FailureClass::RateLimit, words)
        })
    }

    fn headers(&mut self, now: f64) -> Vec<Observed> {
        let meters = match self.tier.tells {
            Tells::Headers => self.meters.iter_mut(),
            Tells::HeadersOfMinute => self.said.iter_mut(),
            Tells::Nothing | Tells::Hints => return Vec::new(),
        };
        meters
            .map(|(amount, meter, span)| {
                meter.wait(now, 0);
                let capacity = meter.capacity();
                let left = if matches!(meter.kind, Kind::Bucket(_)) {
                    meter.level.0
                } else {
                    capacity - meter.used as f64
                };
                let reset = match meter.kind {
                    Kind::Bucket(_) => (capacity - left) * *span / meter.most as f64,
                    Kind::Fixed(first) => {
                        let first = first * *span;
                        let windows = ((now - first) / *span).floor() + 1.0;
                        first + windows.max(0.0) * *span - now
                    }
                    _ => *span,
                };
                Observed {
                    amount: *amount,
                    span: None,
                    limit: Some(meter.most),
                    remaining: Some(left.max(0.0) as u64),
                    reset: Some(Duration::from_secs_f64(reset)),
                }
            })
            .collect()
    }
}

/// When the last of the calls has its answer, at best.
fn bound(tier: Tier) -> f64 {
    let mut server = Server::new(tier, 1);
    if tier.kind == Kind::AtOnce {
        let (most, _) = tier.requests.unwrap();
        return tier.calls.div_ceil(most) as f64 * tier.latency;
    }
    let mut now = 0.0;
    for _ in 0..tier.calls {
        loop {
            let wait = server
                .meters
                .iter_mut()
                .map(|(amount, meter, _)| {
                    meter.wait(now, if *amount == Amount::Requests { 1 } else { CALL })
                })
                .fold(0.0, f64::max);
            if wait == 0.0 {
                break;
            }
            now += wait;
        }
        for (amount, meter, _) in &mut server.meters {
            meter.book(now, if *amount == Amount::Requests { 1 } else { CALL });
        }
    }
    now + tier.latency
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    /// Seconds.
    wall: f64,
    /// Its time over the bound.
    over: f64,
    /// Share of its calls that were refused, in percent.
    refused: f64,
}

fn run(tier: Tier, seed: u64) -> Ended {
    on_paused_clock(async {
        let server = Arc::new(Mutex::new(Server::new(tier, seed)));
        history(&unknowing(), &server, Instant::now()).await
    })
}

fn on_paused_clock<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// A limiter that is told nothing.
fn unknowing() -> Limiter {
    Limiter::new(&Settings {
        limits: Vec::new(),
        concurrency: None,
        breaker: 10,
        patience: Duration::from_secs(600),
        is_proven: false,
        cache_lifetime: None,
    })
}

/// A run against a server that was there at `start`.
async fn history(limiter: &Limiter, server: &Arc<Mutex<Server>>, start: Instant) -> Ended {
    let (tier, before) = {
        let server = server.lock().unwrap();
        (server.tier, (server.refused, server.accepted))
    };
    let begin = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for place in 0..tier.calls {
        calls.spawn(call(limiter.clone(), Arc::clone(server), start, place));
    }
    let ended = tokio::time::timeout(Duration::from_secs(36_000), calls.join_all()).await;
    assert!(ended.is_ok(), "{tier:?}: it does not end");
    let wall = begin.elapsed().as_secs_f64();
    let server = server.lock().unwrap();
    let refused = (server.refused - before.0) as f64;
    let accepted = (server.accepted - before.1) as f64;
    Ended {
        wall,
        over: wall / bound(tier),
        refused: 100.0 * refused / (refused + accepted),
    }
}

/// Two runs, the second after a break of so many seconds, with what the first found out.
fn two_runs(tier: Tier, seed: u64, pause: u64) -> (Ended, Ended) {
    const UNIX: u64 = 1_800_000_000;
    on_paused_clock(async {
        let start = Instant::now();
        let server = Arc::new(Mutex::new(Server::new(tier, seed)));
        let limiter = unknowing();
        let first = history(&limiter, &server, start).await;
        let found = limiter.found(UNIX).unwrap();
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let limiter = unknowing();
        limiter.recall(&found.recent(UNIX + pause), UNIX + pause);
        let used = Size {
            input: CALL - CAP,
            output: 80,
        };
        let answered = server.lock().unwrap().answered.clone();
        for at in answered {
            limiter.remember(start.elapsed().saturating_sub(at), 1, used);
        }
        (first, history(&limiter, &server, start).await)
    })
}

/// One call with its retries, as a lane makes it.
async fn call(limiter: Limiter, server: Arc<Mutex<Server>>, start: Instant, place: u64) {
    let asked = RequestSize {
        bytes: 4 * (CALL - CAP),
        cap: CAP,
        prefix: None,
    };
    let sleep = |seconds: f64| tokio::time::sleep(Duration::from_secs_f64(seconds));
    let policy = RetryPolicy::default();
    let (mut in_a_row, mut began) = (0, None);
    loop {
        let permit = limiter
            .enter(place, asked, true)
            .await
            .expect("it is let through");
        let sent = *began.get_or_insert(Instant::now());
        let (way, slow) = {
            let mut server = server.lock().unwrap();
            (
                0.02 + 0.02 * server.next_random(),
                0.9 + 0.2 * server.next_random(),
            )
        };
        sleep(way).await;
        let said = {
            let mut server = server.lock().unwrap();
            let now = start.elapsed().as_secs_f64();
            let said = server.arrives(now);
            said.map_or_else(|| Ok(server.headers(now)), |error| Err(Box::new(error)))
        };
        match said {
            Ok(headers) => {
                let tier = server.lock().unwrap().tier;
                sleep(tier.first_token * slow + 0.02).await;
                permit.accepted(&headers);
                sleep((tier.latency - tier.first_token) * slow).await;
                {
                    let mut server = server.lock().unwrap();
                    server.under_way -= 1;
                    server.answered.push(start.elapsed());
                }
                let used = Size {
                    input: CALL - CAP,
                    output: 80,
                };
                permit.settle(4 * (CALL - CAP), &Outcome::Answered(used, &headers));
                return;
            }
            Err(error) => {
                sleep(0.02).await;
                if permit.settle(4 * (CALL - CAP), &Outcome::Failed(&error)) {
                    (in_a_row, began) = (0, None);
                    continue;
                }
                in_a_row += 1;
                let random = server.lock().unwrap().next_random();
                let wait = policy.next(
                    Failure {
                        class: error.class,
                        tries: 0,
                        in_a_row,
                        elapsed: sent.elapsed(),
                        took: Duration::ZERO,
                        hint: error.retry_after,
                    },
                    random,
                );
                tokio::time::sleep(wait.expect("it is tried again")).await;
            }
        }
    }
}

/// 545 calls of 3 s on a usual tier: 500 requests and 200,000 tokens a minute.
const USUAL: Tier = Tier {
    kind: Kind::Sliding,
    tells: Tells::Nothing,
    requests: Some((500, 60.0)),
    tokens: Some((200_000, 60.0)),
    calls: 545,
    first_token: 0.6,
    latency: 3.0,
};

/// On average over a few histories.
fn holds(tier: Tier, most_refused: f64, longest: f64) {
    const HISTORIES: u32 = 5;
    let ended: Vec<Ended> = (1..=HISTORIES).map(|seed| run(tier, seed.into())).collect();
    let mean = |of: fn(&Ended) -> f64| ended.iter().map(of).sum::<f64>() / f64::from(HISTORIES);
    let (refused, over) = (mean(|ended| ended.refused), mean(|ended| ended.over));
    assert!(
        refused <= most_refused && over <= longest,
        "{tier:?}: {refused:.2} % refused, {over:.2} times the bound"
    );
}

#[test]
fn few_calls_are_refused_whatever_the_provider_tells() {
    for tells in [Tells::Nothing, Tells::Hints] {
        let usual = Tier { tells, ..USUAL };
        holds(usual, 2.0, 1.3);
        let bucket = Tier {
            kind: Kind::Bucket(1.0),
            ..usual
        };
        holds(bucket, 2.0, 1.3);
        for kind in [
            Kind::Sliding,
            Kind::Fixed(0.4),
            Kind::Bucket(1.0),
            Kind::Bucket(0.1),
        ] {
            let calls = 2500;
            holds(
                Tier {
                    kind,
                    calls,
                    ..usual
                },
                2.0,
                1.3,
            );
        }
        let at_once = Tier {
            kind: Kind::AtOnce,
            requests: Some((20, 1.0)),
            tokens: None,
            calls: 1000,
            ..usual
        };
        holds(at_once, 2.0, 1.6);
    }
}

#[test]
fn no_call_is_refused_where_headers_tell_the_limits() {
    for (first_token, latency) in [(0.6, 3.0), (0.3, 1.0), (1.0, 10.0)] {
        let tier = Tier {
            tells: Tells::Headers,
            first_token,
            latency,
            ..USUAL
        };
        holds(tier, 0.0, 1.15);
    }
}

#[test]
fn windows_that_follow_each_other_are_used_as_soon_as_headers_say_that_they_begin() {
    for left in [0.1, 0.4, 0.7, 0.9] {
        let usual = Tier {
            kind: Kind::Fixed(left),
            tells: Tells::Headers,
            ..USUAL
        };
        holds(usual, 1.0, 1.15);
        let small = Tier {
            requests: Some((60, 60.0)),
            tokens: None,
            calls: 300,
            ..usual
        };
        holds(small, 1.0, 1.15);
    }
}

#[test]
fn a_small_bucket_whose_level_headers_tell_is_not_overfilled() {
    for (share, requests, most_refused) in [
        (0.1, 60, 1.0),
        (0.3, 60, 1.0),
        (0.02, 500, 1.0),
        (0.02, 60, 3.5),
    ] {
        let tier = Tier {
            kind: Kind::Bucket(share),
            tells: Tells::Headers,
            requests: Some((requests, 60.0)),
            tokens: None,
            calls: requests * 5,
            ..USUAL
        };
        holds(tier, most_refused, 1.15);
    }
}

#[test]
fn calls_to_a_bucket_that_holds_one_are_spread_evenly() {
    for tells in [Tells::Nothing, Tells::Hints, Tells::Headers] {
        let by_the_second = Tier {
            kind: Kind::Bucket(1.0 / 60.0),
            tells,
            requests: Some((60, 60.0)),
            tokens: None,
            calls: 200,
            first_token: 0.3,
            latency: 1.0,
        };
        holds(by_the_second, 5.0, 1.2);
        let fast = Tier {
            kind: Kind::Bucket(1.0 / 500.0),
            requests: Some((500, 60.0)),
            calls: 2000,
            ..by_the_second
        };
        holds(fast, 2.5, 1.5);
    }
}

#[test]
fn a_bucket_that_is_emptied_at_once_refuses_seldom_for_long() {
    // It refuses nearly all that is sent too soon; what follows each refusal soon after is accepted.
    let tier = Tier {
        kind: Kind::Bucket(0.1),
        requests: Some((20, 1.0)),
        tokens: None,
        calls: 1000,
        first_token: 0.3,
        latency: 1.0,
        ..USUAL
    };
    holds(tier, 10.0, 1.4);
}

#[test]
fn refusals_are_believed_where_less_is_taken_at_once_than_headers_say() {
    for tells in [Tells::Headers, Tells::HeadersOfMinute] {
        for share in [0.1, 0.02] {
            let tier = Tier {
                kind: Kind::Bucket(share),
                tells,
                calls: 2500,
                ..USUAL
            };
            holds(tier, 2.0, 1.15);
            let requests_only = Tier {
                tokens: None,
                calls: 2000,
                ..tier
            };
            holds(requests_only, 2.0, 1.15);
            // What it costs to find out weighs more where there are few calls.
            holds(Tier { calls: 545, ..tier }, 6.0, 1.15);
        }
    }
    for kind in [Kind::Sliding, Kind::Fixed(0.4)] {
        let by_the_second = Tier {
            kind,
            tells: Tells::HeadersOfMinute,
            requests: Some((8, 1.0)),
            tokens: None,
            calls: 1000,
            ..USUAL
        };
        holds(by_the_second, 3.0, 1.8);
    }
}

/// What holds of a second run, on average: it is refused no more often than the first (but for one call in a hundred, since
/// both vary), and takes no longer than so many times the bound.
fn second_holds(tier: Tier, pause: u64, longest: f64) {
    const HISTORIES: u32 = 4;
    let runs: Vec<(Ended, Ended)> = (1..=HISTORIES)
        .map(|seed| two_runs(tier, seed.into(), pause))
        .collect();
    let mean =
        |of: fn(&(Ended, Ended)) -> f64| runs.iter().map(of).sum::<f64>() / f64::from(HISTORIES);
    let (first, second) = (mean(|runs| runs.0.refused), mean(|runs| runs.1.refused));
    let over = mean(|runs| runs.1.over);
    assert!(
        second <= first + 1.0 && over <= longest,
        "{tier:?}, after {pause} s: {first:.2} % refused, then {second:.2} %, {over:.2} times the bound"
    );
}

#[test]
fn a_second_run_begins_with_the_limits_that_the_first_found() {
    for tells in [Tells::Nothing, Tells::Hints, Tells::Headers] {
        for kind in [Kind::Sliding, Kind::Bucket(1.0), Kind::Bucket(0.1)] {
            let tier = Tier {
                kind,
                tells,
                ..USUAL
            };
            second_holds(tier, 3600, 1.3);
        }
    }
}

#[test]
fn a_second_run_at_once_counts_what_the_first_used() {
    for tells in [Tells::Nothing, Tells::Headers] {
        let tier = Tier { tells, ..USUAL };
        // What the first run used of the minute is missing.
        second_holds(tier, 5, 1.6);
    }
}

#[test]
fn a_second_run_does_not_climb_again() {
    let tier = Tier {
        kind: Kind::AtOnce,
        tells: Tells::Nothing,
        requests: Some((1000, 1.0)),
        tokens: None,
        calls: 800,
        first_token: 0.1,
        latency: 0.3,
    };
    let (first, second) = two_runs(tier, 1, 3600);
    assert!(second.wall < first.wall * 0.5, "{first:?}, then {second:?}");
}

#[test]
fn a_limit_that_has_changed_is_noticed() {
    let limit = |most| {
        let found = Found {
            limits: vec![FoundLimit {
                amount: Amount::Requests,
                span_millis: 60_000,
                most,
                by_headers: true,
                counts: crate::limits::counts::Counts::Used,
                a_call: 0,
                at: 0,
            }],
            ..Found::default()
        };
        on_paused_clock(async move {
            let tier = Tier {
                tells: Tells::Headers,
                requests: Some((500, 60.0)),
                tokens: None,
                calls: 1500,
                ..USUAL
            };
            let server = Arc::new(Mutex::new(Server::new(tier, 1)));
            let limiter = unknowing();
            limiter.recall(&found, 0);
            history(&limiter, &server, Instant::now()).await
        })
    };
    // The tier was raised: the headers of the first answers say so.
    let raised = limit(60);
    assert!(raised.over <= 1.15 && raised.refused == 0.0, "{raised:?}");
    // It was lowered: the first answers say so too, before many calls are sent.
    let lowered = limit(5000);
    assert!(
        lowered.over <= 1.15 && lowered.refused <= 2.0,
        "{lowered:?}"
    );
}
