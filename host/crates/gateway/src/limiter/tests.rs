//! On tokio's paused clock: what waits for what.

use std::future::Future;
use std::pin::Pin;

use super::*;
use types::request::Usage;

mod tiers;

fn settings() -> Settings {
    Settings {
        limits: Vec::new(),
        concurrency: Some(64),
        breaker: 3,
        patience: Duration::from_secs(100),
        is_proven: true,
        cache_lifetime: None,
    }
}

fn requests(most: u64, seconds: u64) -> Vec<Limit> {
    vec![Limit {
        amount: Amount::Requests,
        span: Duration::from_secs(seconds),
        most,
    }]
}

fn tokens(most: u64, seconds: u64) -> Vec<Limit> {
    vec![Limit {
        amount: Amount::Tokens,
        span: Duration::from_secs(seconds),
        most,
    }]
}

const ASKED: RequestSize = RequestSize {
    bytes: 40,
    cap: 10,
    prefix: None,
};

/// What a call that asks so is taken to need.
const SIZE: Size = Size {
    input: 10,
    output: 10,
};

async fn enter(limiter: &Limiter) -> Permit {
    limiter.enter(0, ASKED, true).await.ok().unwrap()
}

/// Returns whether the lane pauses.
fn fail(permit: Permit, class: FailureClass, hint: Option<u64>) -> bool {
    let error = CallError {
        retry_after: hint.map(Duration::from_secs),
        ..CallError::new(class, "as the test has it")
    };
    permit.settle(40, &Outcome::Failed(&error))
}

fn answer(permit: Permit) {
    permit.settle(40, &Outcome::Answered(SIZE, &[]));
}

/// Whether it has to wait, having been asked once.
async fn is_pending<F: Future>(future: Pin<&mut F>) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = std::future::ready(()) => true,
    }
}

#[tokio::test(start_paused = true)]
async fn a_minute_holds_no_more_than_its_limit() {
    let limits = requests(3, 60);
    let limiter = Limiter::new(&Settings {
        limits,
        ..settings()
    });
    let start = Instant::now();
    let mut at = Vec::new();
    for _ in 0..7 {
        answer(enter(&limiter).await);
        at.push(start.elapsed().as_secs());
    }
    assert_eq!(at, [0, 0, 0, 61, 61, 62, 122]);
}

