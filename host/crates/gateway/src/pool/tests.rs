//! On tokio's paused clock: which endpoint answers, and what one that does not costs.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::*;
use crate::budget::LaneBudget;
use crate::lane::{Caller, LaneSettings, Spent};
use crate::provider::{Call, CallFuture, Finish, Provider, RawAnswer};
use types::digest::Digest;
use types::request::{Answer, Usage};

static NEVER: AtomicBool = AtomicBool::new(false);

/// How a server does.
#[derive(Clone)]
enum Health {
    /// It answers after so long.
    Well(Duration),
    /// Nobody is there.
    Gone,
    /// It takes the question and fails.
    Fails(FailureClass),
}

struct Server {
    health: Mutex<Health>,
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Server {
    fn new(health: Health) -> Arc<Server> {
        Arc::new(Server {
            health: Mutex::new(health),
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        })
    }

    fn becomes(&self, health: Health) {
        *self.health.lock().unwrap() = health;
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Provider for Server {
    fn name(&self) -> &str {
        "p"
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let health = self.health.lock().unwrap().clone();
        Box::pin(async move {
            match health {
                Health::Gone => Err(CallError {
                    is_unreached: true,
                    ..CallError::new(FailureClass::Transient, "cannot connect")
                }),
                Health::Fails(class) => Err(CallError::new(class, "as the test has it")),
                Health::Well(latency) => {
                    (call.accepted)(&[]);
                    sleep(latency).await;
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    Ok(RawAnswer {
                        text: "Yes.".to_owned(),
                        finish: Finish::Stop,
                        finish_reason: "stop".to_owned(),
                        refusal: None,
                        thought: false,
                        usage: Usage::new(10, 2),
                        model: "m".to_owned(),
                        observed: Vec::new(),
                        served: None,
                    })
                }
            }
        })
    }
}

/// Keeps what is told of endpoints.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn call_ended(&self, _: &str, _: Spent) {}
    fn try_failed(&self, _: &str, _: &CallError) {}
    fn journaled(&self) {}
    fn learned(&self, _: &str, _: &str) {}
    fn endpoint_changed(&self, lane: &str, what: &str) {
        self.0.lock().unwrap().push(format!("{lane}: {what}"));
    }
}

struct Scene {
    pool: Pool,
    servers: Vec<Arc<Server>>,
    notes: Arc<Notes>,
    _closing: watch::Sender<bool>,
}

impl Scene {
    fn new(health: &[Health], at_once: u64) -> Scene {
        let servers: Vec<_> = health.iter().cloned().map(Server::new).collect();
        let notes = Arc::new(Notes::default());
        let (closing, receiver) = watch::channel(false);
        let lanes = servers.iter().enumerate().map(|(place, server)| {
            let settings = LaneSettings {
                concurrency: Some(at_once),
                patience: Duration::from_secs(100),
                is_proven: true,
                ..LaneSettings::default()
            };
            Arc::new(Lane::new(
                "p/m",
                Some(&format!("s{place}")),
                Arc::clone(server) as Arc<_>,
                settings,
                LaneBudget::new(None, None, 1),
                Arc::clone(&notes) as Arc<_>,
                receiver.clone(),
            ))
        });
        let pool = Pool::new(lanes.collect(), Arc::clone(&notes) as Arc<_>);
        Scene {
            pool,
            servers,
            notes,
            _closing: closing,
        }
    }

    async fn ask(&self, place: u64, waits_for_recovery: bool) -> Result<String, CallError> {
        let request = CompletionRequest::text(format!("Question {place}?"));
        self.ask_this(&request, place, waits_for_recovery).await
    }

    async fn ask_this(
        &self,
        request: &CompletionRequest,
        place: u64,
        waits_for_recovery: bool,
    ) -> Result<String, CallError> {
        let parameters = Parameters {
            model: "p/m".to_owned(),
            temperature: 0.5,
            max_output_tokens: 100,
            extra_body: None,
            reasoning: None,
        };
        let context = CallContext {
            caller: Caller {
                component: "c",
                task: "c",
                place,
                fingerprint: Digest::of(b""),
                generation: 0,
                cancelled: &NEVER,
                mode: None,
                record: "",
            },
            seed: place,
            waits_for_recovery,
            leaves: false,
            prefix: None,
        };
        let (lane, obtained) = self
            .pool
            .obtain(None, &parameters, request, &context, &mut Vec::new())
            .await?;
        assert!(matches!(obtained.answer, Answer::Completion(_)));
        Ok(lane.name().to_owned())
    }

    /// Asks so many questions at once; all are answered.
    async fn ask_all(&self, questions: u64) -> Duration {
        let began = Instant::now();
        let answers = join_all((0..questions).map(|place| self.ask(place, true))).await;
        for answer in answers {
            answer.unwrap();
        }
        began.elapsed()
    }

    fn told(&self) -> Vec<String> {
        self.notes.0.lock().unwrap().clone()
    }
}

const SECOND: Duration = Duration::from_secs(1);
const WELL: Health = Health::Well(SECOND);

#[tokio::test(start_paused = true)]
async fn each_takes_as_much_as_it_can_do() {
    let slow = Health::Well(4 * SECOND);
    let scene = Scene::new(&[WELL, slow, WELL, WELL], 4);
    let took = scene.ask_all(520).await;
    let answered: Vec<u64> = scene
        .servers
        .iter()
        .map(|server| server.answered())
        .collect();
    assert!((39..=41).contains(&answered[1]), "{answered:?}");
    assert!(took <= 42 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn with_room_everywhere_the_least_busy_one_is_asked() {
    let scene = Scene::new(&[WELL, WELL, WELL, WELL], 100);
    scene.ask_all(40).await;
    for server in &scene.servers {
        assert_eq!(server.answered(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_costs_its_calls_and_comes_back() {
    let scene = Scene::new(&[WELL, Health::Gone, WELL, WELL], 4);
    let took = scene.ask_all(120).await;
    assert!(took <= 11 * SECOND, "{took:?}");
    // Ten until it counts as down, then one after 1, 2 and 4 s.
    let in_vain = scene.servers[1].asked();
    assert!((10..=16).contains(&in_vain), "{in_vain}");
    assert_eq!(scene.told().len(), 1);
    assert!(
        scene.told()[0].starts_with("p/m@s1: it does not answer"),
        "{:?}",
        scene.told()
    );

    scene.servers[1].becomes(WELL);
    scene.ask_all(480).await;
    assert!(scene.servers[1].answered() > 80);
    assert_eq!(scene.told()[1..], ["p/m@s1: it answers again"]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_stops_one_and_the_others_go_on() {
    let refuses = Health::Fails(FailureClass::Auth);
    let scene = Scene::new(&[refuses, WELL], 4);
    scene.ask_all(40).await;
    assert!(scene.servers[0].asked() <= 4);
    assert_eq!(scene.servers[1].answered(), 40);
    assert_eq!(
        scene.told(),
        ["p/m@s0: it is not asked any more: as the test has it"]
    );
    assert!(scene.pool.refusal().is_none());

    scene.servers[1].becomes(Health::Fails(FailureClass::Quota));
    let error = scene.ask(0, true).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Quota);
    let error = scene.ask(1, true).await.unwrap_err();
    assert_eq!(
        error.message,
        "s0: as the test has it; s1: as the test has it"
    );
    assert_eq!(scene.pool.refusal().unwrap().message, error.message);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_fails_everywhere_is_not_sent_everywhere() {
    let fails = Health::Fails(FailureClass::Transient);
    let scene = Scene::new(
        &[
            fails.clone(),
            fails.clone(),
            fails.clone(),
            fails.clone(),
            fails,
        ],
        4,
    );
    let error = scene.ask(0, true).await.unwrap_err();
    assert!(error.message.contains("as the test has it"), "{error}");
    let asked: u64 = scene.servers.iter().map(|server| server.asked()).sum();
    assert_eq!(asked, 3, "as many tries as at a single endpoint");
}

#[tokio::test(start_paused = true)]
async fn while_all_are_gone_questions_wait_as_long_as_for_one() {
    let scene = Scene::new(&[Health::Gone, Health::Gone], 4);
    let began = Instant::now();
    let asked = join_all((0..30).map(|place| scene.ask(place, true)));
    let comes_back = async {
        sleep(20 * SECOND).await;
        scene.servers[0].becomes(WELL);
    };
    let (answers, ()) = tokio::join!(asked, comes_back);
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    // Those that were sent before anybody knew have used up their tries.
    assert!(failed <= 12, "{failed}");
    assert!(began.elapsed() < 60 * SECOND);

    scene.servers[0].becomes(Health::Gone);
    let answers = join_all((0..30).map(|place| scene.ask(place, true))).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(began.elapsed() < 300 * SECOND, "the outage has an end");
}

#[tokio::test(start_paused = true)]
async fn who_has_another_model_to_go_to_does_not_wait_for_all_to_come_back() {
    let scene = Scene::new(&[Health::Gone, Health::Gone], 4);
    let answers = join_all((0..30).map(|place| scene.ask(place, false))).await;
    assert!(answers.iter().all(Result::is_err));
    let began = Instant::now();
    assert!(scene.ask(0, false).await.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_where_others_went_that_begin_alike() {
    let scene = Scene::new(&[WELL, WELL, WELL, WELL], 100);
    let question = |kind: u64, number: u64| {
        let shared = format!("Instructions of the kind {kind}.\n").repeat(30);
        CompletionRequest::text(format!("{shared}Question {number}?"))
    };
    let mut places = [const { Vec::new() }; 3];
    for number in 0..30 {
        for (kind, places) in (0..).zip(&mut places) {
            let request = question(kind, number);
            places.push(scene.ask_this(&request, number, true).await.unwrap());
        }
    }
    for places in &mut places {
        // The first is not known to begin like others, and the second goes where there is least to do.
        let rest = places.split_off(2);
        assert!(rest.iter().all(|place| *place == rest[0]), "{rest:?}");
    }

    // With more to do than others, an endpoint is not asked because of that.
    let requests: Vec<_> = (0..80).map(|number| question(0, 100 + number)).collect();
    let asked = requests.iter().zip(0..);
    join_all(asked.map(|(request, place)| scene.ask_this(request, place, true))).await;
    for server in &scene.servers {
        assert!(server.answered() >= 15, "{}", server.answered());
    }
}
