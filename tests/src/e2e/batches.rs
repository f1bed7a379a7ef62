//! Models that are asked in batches: what is handed in, what is collected, what is paid for, and what a kill or a fault costs.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simulator::{
    Advance, Answers, BatchFault, BatchScript, Config, Dialect, Pace, Request, Simulator,
};

use crate::scene::{KEY, Ran, Scene};

pub(super) const RECORDS: usize = 12;
/// More rounds than any fault needs.
pub(super) const ROUNDS: usize = 14;
/// Dollars for a million tokens, so micro-dollars for one.
pub(super) const MODEL: &str = "[models.\"openai/sim\"]\nprice = { input = 10.0, output = 20.0 }\n\
                     batch-price = { input = 5.0, output = 10.0 }\n";
pub(super) const COST: &str = "SELECT coalesce(sum(cost_micros), 0) FROM completion";

pub(super) fn simulator(script: BatchScript) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Echo,
        batch: script,
        ..Config::default()
    })
    .unwrap()
}

pub(super) fn with_faults(faults: &[&str]) -> BatchScript {
    let parsed = faults.iter().map(|fault| (*fault).to_owned().try_into());
    BatchScript {
        faults: parsed
            .map(|fault: Result<BatchFault, _>| fault.unwrap())
            .collect(),
        ..BatchScript::default()
    }
}

pub(super) fn told() -> BatchScript {
    BatchScript {
        pace: Pace::told(),
        ..BatchScript::default()
    }
}

pub(super) fn scene(simulator: &Simulator) -> Scene {
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .asking(simulator);
    write(&scene, MODEL);
    scene
}

pub(super) fn write(scene: &Scene, more: &str) {
    write_records(scene, RECORDS, more);
}

pub(super) fn write_records(scene: &Scene, count: usize, more: &str) {
    let records: String = (0..count)
        .map(|id| format!("{{\"id\": \"r{id}\", \"name\": \"Thing {id}\", \"category\": \"c\"}}\n"))
        .collect();
    scene.write("records.jsonl", &records);
    scene.write(
        "batchgen.toml",
        &format!("[dataset]\npath = \"records.jsonl\"\n{more}"),
    );
}

pub(super) fn step(scene: &Scene) -> Ran {
    scene.host(&["run", "--json", "--mode", "batch", "--no-wait"])
}

/// Runs again as cron would, until no batch is waited for.
pub(super) fn rounds(scene: &Scene) -> Ran {
    many_rounds(scene, ROUNDS)
}

fn many_rounds(scene: &Scene, most: usize) -> Ran {
    for _ in 0..most {
        let ran = step(scene);
        if ran.code != Some(6) {
            return ran;
        }
    }
    panic!("it waits for ever: {:?}", step(scene));
}

pub(super) fn billed_more_than_once(simulator: &Simulator) -> usize {
    let lines = simulator.billed_lines();
    lines.values().filter(|line| line.billed > 1).count()
}

/// Calls that were no lines of a batch.
pub(super) fn asked_alone(simulator: &Simulator) -> usize {
    let calls = simulator.ledger().calls;
    calls.iter().filter(|call| call.batch.is_none()).count()
}

pub(super) fn requests(simulator: &Simulator, request: Request) -> u64 {
    let counts = simulator.batches().requests;
    counts.get(&request).copied().unwrap_or(0)
}

#[test]
fn a_run_in_batches_waits_and_costs_the_price_of_batches() {
    let simulator = simulator(BatchScript::default());
    let scene = scene(&simulator);
    let summary = scene
        .host(&["run", "--json", "--mode", "batch"])
        .ended(0)
        .summary();
    assert_eq!(summary.complete(), RECORDS as u64);
    assert!(asked_alone(&simulator) == 0, "nothing is asked alone");
    let lines = simulator.billed_lines();
    assert_eq!(lines.len(), RECORDS);
    let cost: u64 = lines
        .values()
        .map(|line| line.tokens.input * 5 + line.tokens.output * 10)
        .sum();
    assert_eq!(scene.query(COST), cost);
    assert_eq!(scene.query("SELECT count(*) FROM question"), 0);
    assert_eq!(scene.query("SELECT count(*) FROM waiting"), 0);
    // What was made in a batch is what a run without batches makes.
    scene.host(&["run", "--json"]).ended(0);
    assert!(asked_alone(&simulator) == 0);
}