#[tokio::test(start_paused = true)]
async fn the_question_of_a_call_that_failed_counts() {
    let limiter = Limiter::new(&Settings {
        limits: tokens(30, 60),
        ..settings()
    });
    for _ in 0..2 {
        assert!(!fail(enter(&limiter).await, FailureClass::Transient, None));
    }
    let start = Instant::now();
    let _permit = enter(&limiter).await;
    assert_eq!(start.elapsed().as_secs(), 61);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_begun_goes_first() {
    let limiter = Limiter::new(&Settings {
        concurrency: Some(1),
        ..settings()
    });
    let first = enter(&limiter).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for place in [1, 2, 3, 0] {
        let (limiter, order) = (limiter.clone(), Arc::clone(&order));
        tasks.spawn(async move {
            let permit = limiter.enter(place, ASKED, true).await.ok().unwrap();
            order.lock().unwrap().push(place);
            answer(permit);
        });
        tokio::task::yield_now().await;
    }
    answer(first);
    tasks.join_all().await;
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
}

/// Lets so many calls be answered.
async fn answered(limiter: &Limiter, calls: u32) {
    for _ in 0..calls {
        answer(enter(limiter).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_hint_amid_answers_makes_its_call_wait_and_no_other() {
    let limiter = Limiter::new(&settings());
    let start = Instant::now();
    answered(&limiter, 100).await;
    for _ in 0..20 {
        assert!(!fail(
            enter(&limiter).await,
            FailureClass::RateLimit,
            Some(7)
        ));
        answered(&limiter, 19).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn refusals_that_gather_pause_the_lane_and_each_pause_costs_one_call() {
    let limiter = Limiter::new(&settings());
    let start = Instant::now();
    answered(&limiter, 300).await;
    assert!(!fail(
        enter(&limiter).await,
        FailureClass::RateLimit,
        Some(7)
    ));
    let finds_out = enter(&limiter).await;
    let mut other = std::pin::pin!(limiter.enter(0, ASKED, true));
    assert!(is_pending(other.as_mut()).await, "one call finds out");
    assert!(fail(finds_out, FailureClass::RateLimit, Some(7)));
    let after = other.await.ok().unwrap();
    assert_eq!(start.elapsed().as_secs(), 7);
    assert!(
        fail(after, FailureClass::RateLimit, Some(7)),
        "one for each pause"
    );
    answered(&limiter, 1).await;
    assert!((14..20).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_long_hint_pauses_the_lane_at_once() {
    for class in [FailureClass::RateLimit, FailureClass::Overloaded] {
        let limiter = Limiter::new(&settings());
        let start = Instant::now();
        assert!(fail(enter(&limiter).await, class, Some(40)));
        answered(&limiter, 1).await;
        assert_eq!(start.elapsed().as_secs(), 40, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_has_a_last_moment() {
    for hint in [101, 100_000, u64::MAX] {
        let limiter = Limiter::new(&settings());
        let start = Instant::now();
        fail(enter(&limiter).await, FailureClass::RateLimit, Some(hint));
        let error = limiter.enter(0, ASKED, true).await.err().unwrap();
        assert_eq!(start.elapsed().as_secs(), 100);
        assert!(
            error
                .message
                .starts_with("it has taken no call for 100 s (it asked to wait for "),
            "{error}"
        );
        assert!(limiter.refusal().is_some());
    }
    // Short pauses that follow each other without an answer end, too.
    let limiter = Limiter::new(&settings());
    let start = Instant::now();
    while let Ok(permit) = limiter.enter(0, ASKED, true).await {
        fail(permit, FailureClass::RateLimit, Some(15));
    }
    assert_eq!(start.elapsed().as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_handful_of_calls_goes_until_one_is_accepted() {
    let new = || {
        Limiter::new(&Settings {
            is_proven: false,
            ..settings()
        })
    };
    let limiter = new();
    let mut first = Vec::new();
    for _ in 0..HANDFUL {
        first.push(enter(&limiter).await);
    }
    let mut next = std::pin::pin!(limiter.enter(0, ASKED, true));
    assert!(is_pending(next.as_mut()).await);
    assert_eq!(
        limiter.view().wait.unwrap().reason,
        "the provider to accept the first calls"
    );
    first[1].accepted(&[]);
    assert!(next.await.is_ok());

    let limiter = new();
    let first = enter(&limiter).await;
    fail(first, FailureClass::Auth, None);
    let error = limiter.enter(0, ASKED, true).await.err().unwrap();
    assert_eq!(error.class, FailureClass::Auth);
}

#[tokio::test(start_paused = true)]
async fn limits_in_headers_replace_the_first_guess() {
    let limiter = Limiter::new(&Settings {
        concurrency: None,
        ..settings()
    });
    let mut first = Vec::new();
    for _ in 0..8 {
        first.push(enter(&limiter).await);
    }
    let mut next = std::pin::pin!(limiter.enter(0, ASKED, true));
    assert!(is_pending(next.as_mut()).await);
    first[0].accepted(&[Observed {
        amount: Amount::Requests,
        span: None,
        limit: Some(300),
        remaining: Some(299),
        reset: None,
    }]);
    assert!(next.await.is_ok());
    let start = Instant::now();
    let mut more = Vec::new();
    for _ in 0..280 {
        more.push(enter(&limiter).await);
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn while_the_provider_is_down_one_call_finds_out() {
    let limiter = Limiter::new(&settings());
    for _ in 0..3 {
        fail(enter(&limiter).await, FailureClass::Transient, None);
    }
    let start = Instant::now();
    assert!(
        limiter.enter(0, ASKED, false).await.is_err(),
        "it has another lane to go to"
    );
    let probe = enter(&limiter).await;
    assert_eq!(start.elapsed().as_secs(), 1);
    let waiting = limiter.enter(0, ASKED, true);
    tokio::pin!(waiting);
    assert!(is_pending(waiting.as_mut()).await);
    answer(probe);
    assert!(waiting.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn patience_with_a_provider_that_is_down_ends() {
    let limiter = Limiter::new(&settings());
    for _ in 0..3 {
        fail(enter(&limiter).await, FailureClass::Transient, None);
    }
    let start = Instant::now();
    let error = loop {
        match limiter.enter(0, ASKED, true).await {
            Ok(permit) => drop(fail(permit, FailureClass::Transient, None)),
            Err(error) => break error,
        }
    };
    assert!(
        (100..130).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    assert!(
        error.message.starts_with("it has been down for 1"),
        "{error}"
    );
    assert!(limiter.refusal().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_no_trace() {
    let limiter = Limiter::new(&Settings {
        concurrency: Some(1),
        ..settings()
    });
    let first = enter(&limiter).await;
    {
        let second = limiter.enter(0, ASKED, true);
        tokio::pin!(second);
        assert!(is_pending(second.as_mut()).await);
    }
    drop(first);
    answer(enter(&limiter).await);
    assert_eq!((limiter.view().in_flight, limiter.view().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_call_took_is_what_counts() {
    let limiter = Limiter::new(&Settings {
        limits: tokens(1000, 60),
        ..settings()
    });
    let start = Instant::now();
    let large = RequestSize {
        bytes: 400,
        cap: 800,
        prefix: None,
    };
    let permit = limiter.enter(0, large, true).await.ok().unwrap();
    let used = Usage::new(100, 100);
    let used = Size {
        input: used.input_tokens,
        output: used.output_tokens,
    };
    permit.settle(400, &Outcome::Answered(used, &[]));
    let long = RequestSize {
        bytes: 2800,
        cap: 100,
        prefix: None,
    };
    let permit = limiter.enter(0, long, true).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    answer(permit.ok().unwrap());
    let too_long = RequestSize {
        bytes: 8000,
        cap: 100,
        prefix: None,
    };
    let error = limiter.enter(0, too_long, true).await;
    let message = error.err().unwrap().message;
    assert!(
        message.contains("about 2100 tokens, and the limit is 1000 per minute"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_is_reckoned_by_what_was_learned_while_it_waited() {
    let limiter = Limiter::new(&Settings {
        limits: tokens(1000, 60),
        ..settings()
    });
    let asked = RequestSize {
        bytes: 40,
        cap: 900,
        prefix: None,
    };
    let start = Instant::now();
    let first = limiter.enter(0, asked, true).await.ok().unwrap();
    let mut second = std::pin::pin!(limiter.enter(0, asked, true));
    let mut third = std::pin::pin!(limiter.enter(0, asked, true));
    assert!(is_pending(second.as_mut()).await);
    assert!(is_pending(third.as_mut()).await);
    answer(first);
    let (second, third) = (second.await.ok(), third.await.ok());
    assert!(second.is_some() && third.is_some());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_pace_that_was_found_out_is_told_so() {
    let limiter = Limiter::new(&Settings {
        limits: requests(1_000_000, 60),
        ..settings()
    });
    let start = Instant::now();
    // A provider that takes a call each second, and refuses what comes sooner.
    let mut taken: Option<Instant> = None;
    for _ in 0..60 {
        let permit = enter(&limiter).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        if taken.is_none_or(|at| at.elapsed() >= Duration::from_secs(1)) {
            taken = Some(Instant::now());
            answer(permit);
        } else {
            fail(permit, FailureClass::RateLimit, None);
        }
    }
    let permit = enter(&limiter).await;
    let mut next = std::pin::pin!(limiter.enter(0, ASKED, true));
    assert!(is_pending(next.as_mut()).await);
    let reason = limiter.view().wait.unwrap().reason;
    assert!(
        reason.starts_with("room within ") && reason.ends_with(" requests per minute (learned)"),
        "{reason} after {:?}",
        start.elapsed()
    );
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn the_first_of_a_beginning_goes_ahead_and_others_are_not_held_up() {
    let limiter = Limiter::new(&Settings {
        cache_lifetime: Some(Duration::from_secs(300)),
        ..settings()
    });
    let alike = RequestSize {
        prefix: Some(1),
        ..ASKED
    };
    let first = limiter.enter(0, alike, true).await.ok().unwrap();
    let mut second = Box::pin(limiter.enter(1, alike, true));
    assert!(is_pending(second.as_mut()).await);
    assert_eq!(
        limiter.view().wait.unwrap().left,
        Some(Duration::from_secs(10))
    );
    answer(enter(&limiter).await);
    first.accepted(&[]);
    answer(second.await.ok().unwrap());
    answer(first);
    answer(limiter.enter(2, alike, true).await.ok().unwrap());

    // Where the first is never accepted, the next goes ahead in its place; and nobody waits for long.
    let other = RequestSize {
        prefix: Some(2),
        ..ASKED
    };
    let first = limiter.enter(0, other, true).await.ok().unwrap();
    let mut second = Box::pin(limiter.enter(1, other, true));
    assert!(is_pending(second.as_mut()).await);
    fail(first, FailureClass::BadRequest, None);
    let _second = second.await.ok().unwrap();
    let began = Instant::now();
    let _third = limiter.enter(2, other, true).await.ok().unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}
