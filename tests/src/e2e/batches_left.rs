//! What batches leave behind: tries that were billed, failures that several tasks share, limits that were learned, and batches
//! that nobody asks for any more.

use std::collections::BTreeSet;

use serde_json::json;
use simulator::{Advance, Answers, BatchScript, Config, Dialect, Pace, Request, Simulator, Stage};

use super::batches::{
    MODEL, RECORDS, asked_alone, billed_more_than_once, requests, rounds, scene, simulator, step,
    told, with_faults, write,
};
use crate::scene::{KEY, Scene};

fn to_end(simulator: &Simulator) {
    let to_end = Advance {
        to_end: true,
        ..Advance::default()
    };
    simulator.advance_batches(&to_end).unwrap();
}

/// What the provider billed; millionths of a dollar.
fn bill(simulator: &Simulator) -> u64 {
    let calls = simulator.ledger().calls;
    let costs = calls.iter().map(|call| match call.batch {
        Some(_) => call.input_tokens * 5 + call.output_tokens * 10,
        None => call.input_tokens * 10 + call.output_tokens * 20,
    });
    costs.sum()
}

/// What the state says was billed.
fn booked(scene: &Scene) -> u64 {
    scene.query(
        "SELECT (SELECT coalesce(sum(cost_micros), 0) FROM completion)
            + (SELECT coalesce(sum(cost_micros), 0) FROM billed)",
    )
}

#[test]
fn what_tries_in_batches_took_is_booked_when_the_question_is_asked_alone() {
    let simulator = simulator(BatchScript {
        pace: Pace::told(),
        ..with_faults(&["line-length@nth:3"])
    });
    let scene = scene(&simulator);
    step(&scene).ended(6);
    to_end(&simulator);
    scene.host(&["batches", "collect"]).ended(0);
    let again = "SELECT count(*) FROM question WHERE state = 'again' AND cost_micros > 0";
    assert_eq!(scene.query(again), 1);
    let stats = scene.host(&["store", "stats", "--json"]).ended(0).stdout;
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(
        stats["lanes"][0]["cost_micros"],
        bill(&simulator),
        "{stats}"
    );
    let ran = scene.host(&["run", "--json", "--mode", "online"]).ended(0);
    assert_eq!(ran.summary().complete(), RECORDS as u64);
    assert_eq!(asked_alone(&simulator), 1);
    assert_eq!(booked(&scene), bill(&simulator));
    assert_eq!(scene.query("SELECT count(*) FROM question"), 0);
}

#[test]
fn what_tries_in_batches_took_is_booked_once_when_they_all_fail() {
    // Each is cut off at every cap, so it is asked in several batches, and brings nothing at last.
    let simulator = simulator(with_faults(&["line-empty-content@containing:Twin"]));
    let scene = scene(&simulator);
    twins(&scene);
    rounds(&scene).ended(3);
    assert_eq!(booked(&scene), bill(&simulator));
}

/// Two records that ask the same, besides others.
fn twins(scene: &Scene) {
    let records: String = (0..RECORDS)
        .map(|id| {
            let name = match id {
                3 | 7 => "Twin".to_owned(),
                _ => format!("Thing {id}"),
            };
            let record = json!({"id": format!("r{id}"), "name": name, "category": "c"});
            format!("{record}\n")
        })
        .collect();
    scene.write("records.jsonl", &records);
}

#[test]
fn tasks_that_ask_the_same_fail_in_the_same_round() {
    let simulator = simulator(with_faults(&["line-invalid@containing:Twin"]));
    let scene = scene(&simulator);
    twins(&scene);
    step(&scene).ended(6);
    // It fails as a whole, and names one line, for which two tasks wait.
    let ran = step(&scene).ended(6);
    assert_eq!(ran.failures().len(), 2, "{ran:?}");
    // A later run asks once more, and for both again.
    let ran = rounds(&scene).ended(3);
    assert_eq!(ran.failures().len(), 2, "{ran:?}");
    assert_eq!(requests(&simulator, Request::Create), 3);
}

#[test]
fn how_many_tokens_may_wait_is_learned_once() {
    let mut script = with_faults(&[]);
    script.limits.enqueued_tokens = Some(400);
    let simulator = simulator(script);
    let scene = scene(&simulator);
    let is_refused = |stage: Stage| stage == Stage::Failed;
    let mut ran = step(&scene).ended(6);
    for _ in 0..60 {
        if ran.code != Some(6) {
            break;
        }
        ran = step(&scene);
    }
    ran.ended(0);
    let batches = simulator.batches().batches;
    let first = batches.iter().position(|batch| !is_refused(batch.stage));
    let (refused, later) = batches.split_at(first.unwrap());
    // The provider counts tokens in its own way, so its number alone may not do.
    assert!((1..=3).contains(&refused.len()), "{batches:?}");
    // What was learned outlasts the process.
    let is_well = later.iter().all(|batch| !is_refused(batch.stage));
    assert!(is_well && later.len() > 3, "{batches:?}");
    assert_eq!(billed_more_than_once(&simulator), 0);
}

