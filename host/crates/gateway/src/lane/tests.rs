use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::json;

mod no_room;
mod odd_numbers;

use super::*;

use crate::adaptation::{Adaptation, Adaptations, Refused};
use crate::provider::{Call, CallFuture};
use types::request::{Message, ResponseFormat, Role, StopReason};

static NEVER: AtomicBool = AtomicBool::new(false);

/// Gives the next of its answers, and notes how it was asked.
struct Scripted {
    answers: Mutex<VecDeque<Result<RawAnswer, CallError>>>,
    asked: Mutex<Vec<(u32, Vec<Adaptation>)>>,
}

impl Provider for Scripted {
    fn name(&self) -> &str {
        "p"
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        let how = call.adaptations.iter().copied().collect();
        self.asked
            .lock()
            .unwrap()
            .push((call.max_output_tokens, how));
        let next = self.answers.lock().unwrap().pop_front();
        Box::pin(async { next.expect("no more calls than answers") })
    }

    fn adapt(&self, refused: Refused, so_far: &Adaptations) -> Option<Adaptation> {
        let adaptation = match refused {
            Refused::Temperature => Adaptation::NoTemperature,
            Refused::CapName => Adaptation::MaxTokens,
            _ => return None,
        };
        (!so_far.contains(&adaptation)).then_some(adaptation)
    }
}

struct Nobody;

impl Observer for Nobody {
    fn call_ended(&self, _: &str, _: Spent) {}
    fn try_failed(&self, _: &str, _: &CallError) {}
    fn journaled(&self) {}
    fn learned(&self, _: &str, _: &str) {}
    fn endpoint_changed(&self, _: &str, _: &str) {}
}

fn said(text: &str, finish: Finish, output: u64) -> Result<RawAnswer, CallError> {
    Ok(RawAnswer {
        text: text.to_owned(),
        finish,
        finish_reason: "as the test has it".to_owned(),
        refusal: None,
        thought: text.is_empty(),
        usage: Usage::new(10, output),
        model: "m".to_owned(),
        served: None,
        observed: Vec::new(),
    })
}

fn refused(what: Refused) -> Result<RawAnswer, CallError> {
    Err(CallError {
        refused: Some(what),
        ..CallError::new(FailureClass::BadRequest, "refused")
    })
}

fn cap_refused(most: Option<u32>) -> Result<RawAnswer, CallError> {
    refused(Refused::Cap {
        most,
        for_this_question: false,
    })
}

fn empty() -> Result<RawAnswer, CallError> {
    said("", Finish::Stop, 5)
}

fn parameters() -> Parameters {
    Parameters {
        model: "p/m".to_owned(),
        temperature: 0.5,
        max_output_tokens: 100,
        extra_body: None,
        reasoning: None,
    }
}

struct Scene {
    lane: Lane,
    provider: Arc<Scripted>,
    _closing: watch::Sender<bool>,
}

impl Scene {
    fn new(answers: Vec<Result<RawAnswer, CallError>>) -> Scene {
        let provider = Arc::new(Scripted {
            answers: Mutex::new(answers.into()),
            asked: Mutex::default(),
        });
        let settings = LaneSettings {
            limits: Vec::new(),
            concurrency: None,
            retry: RetryPolicy::default(),
            idle_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            is_proven: true,
        };
        let (closing, receiver) = watch::channel(false);
        let provider_of_lane = Arc::clone(&provider) as Arc<dyn Provider>;
        let budget = LaneBudget::new(None, None, 1);
        let lane = Lane::new(
            "p/m",
            None,
            provider_of_lane,
            settings,
            budget,
            Arc::new(Nobody),
            receiver,
        );
        Scene {
            lane,
            provider,
            _closing: closing,
        }
    }

    async fn ask(&self, question: &str) -> (Result<Obtained, CallError>, Vec<Billed>) {
        let request = CompletionRequest {
            messages: vec![Message {
                role: Role::User,
                content: question.to_owned(),
            }],
            facts: json!({}).into(),
            rules: None,
            format: ResponseFormat::Text,
            images: Vec::new(),
        };
        let parameters = parameters();
        let context = CallContext {
            caller: Caller {
                record: "r",
                mode: None,
                component: "text",
                task: "text",
                place: 0,
                fingerprint: Digest::of(b""),
                generation: 0,
                cancelled: &NEVER,
            },
            seed: 1,
            waits_for_recovery: true,
            leaves: false,
            prefix: None,
        };
        let mut billed = Vec::new();
        let result = self
            .lane
            .obtain(None, &parameters, &request, &context, &mut billed)
            .await;
        (result, billed)
    }

    fn caps(&self) -> Vec<u32> {
        let asked = self.provider.asked.lock().unwrap();
        asked.iter().map(|(cap, _)| *cap).collect()
    }
}

