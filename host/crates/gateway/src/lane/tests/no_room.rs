//! What a lane does when its provider has no room at a cheaper tier.

use super::*;
use crate::lane_view::BreakerView;
use crate::prices::Served;
use crate::prices::{Price, Rates};

fn no_room() -> Result<RawAnswer, CallError> {
    Err(CallError::new(
        FailureClass::NoCapacity,
        "Resource Unavailable",
    ))
}

#[tokio::test(start_paused = true)]
async fn it_is_waited_for_and_nothing_is_learned_of_limits() {
    let mut answers: Vec<_> = (0..4).map(|_| no_room()).collect();
    answers.push(said("Oak.", Finish::Stop, 20));
    let scene = Scene::new(answers);
    let before = scene.lane.view();
    let began = Instant::now();
    let (obtained, billed) = scene.ask("a").await;
    let obtained = obtained.unwrap();
    // More tries than any other failure is given, and each later than the one before.
    assert_eq!((obtained.tries, billed.len()), (5, 0));
    assert_eq!(obtained.usage, Usage::new(10, 20));
    // 5, 10, 20 and 40 s, each shortened by a quarter at most.
    let waited = began.elapsed();
    let range = Duration::from_secs(56)..=Duration::from_secs(76);
    assert!(range.contains(&waited), "{waited:?}");
    let after = scene.lane.view();
    assert_eq!(after.allowed, before.allowed);
    assert_eq!((after.limits, after.breaker), (vec![], BreakerView::Closed));
    let (found, _) = scene.lane.news().unwrap();
    assert_eq!(found.found.limits, []);
    assert_eq!(found.found.gap_micros, None);
}

#[tokio::test(start_paused = true)]
async fn it_ends_as_an_outage() {
    let scene = Scene::new((0..200).map(|_| no_room()).collect());
    let began = Instant::now();
    let questions: Vec<String> = (0..20).map(|number| format!("question {number}")).collect();
    let asked = questions.iter().map(|question| scene.ask(question));
    let results = futures_util::future::join_all(asked).await;
    let waited = began.elapsed();
    assert!(waited <= Duration::from_secs(61), "{waited:?}");
    for (result, _) in results {
        assert_eq!(result.unwrap_err().class, FailureClass::NoCapacity);
    }
    // Ten in a row are enough to see that there is none; from then on one call finds out for all.
    let tries = scene.caps().len();
    assert!(tries <= 30, "{tries}");
}

#[tokio::test(start_paused = true)]
async fn what_was_served_at_the_ordinary_tier_costs_its_price() {
    let served = |served| {
        said("Oak.", Finish::Stop, 1_000_000).map(|raw| RawAnswer {
            served,
            usage: Usage::new(0, 1_000_000),
            ..raw
        })
    };
    let dollars = |dollars: u64| {
        Price::of(Rates {
            output: dollars * 1_000_000,
            ..Rates::FREE
        })
    };
    let mut scene = Scene::new(vec![
        served(Some(Served::Flex)),
        served(Some(Served::Ordinary)),
        served(None),
    ]);
    let budget = LaneBudget::new(None, None, 1);
    scene.lane.budget = budget
        .priced(Some(dollars(1)))
        .or_ordinary(Some(dollars(2)));
    let mut costs = Vec::new();
    for question in ["a", "b", "c"] {
        costs.push(scene.ask(question).await.0.unwrap().micros);
    }
    let expected = [1, 2, 1].map(|dollars| Some(dollars * 1_000_000));
    assert_eq!(costs, expected);
    assert_eq!(budget.view().cost_micros, 4_000_000);
}