#[test]
fn batches_that_no_component_asks_for_any_more_are_collected() {
    let simulator = simulator(told());
    let scene = scene(&simulator);
    step(&scene).ended(6);
    to_end(&simulator);
    let other = ["run", "--json", "--model", "offline", "--no-wait"];
    scene.host(&other).ended(0);
    let kept = "SELECT count(*) FROM completion WHERE lane = 'openai/sim'";
    assert_eq!(scene.query(kept), RECORDS as u64);
    assert_eq!(booked(&scene), bill(&simulator));
}

#[test]
fn batches_that_nobody_asks_for_are_left_alone_where_their_server_is_not_trusted_any_more() {
    let simulator = simulator(told());
    let provider = format!(
        "[provider.mine]\npreset = \"openai\"\nbase-url = \"{}\"\napi-key-env = \"OTHER_SECRET\"\n",
        simulator.base_url()
    );
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .with("OTHER_SECRET", KEY);
    write(&scene, &provider);
    let scene = scene.with("BATCHGEN_TRUST", "1");
    let mine = ["run", "--json", "--mode", "batch", "--no-wait", "--model"];
    scene.host(&[&mine[..], &["mine/sim"]].concat()).ended(6);
    to_end(&simulator);
    let scene = scene.with("BATCHGEN_TRUST", "0");
    let other = ["run", "--json", "--model", "offline", "--no-wait"];
    let ran = scene.host(&other).ended(0);
    let notes = ran.notes().join("\n");
    assert!(notes.contains("not trusted"), "{notes}");
    assert_eq!(requests(&simulator, Request::Poll), 0);
    let scene = scene.with("BATCHGEN_TRUST", "1");
    scene.host(&["batches", "collect"]).ended(0);
    let kept = "SELECT count(*) FROM completion WHERE lane = 'mine/sim'";
    assert_eq!(scene.query(kept), RECORDS as u64);
}

#[test]
fn a_batch_is_fetched_from_the_endpoint_that_has_it() {
    let simulator = Simulator::start(Config {
        answers: Answers::Echo,
        batch: told(),
        ..Config::default()
    })
    .unwrap();
    let scene = scene(&simulator)
        .with("KEY_A", "sk-a-0123456789")
        .with("KEY_B", "sk-b-0123456789")
        .with("BATCHGEN_TRUST", "1");
    let endpoints = |first: &str, second: &str| {
        format!(
            "[provider.openai]\nendpoints = [{{ api-key-env = \"KEY_{first}\" }}, {{ api-key-env = \"KEY_{second}\" }}]\n{MODEL}"
        )
    };
    write(&scene, &endpoints("A", "B"));
    step(&scene).ended(6);
    to_end(&simulator);
    write(&scene, &endpoints("B", "A"));
    step(&scene).ended(0);
    assert_eq!(requests(&simulator, Request::Create), 1);
    assert_eq!(asked_alone(&simulator), 0);
}

/// A project that asks Anthropic in batches.
fn of_anthropic(simulator: &Simulator) -> Scene {
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
    scene
}

#[test]
fn two_projects_with_one_key_do_not_take_each_others_batches() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Echo,
        dialect: Dialect::Anthropic,
        batch: BatchScript {
            pace: Pace::told(),
            ..with_faults(&["create-lost@nth:1"])
        },
        ..Config::default()
    })
    .unwrap();
    // Nothing that Anthropic shows of a batch says whose it is, and the two are of one size.
    let (mine, yours) = (of_anthropic(&simulator), of_anthropic(&simulator));
    let records = yours.read("records.jsonl").replace("Thing", "Other thing");
    yours.write("records.jsonl", &records);
    let ran = step(&mine).ended(6);
    let doubt = "nobody knows whether it was created";
    assert!(ran.notes().join("\n").contains(doubt), "{ran:?}");
    step(&yours).ended(6);
    let ran = step(&mine).ended(6);
    assert!(ran.notes().join("\n").contains("it may be"), "{ran:?}");
    to_end(&simulator);
    for scene in [&mine, &yours] {
        let ran = rounds(scene).ended(0);
        assert_eq!(ran.summary().complete(), RECORDS as u64);
        assert_eq!(
            scene.query("SELECT count(*) FROM completion"),
            RECORDS as u64
        );
    }
    assert_eq!(requests(&simulator, Request::Create), 2);
    assert_eq!(billed_more_than_once(&simulator), 0);
}