fn text(obtained: Result<Obtained, CallError>) -> (String, StopReason) {
    match obtained.unwrap().answer {
        Answer::Completion(completion) => (completion.text, completion.stop),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn thoughts_that_took_the_cap_are_given_a_larger_one() {
    let scene = Scene::new(vec![
        said("", Finish::Length, 100),
        said("Oak.", Finish::Stop, 20),
        said("Elm.", Finish::Stop, 20),
    ]);
    let (obtained, billed) = scene.ask("a").await;
    let obtained = obtained.unwrap();
    assert_eq!((obtained.usage, obtained.tries), (Usage::new(20, 120), 2));
    assert!(billed.is_empty(), "the answer's usage has it all");
    assert_eq!(text(scene.ask("b").await.0).0, "Elm.");
    assert_eq!(
        scene.caps(),
        [100, 200, 200],
        "the next begins where it did"
    );
    let (learned, told) = scene.lane.news().unwrap();
    assert_eq!(learned.raised.get(&100), Some(&200));
    assert_eq!(told.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cap_that_never_does_is_a_cause_with_a_remedy() {
    let scene = Scene::new((0..4).map(|_| said("", Finish::Length, 100)).collect());
    let (result, billed) = scene.ask("a").await;
    let error = result.unwrap_err();
    assert_eq!(scene.caps(), [100, 200, 400, 800]);
    assert_eq!(error.class, FailureClass::BadRequest);
    assert!(error.message.contains("for thoughts"), "{error}");
    assert!(
        error.message.contains("max-output-tokens = 1600"),
        "{error}"
    );
    let output: u64 = billed.iter().map(|try_| try_.usage.output_tokens).sum();
    assert_eq!(
        (billed.len(), output, error.usage.output_tokens),
        (4, 400, 400)
    );
    // RequestSize once more, it costs nothing.
    let error = scene.ask("a").await.0.unwrap_err();
    assert_eq!(error.class, FailureClass::InvalidOutput);
    assert_eq!(scene.caps().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_refused_cap_leaves_the_answer_that_was_paid_for() {
    let scene = Scene::new(vec![
        said("Oak is", Finish::Length, 100),
        cap_refused(Some(150)),
        said("Oak is a", Finish::Length, 150),
        said("Elm is", Finish::Length, 100),
    ]);
    let (cut, length) = (StopReason::Length, |text: &str| text.to_owned());
    assert_eq!(text(scene.ask("a").await.0), (length("Oak is a"), cut));
    assert_eq!(scene.caps(), [100, 200, 150]);
    let (learned, _) = scene.lane.news().unwrap();
    assert_eq!(learned.largest_cap, Some(150));
    let advice = scene.lane.advice_on_cap(&parameters());
    assert!(advice.contains("no larger cap than 150"), "{advice}");
    // Without a number, the cap that did is the largest.
    let scene = Scene::new(vec![said("Oak is", Finish::Length, 100), cap_refused(None)]);
    assert_eq!(text(scene.ask("a").await.0), (length("Oak is"), cut));
    assert_eq!(scene.lane.news().unwrap().0.largest_cap, Some(100));
}

#[tokio::test(start_paused = true)]
async fn a_configured_cap_that_is_too_large_is_lowered() {
    let scene = Scene::new(vec![
        cap_refused(Some(80)),
        said("Oak.", Finish::Stop, 20),
        said("Elm.", Finish::Stop, 20),
    ]);
    assert_eq!(text(scene.ask("a").await.0).0, "Oak.");
    assert_eq!(text(scene.ask("b").await.0).0, "Elm.");
    assert_eq!(scene.caps(), [100, 80, 80]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_parameter_is_adapted_once_for_the_lane() {
    let scene = Scene::new(vec![
        refused(Refused::Temperature),
        refused(Refused::CapName),
        said("Oak.", Finish::Stop, 20),
        said("Elm.", Finish::Stop, 20),
        refused(Refused::Temperature),
    ]);
    assert_eq!(text(scene.ask("a").await.0).0, "Oak.");
    let (learned, told) = scene.lane.news().unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!(text(scene.ask("b").await.0).0, "Elm.");
    assert!(scene.lane.news().is_none(), "it is told once");
    let asked = scene.provider.asked.lock().unwrap()[3].1.clone();
    assert_eq!(
        asked,
        [Adaptation::NoTemperature, Adaptation::MaxTokens],
        "{learned:?}"
    );
    // What is refused all the same is a refusal.
    let error = scene.ask("c").await.0.unwrap_err();
    assert_eq!(error.class, FailureClass::BadRequest);
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_before_is_known_from_the_first_call_on() {
    let scene = Scene::new(vec![said("Oak.", Finish::Stop, 20)]);
    let learned = Learned {
        adaptations: Adaptations::from([Adaptation::NoTemperature]),
        largest_cap: Some(90),
        ..Learned::default()
    };
    let scene = Scene {
        lane: scene.lane.with_lessons(learned, Digest::of(b"m")),
        ..scene
    };
    scene.ask("a").await.0.unwrap();
    assert_eq!(
        *scene.provider.asked.lock().unwrap(),
        [(90, vec![Adaptation::NoTemperature])]
    );
}

#[tokio::test(start_paused = true)]
async fn the_third_empty_answer_of_a_lane_is_a_cause_and_no_accident() {
    let scene = Scene::new((0..4).map(|_| empty()).collect());
    let (result, billed) = scene.ask("a").await;
    let error = result.unwrap_err();
    assert_eq!(error.class, FailureClass::BadRequest);
    assert!(error.message.contains("hint: "), "{error}");
    assert_eq!((billed.len(), scene.caps().len()), (3, 3));
    // Another question is asked once, as long as nothing else came.
    let error = scene.ask("b").await.0.unwrap_err();
    assert_eq!(
        (error.class, scene.caps().len()),
        (FailureClass::BadRequest, 4)
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_now_and_then_is_tried_again() {
    let scene = Scene::new(vec![
        empty(),
        empty(),
        said("Oak.", Finish::Stop, 20),
        empty(),
        empty(),
        said("Elm.", Finish::Stop, 20),
    ]);
    assert_eq!(text(scene.ask("a").await.0).0, "Oak.");
    assert_eq!(text(scene.ask("b").await.0).0, "Elm.");
}
