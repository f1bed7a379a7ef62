//! On tokio's paused clock: what waits for what.

use std::future::Future;
use std::pin::Pin;

use super::*;
use crate::llm::request::Usage;

fn settings() -> Settings {
    Settings {
        limits: Vec::new(),
        concurrency: 64,
        breaker: 3,
        patience: Duration::from_secs(100),
        first_alone: false,
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

const ASKED: Asked = Asked { bytes: 40, cap: 10 };

/// What a call that asks so is taken to need.
const SIZE: Size = Size {
    input: 10,
    output: 10,
};

async fn enter(turnstile: &Turnstile, flow: &str) -> Permit {
    turnstile.enter(flow, ASKED, true).await.ok().unwrap()
}

fn fail(permit: Permit, class: FailureClass, hint: Option<u64>) {
    let error = CallError {
        retry_after: hint.map(Duration::from_secs),
        ..CallError::new(class, "as the test has it")
    };
    permit.settle(40, &Outcome::Failed(&error));
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
    let turnstile = Turnstile::new(&Settings {
        limits,
        ..settings()
    });
    let start = Instant::now();
    let mut at = Vec::new();
    for _ in 0..7 {
        answer(enter(&turnstile, "a").await);
        at.push(start.elapsed().as_secs());
    }
    assert_eq!(at, [0, 0, 0, 61, 61, 62, 122]);
}

#[tokio::test(start_paused = true)]
async fn flows_take_turns() {
    let turnstile = Turnstile::new(&Settings {
        concurrency: 1,
        ..settings()
    });
    let first = enter(&turnstile, "first").await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for flow in ["chatty", "chatty", "chatty", "chatty", "quiet"] {
        let (turnstile, order) = (turnstile.clone(), Arc::clone(&order));
        tasks.spawn(async move {
            let permit = enter(&turnstile, flow).await;
            order.lock().unwrap().push(flow);
            answer(permit);
        });
        tokio::task::yield_now().await;
    }
    answer(first);
    tasks.join_all().await;
    assert_eq!(order.lock().unwrap()[..2], ["chatty", "quiet"]);
}

#[tokio::test(start_paused = true)]
async fn a_hint_pauses_the_whole_lane() {
    let turnstile = Turnstile::new(&settings());
    let start = Instant::now();
    fail(
        enter(&turnstile, "a").await,
        FailureClass::RateLimit,
        Some(7),
    );
    answer(enter(&turnstile, "b").await);
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn the_first_call_goes_alone_until_it_is_accepted() {
    let turnstile = Turnstile::new(&Settings {
        first_alone: true,
        ..settings()
    });
    let first = enter(&turnstile, "a").await;
    let second = turnstile.enter("a", ASKED, true);
    tokio::pin!(second);
    assert!(is_pending(second.as_mut()).await);
    assert_eq!(
        turnstile.view().wait.unwrap().reason,
        "the provider to accept the first call"
    );
    first.accepted();
    assert!(second.await.is_ok());

    let turnstile = Turnstile::new(&Settings {
        first_alone: true,
        ..settings()
    });
    let first = enter(&turnstile, "a").await;
    let second = turnstile.enter("a", ASKED, true);
    fail(first, FailureClass::Auth, None);
    let error = second.await.err().unwrap();
    assert_eq!(
        error.class,
        FailureClass::Auth,
        "one call found out for all"
    );
}

#[tokio::test(start_paused = true)]
async fn while_the_provider_is_down_one_call_finds_out() {
    let turnstile = Turnstile::new(&settings());
    for _ in 0..3 {
        fail(enter(&turnstile, "a").await, FailureClass::Transient, None);
    }
    let start = Instant::now();
    assert!(
        turnstile.enter("a", ASKED, false).await.is_err(),
        "it has another lane to go to"
    );
    let probe = enter(&turnstile, "a").await;
    assert_eq!(start.elapsed().as_secs(), 1);
    let waiting = turnstile.enter("a", ASKED, true);
    tokio::pin!(waiting);
    assert!(is_pending(waiting.as_mut()).await);
    answer(probe);
    assert!(waiting.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn patience_with_a_provider_that_is_down_ends() {
    let turnstile = Turnstile::new(&settings());
    for _ in 0..3 {
        fail(enter(&turnstile, "a").await, FailureClass::Transient, None);
    }
    let start = Instant::now();
    let error = loop {
        match turnstile.enter("a", ASKED, true).await {
            Ok(permit) => fail(permit, FailureClass::Transient, None),
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
    assert!(turnstile.refusal().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_no_trace() {
    let turnstile = Turnstile::new(&Settings {
        concurrency: 1,
        ..settings()
    });
    let first = enter(&turnstile, "a").await;
    {
        let second = turnstile.enter("a", ASKED, true);
        tokio::pin!(second);
        assert!(is_pending(second.as_mut()).await);
    }
    drop(first);
    answer(enter(&turnstile, "a").await);
    assert_eq!(
        (turnstile.view().in_flight, turnstile.view().waiting),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_call_took_is_what_counts() {
    let turnstile = Turnstile::new(&Settings {
        limits: tokens(1000, 60),
        ..settings()
    });
    let start = Instant::now();
    let large = Asked {
        bytes: 400,
        cap: 800,
    };
    let permit = turnstile.enter("a", large, true).await.ok().unwrap();
    let used = Usage::new(100, 100);
    let used = Size {
        input: used.input_tokens,
        output: used.output_tokens,
    };
    permit.settle(400, &Outcome::Answered(used, &[]));
    let long = Asked {
        bytes: 2800,
        cap: 100,
    };
    let permit = turnstile.enter("a", long, true).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    answer(permit.ok().unwrap());
    let too_long = Asked {
        bytes: 8000,
        cap: 100,
    };
    let error = turnstile.enter("a", too_long, true).await;
    let message = error.err().unwrap().message;
    assert!(
        message.contains("about 2100 tokens, and the limit is 1000 per minute"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_is_reckoned_by_what_was_learned_while_it_waited() {
    let turnstile = Turnstile::new(&Settings {
        limits: tokens(1000, 60),
        ..settings()
    });
    let asked = Asked {
        bytes: 40,
        cap: 900,
    };
    let start = Instant::now();
    let first = turnstile.enter("a", asked, true).await.ok().unwrap();
    let mut second = std::pin::pin!(turnstile.enter("a", asked, true));
    let mut third = std::pin::pin!(turnstile.enter("a", asked, true));
    assert!(is_pending(second.as_mut()).await);
    assert!(is_pending(third.as_mut()).await);
    answer(first);
    let (second, third) = (second.await.ok(), third.await.ok());
    assert!(second.is_some() && third.is_some());
    assert_eq!(start.elapsed(), Duration::ZERO);
}