#[test]
fn nobody_has_to_wait_with_it() {
    let simulator = simulator(told());
    let scene = scene(&simulator);
    let first = step(&scene).ended(6);
    assert!(first.stdout.contains("\"waiting\":12"), "{}", first.stdout);
    // So that cron sends no mail.
    let quiet = scene.host(&["run", "--quiet", "--mode", "batch", "--no-wait"]);
    let quiet = quiet.ended(6);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    // Asked for by another mode, the questions stay in their batch.
    let online = scene.host(&["run", "--json", "--mode", "online", "--no-wait"]);
    online.ended(6);
    assert!(asked_alone(&simulator) == 0);
    let listed = scene.host(&["batches", "list", "--json"]).ended(0).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["questions"], RECORDS);
    assert_eq!(listed[0]["state"], "open");
    let status = scene.host(&["status"]).ended(0).stdout;
    assert!(status.contains("batch of 12 openai/sim"), "{status}");
    let why = scene.host(&["why", "r3", "summary"]).ended(0).stdout;
    let batch = listed[0]["name"].as_str().unwrap();
    assert!(why.contains(&format!("batch       {batch}")), "{why}");
    let plan = scene.host(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("12 of these calls are in batches already"),
        "{plan}"
    );
    let to_end = Advance {
        to_end: true,
        ..Advance::default()
    };
    simulator.advance_batches(&to_end).unwrap();
    assert_eq!(rounds(&scene).ended(0).summary().complete(), RECORDS as u64);
    assert_eq!(requests(&simulator, Request::Create), 1);
}

/// Each fault, and how many questions it makes one pay for again.
const FAULTS: [(&str, usize); 22] = [
    ("create-lost@nth:1", 0),
    ("create-429@nth:1", 0),
    ("upload-500@nth:1", 0),
    ("upload-lost@nth:1", 0),
    ("files-late@first:2", 0),
    ("ids-empty@100%", 0),
    ("unknown-status@nth:1", 0),
    ("poll-500@first:2", 0),
    ("poll-404@nth:1", 0),
    ("download-broken@nth:1", 0),
    ("expired@nth:1", 0),
    ("failed@nth:1", 0),
    ("token-limit@nth:1", 0),
    ("upload-503@first:2", 0),
    ("line-invalid@nth:3", 0),
    ("line-missing@nth:3", 1),
    ("line-broken@nth:3", 1),
    ("line-long@nth:3", 1),
    ("line-twice@nth:3", 0),
    ("line-foreign@nth:3", 0),
    ("line-rate-limited@nth:3", 0),
    ("line-500@nth:3", 0),
];

#[test]
fn what_goes_wrong_with_a_batch_loses_no_answer_and_pays_for_none_twice() {
    for (fault, again) in FAULTS {
        let simulator = simulator(with_faults(&[fault]));
        let scene = scene(&simulator);
        let ran = rounds(&scene);
        assert_eq!(ran.code, Some(0), "{fault}: {ran:?}");
        assert_eq!(billed_more_than_once(&simulator), again, "{fault}");
        // Nothing that was paid for is left unused.
        let answers = scene.query("SELECT count(*) FROM completion");
        assert_eq!(answers, simulator.billed_lines().len() as u64, "{fault}");
    }
}

#[test]
fn what_goes_wrong_all_at_once_costs_no_task_and_no_answer() {
    const MANY: usize = 400;
    let simulator = simulator(with_faults(&[
        "create-lost@nth:1",
        "list-truncated@nth:1",
        "expired@nth:1",
        "files-late@first:2",
        "line-500@5%",
        "line-missing@2%",
        "line-twice@2%",
    ]));
    let scene = scene(&simulator);
    write_records(&scene, MANY, &format!("{MODEL}[batch]\nmax-lines = 150\n"));
    // Each batch has late files, and one after the other asks what the one before it has left.
    let ran = many_rounds(&scene, 5 * ROUNDS).ended(0);
    assert_eq!(ran.summary().complete(), MANY as u64);
    let lines = simulator.billed_lines();
    assert_eq!(lines.len(), MANY);
    // Only what was left out of the results is paid for again, which are about two of a hundred.
    let again: u64 = lines.values().map(|line| line.billed - 1).sum();
    assert!((1..30).contains(&again), "{again}");
    assert_eq!(scene.query("SELECT count(*) FROM completion"), MANY as u64);
}

