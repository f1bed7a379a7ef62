//! Questions that begin alike and are asked in batches: one goes ahead, and the others read what it has written to the prompt
//! cache.

use simulator::{Advance, Answers, BatchScript, Config, Dialect, Pace, Request, Simulator};

use super::batches::{
    RECORDS, billed_more_than_once, requests, rounds, step, told, with_faults, write,
};
use crate::scene::{KEY, Scene};

/// As the simulator counts them.
const SHARED: u64 = 2000;
const BOOKED: &str = "SELECT sum(cost_micros) FROM completion";

fn anthropic(script: BatchScript) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Echo,
        dialect: Dialect::Anthropic,
        batch: script,
        ..Config::default()
    })
    .unwrap()
}

/// A project whose questions begin with the same instructions.
fn scene(simulator: &Simulator, more: &str) -> Scene {
    let scene = Scene::new()
        .with_plugin("plugins/prompt")
        .with("ANTHROPIC_API_KEY", KEY)
        .with("BATCHGEN_MODEL", "anthropic/sim")
        .with("BATCHGEN_TRUST", "1");
    let line = "Write plain sentences about the thing.\n";
    let lines = usize::try_from(SHARED).unwrap() * 4 / line.len() + 1;
    scene.write("write.md", &line.repeat(lines));
    let price = "input = 5.0, output = 10.0, cached-input = 0.5, cache-write = 6.25, long-cache-write = 10.0";
    write(
        &scene,
        &format!(
            "[component.note]\nplugin = \"prompt\"\ninput = {{ record = [\"name\"] }}\n[component.note.prompts]\nwrite = \"write.md\"\n\
             [provider.anthropic]\nbase-url = \"{}\"\n[models.\"anthropic/sim\"]\nbatch-price = {{ {price} }}\n{more}",
            simulator.base_url()
        ),
    );
    scene
}

const FEW: &str = "[batch]\nmin-lines = 5\n";

fn to_end(simulator: &Simulator) {
    let to_end = Advance {
        to_end: true,
        ..Advance::default()
    };
    simulator.advance_batches(&to_end).unwrap();
}

/// How many lines each batch had, how many tokens all of them read from the cache and wrote to it, and what that cost.
fn ledger(simulator: &Simulator) -> (Vec<u64>, u64, u64, u64) {
    let batches = simulator.batches().batches;
    let sizes = batches.iter().map(|batch| batch.counts.total).collect();
    let calls = simulator.ledger().calls;
    let read = calls.iter().map(|call| call.cached_tokens).sum();
    let written = calls.iter().map(|call| call.cache_write_tokens).sum();
    let halves: u64 = calls
        .iter()
        .map(|call| {
            let fresh = call.input_tokens - call.cached_tokens - call.cache_write_tokens;
            fresh * 10 + call.cached_tokens + call.cache_write_tokens * 20 + call.output_tokens * 20
        })
        .sum();
    (sizes, read, written, halves / 2)
}

#[test]
fn one_question_goes_ahead_and_the_others_read_what_it_wrote() {
    let simulator = anthropic(told());
    let scene = scene(&simulator, FEW);
    let plan = scene.host(&["plan"]).ended(0).stdout;
    let planned = "in 2 rounds of batches";
    assert!(
        plan.contains(planned) && plan.contains("go ahead"),
        "{plan}"
    );
    let ran = step(&scene).ended(6);
    assert!(ran.notes().join("\n").contains("goes ahead"), "{ran:?}");
    // While it is under way, nothing follows, whichever run looks at it.
    step(&scene).ended(6);
    assert_eq!(requests(&simulator, Request::Create), 1);
    to_end(&simulator);
    step(&scene).ended(6);
    to_end(&simulator);
    let ran = rounds(&scene).ended(0);
    assert_eq!(ran.summary().complete(), RECORDS as u64);
    let (sizes, read, written, cost) = ledger(&simulator);
    assert_eq!(sizes, [1, RECORDS as u64 - 1]);
    // The first question of all came before anybody could know what it shares.
    let others = RECORDS as u64 - 2;
    assert!((SHARED..SHARED + 100).contains(&written), "{written}");
    assert_eq!(read, others * written);
    let booked = scene.query(BOOKED);
    assert!(booked.abs_diff(cost) <= RECORDS as u64, "{booked} {cost}");
    assert_eq!(billed_more_than_once(&simulator), 0);
}

#[test]
fn nothing_goes_ahead_where_it_does_not_pay() {
    // Few questions, a cache that keeps for minutes, and a price that is not known.
    let minutes = format!("prompt-cache = \"5m\"\n{FEW}");
    for more in ["", &minutes] {
        let simulator = anthropic(BatchScript::default());
        rounds(&scene(&simulator, more)).ended(0);
        let (sizes, read, written, _) = ledger(&simulator);
        assert_eq!(
            (sizes, read, written),
            (vec![RECORDS as u64], 0, 0),
            "{more}"
        );
    }
}

#[test]
fn the_others_follow_unmarked_where_the_first_one_fails() {
    let simulator = anthropic(BatchScript {
        pace: Pace::told(),
        ..with_faults(&["line-500@nth:1"])
    });
    let scene = scene(&simulator, FEW);
    step(&scene).ended(6);
    for _ in 0..2 {
        to_end(&simulator);
        step(&scene);
    }
    to_end(&simulator);
    let ran = rounds(&scene).ended(0);
    assert_eq!(ran.summary().complete(), RECORDS as u64);
    let (sizes, read, written, _) = ledger(&simulator);
    assert_eq!((sizes, read, written), (vec![1, RECORDS as u64], 0, 0));
}