#[test]
fn an_exported_batch_that_is_cancelled_is_asked_again() {
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .with("BATCHGEN_MODEL", "vllm/llama");
    write(&scene, "");
    let export = |file: &str| scene.host(&["batches", "export", file]);
    step(&scene).ended(6);
    export("one.jsonl").ended(0);
    step(&scene).ended(6);
    export("two.jsonl").ended(2);
    let said = scene.host(&["batches", "cancel", "--all"]).ended(0).stdout;
    assert!(said.contains("dissolved"), "{said}");
    step(&scene).ended(6);
    export("two.jsonl").ended(0);
    let lines = |file: &str| -> BTreeSet<String> {
        scene.read(file).lines().map(ToOwned::to_owned).collect()
    };
    assert_eq!(lines("two.jsonl"), lines("one.jsonl"));
}

#[test]
fn a_question_that_is_too_long_for_a_batch_falls_back_to_another_model() {
    let fault = "line-context-length-exceeded@containing:Thing 3";
    let simulator = simulator(with_faults(&[fault]));
    let scene = scene(&simulator);
    let fallback = "fallback = [\"openai/large\"]\nfallback-on = [\"context\"]\n";
    write(&scene, &format!("{MODEL}{fallback}"));
    let ran = rounds(&scene).ended(0);
    assert_eq!(ran.summary().complete(), RECORDS as u64);
    let calls = simulator.ledger().calls;
    let alone: Vec<&str> = calls
        .iter()
        .filter(|call| call.batch.is_none())
        .map(|call| call.model.as_str())
        .collect();
    assert_eq!(alone, ["large"]);
}

#[test]
fn no_more_tokens_are_handed_in_than_is_configured() {
    let mut script = with_faults(&[]);
    script.limits.enqueued_tokens = Some(400);
    let simulator = simulator(script);
    let scene = scene(&simulator);
    write(&scene, &format!("{MODEL}[batch]\nenqueued-tokens = 350\n"));
    rounds(&scene).ended(0);
    let batches = simulator.batches().batches;
    assert!(batches.len() > 1, "{batches:?}");
    let is_well = batches.iter().all(|batch| batch.stage == Stage::Completed);
    assert!(is_well, "{batches:?}");
}

#[test]
fn what_is_left_at_the_provider_is_listed_and_removed() {
    // Nobody learns of the first upload, so there is another.
    let simulator = simulator(BatchScript {
        pace: Pace::told(),
        ..with_faults(&["upload-lost@nth:1"])
    });
    let (mine, yours) = (scene(&simulator), scene(&simulator));
    step(&mine).ended(6);
    step(&mine).ended(6);
    let orphans = |scene: &Scene| scene.host(&["batches", "orphans"]).ended(0).stdout;
    let remove = ["batches", "orphans", "--remove"];
    assert_eq!(simulator.batches().files, 2);
    let said = orphans(&mine);
    assert_eq!(
        (said.matches("file-").count(), said.matches("yes").count()),
        (1, 1),
        "{said}"
    );
    // Another project with the same key has nothing to do with it: it is told, and removes nothing by itself.
    let said = orphans(&yours);
    assert!(
        said.contains("batch, in_progress") || said.contains("batch, validating"),
        "{said}"
    );
    assert_eq!(yours.host(&remove).ended(0).stdout, "");
    assert_eq!(simulator.batches().files, 2);
    yours.host(&[&remove[..], &["file-none"]].concat()).ended(2);
    let said = mine.host(&remove).ended(0).stdout;
    assert!(said.contains("removed"), "{said}");
    assert_eq!(simulator.batches().files, 1);
    to_end(&simulator);
    rounds(&mine).ended(0);
    mine.host(&remove).ended(0);
    assert!(orphans(&mine).contains("nothing lies"));
    // A batch that nobody knows is cancelled when it is named.
    let records = mine.read("records.jsonl").replace("Thing", "Other thing");
    mine.write("records.jsonl", &records);
    step(&mine).ended(6);
    let batch = simulator.batches().batches.last().unwrap().id.clone();
    yours.host(&[&remove[..], &[&batch]].concat()).ended(0);
    assert_eq!(requests(&simulator, Request::Cancel), 1);
}