#[test]
fn a_creation_that_nobody_answered_is_found_and_never_repeated() {
    let simulator = simulator(with_faults(&["create-lost@nth:1", "list-truncated@nth:1"]));
    let scene = scene(&simulator);
    let ran = step(&scene).ended(6);
    assert!(
        ran.notes()
            .join("\n")
            .contains("nobody knows whether it was created")
    );
    rounds(&scene).ended(0);
    assert_eq!(requests(&simulator, Request::Create), 1);
    assert_eq!(billed_more_than_once(&simulator), 0);
}

#[test]
fn a_lane_that_is_refused_fails_its_tasks_and_ends_the_run() {
    for fault in ["create-401@nth:1", "line-insufficient-quota@first:12"] {
        let simulator = simulator(with_faults(&[fault]));
        let scene = scene(&simulator);
        rounds(&scene).ended(5);
        assert_eq!(requests(&simulator, Request::Create), 1, "{fault}");
    }
}

#[test]
fn a_budget_holds_over_several_runs() {
    let simulator = simulator(told());
    let scene = scene(&simulator);
    let spend = |dollars: &str| {
        scene.host(&[
            "run",
            "--json",
            "--mode",
            "batch",
            "--no-wait",
            "--max-cost",
            dollars,
        ])
    };
    spend("0.02").ended(6);
    let handed_in = scene.query("SELECT lines FROM batch");
    assert!(handed_in < RECORDS as u64, "{handed_in}");
    // What is open is reserved, so the same budget has no room for more.
    spend("0.02").ended(6);
    assert_eq!(requests(&simulator, Request::Create), 1);
    let to_end = Advance {
        to_end: true,
        ..Advance::default()
    };
    simulator.advance_batches(&to_end).unwrap();
    let ran = spend("0.000001");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert_eq!(scene.query("SELECT count(*) FROM completion"), handed_in);
}

#[test]
fn a_small_rest_is_asked_one_by_one_in_the_mode_auto() {
    let simulator = simulator(BatchScript::default());
    let scene = scene(&simulator);
    scene.host(&["run", "--json", "--mode", "auto"]).ended(0);
    assert_eq!(asked_alone(&simulator), RECORDS);
    assert!(simulator.billed_lines().is_empty());
    let scene = self::scene(&simulator);
    write(&scene, &format!("{MODEL}[batch]\nmin-lines = 10\n"));
    scene.host(&["run", "--json", "--mode", "auto"]).ended(0);
    assert_eq!(simulator.billed_lines().len(), RECORDS);
}

#[test]
fn a_component_has_its_own_way_with_a_small_rest() {
    for (model, component, alone) in [("online", "auto", RECORDS), ("auto", "batch", 0)] {
        let simulator = simulator(BatchScript::default());
        let scene = scene(&simulator);
        write(
            &scene,
            &format!("{MODEL}mode = \"{model}\"\n[component.summary]\nmode = \"{component}\"\n"),
        );
        scene.host(&["run", "--json"]).ended(0);
        assert_eq!(asked_alone(&simulator), alone, "{component}");
    }
}

#[test]
fn a_batch_that_is_cancelled_is_collected_and_its_rest_is_asked_again() {
    let simulator = simulator(told());
    let scene = scene(&simulator);
    step(&scene).ended(6);
    let advance = |to_end: bool| {
        let advance = Advance {
            to_end,
            ..Advance::default()
        };
        simulator.advance_batches(&advance).unwrap();
    };
    advance(false);
    let said = scene.host(&["batches", "cancel", "--all"]).ended(0).stdout;
    assert!(said.contains("the provider ends it"), "{said}");
    advance(true);
    scene.host(&["batches", "collect"]).ended(0);
    let half = simulator.billed_lines().len() as u64;
    assert_eq!(scene.query("SELECT count(*) FROM completion"), half);
    step(&scene).ended(6);
    advance(true);
    rounds(&scene).ended(0);
    assert_eq!(billed_more_than_once(&simulator), 0);
}

#[test]
fn batches_are_split_by_lines_and_by_tokens() {
    let simulator = simulator(BatchScript::default());
    let scene = scene(&simulator);
    write(&scene, &format!("{MODEL}[batch]\nmax-lines = 5\n"));
    rounds(&scene).ended(0);
    let sizes: Vec<u64> = simulator
        .batches()
        .batches
        .iter()
        .map(|batch| batch.counts.total)
        .collect();
    assert_eq!(sizes, [5, 5, 2]);
}

#[test]
fn what_a_batch_does_not_answer_in_time_is_asked_one_by_one() {
    let simulator = simulator(told());
    let scene = scene(&simulator);
    write(&scene, &format!("{MODEL}[batch]\npatience-hours = 0\n"));
    step(&scene).ended(6);
    let advance = |to_end: bool| {
        let advance = Advance {
            to_end,
            ..Advance::default()
        };
        simulator.advance_batches(&advance).unwrap();
    };
    advance(false);
    let ran = step(&scene).ended(6);
    assert!(ran.notes().join("\n").contains("patience-hours"), "{ran:?}");
    assert_eq!(requests(&simulator, Request::Cancel), 1);
    // While it winds up, nothing of it is asked elsewhere.
    step(&scene).ended(6);
    assert_eq!(asked_alone(&simulator), 0);
    assert_eq!(requests(&simulator, Request::Cancel), 1);
    advance(true);
    step(&scene).ended(0);
    let in_batch = simulator.billed_lines().len();
    assert!((1..RECORDS).contains(&in_batch), "{in_batch}");
    assert_eq!(asked_alone(&simulator), RECORDS - in_batch);
}

#[test]
fn another_key_does_not_touch_the_batches_of_the_first() {
    let simulator = simulator(BatchScript::default());
    let scene = scene(&simulator);
    step(&scene).ended(6);
    let scene = scene.with("OPENAI_API_KEY", "sk-another-key-0123456789");
    let ran = step(&scene).ended(6);
    assert!(ran.notes().join("\n").contains("another key"), "{ran:?}");
    assert_eq!(requests(&simulator, Request::Poll), 0);
    rounds(&scene.with("OPENAI_API_KEY", KEY)).ended(0);
}

#[test]
fn questions_of_any_server_can_be_carried_as_files() {
    let simulator = simulator(BatchScript::default());
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .with("BATCHGEN_MODEL", "vllm/llama");
    write(&scene, "");
    let ran = step(&scene).ended(6);
    assert!(ran.notes().join("\n").contains("batches export"), "{ran:?}");
    scene
        .host(&["batches", "export", "questions.jsonl"])
        .ended(0);
    let answers: BTreeMap<String, Value> = scene
        .read("questions.jsonl")
        .lines()
        .map(|line| {
            let question: Value = serde_json::from_str(line).unwrap();
            let id = question["custom_id"].as_str().unwrap().to_owned();
            assert_eq!(question["body"]["model"], "llama");
            let message = json!({"role": "assistant", "content": "A short summary of the thing."});
            let body = json!({"model": "llama", "choices": [{"message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 50, "completion_tokens": 9}});
            let response = json!({"status_code": 200, "request_id": "r", "body": body});
            (id.clone(), json!({"id": "x", "custom_id": id, "response": response, "error": null}))
        })
        .collect();
    assert_eq!(answers.len(), RECORDS);
    let file =
        |lines: &[&Value]| -> String { lines.iter().map(|line| format!("{line}\n")).collect() };
    let all: Vec<&Value> = answers.values().collect();
    scene.write("half.jsonl", &file(&all[..5]));
    let said = scene
        .host(&["batches", "import", "half.jsonl"])
        .ended(0)
        .stdout;
    assert!(
        said.contains("5 questions settled") && said.contains("no answer: 7"),
        "{said}"
    );
    scene.write(
        "all.jsonl",
        &(file(&all) + "{\"custom_id\": \"stranger\", \"response\": {}}\nno json\n"),
    );
    let said = scene
        .host(&["batches", "import", "all.jsonl"])
        .ended(0)
        .stdout;
    assert!(said.contains("7 questions settled"), "{said}");
    assert!(
        said.contains("not used: 1") && said.contains("cannot be read: 1"),
        "{said}"
    );
    let ran = step(&scene);
    let made = scene.query("SELECT count(*) FROM task WHERE outcome = 'done'");
    assert_eq!(made, RECORDS as u64, "{ran:?}");
    drop(simulator);
}

#[test]
fn anthropic_takes_batches_without_a_file() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Echo,
        dialect: Dialect::Anthropic,
        batch: with_faults(&["create-lost@nth:1", "line-500@nth:2"]),
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .with("ANTHROPIC_API_KEY", KEY)
        .with("BATCHGEN_MODEL", "anthropic/sim")
        .with("BATCHGEN_TRUST", "1");
    let provider = format!(
        "[provider.anthropic]\nbase-url = \"{}\"\n",
        simulator.base_url()
    );
    write(&scene, &provider);
    let ran = rounds(&scene).ended(0);
    assert_eq!(ran.summary().complete(), RECORDS as u64);
    assert_eq!(billed_more_than_once(&simulator), 0);
    assert_eq!(requests(&simulator, Request::Upload), 0);
}
