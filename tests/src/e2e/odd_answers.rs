//! What servers of the world send that no documentation promises: an answer counts whatever its shape, and what is none is
//! told by its cause and not paid for again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::scene::{KEY, Ran, Scene};
use simulator::{Config, Fault, FaultKind, Odd, Simulator, When};

/// Odd in shape, and whole.
const WHOLE: [Odd; 18] = [
    Odd::Parts,
    Odd::NullUsage,
    Odd::ZeroUsage,
    Odd::TextUsage,
    Odd::InnerUsage,
    Odd::NoReason,
    Odd::EmptyReason,
    Odd::CapitalReason,
    Odd::PlainText,
    Odd::Noise,
    Odd::Behind,
    Odd::Repeated,
    Odd::EmptyError,
    Odd::EmptyRefusal,
    Odd::OddFields,
    Odd::Thoughts,
    Odd::EndToken,
    Odd::HalfPair,
];

fn simulator(kind: Option<FaultKind>, when: When) -> Simulator {
    let faults = kind.map(|kind| Fault { kind, when });
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        faults: faults.into_iter().collect(),
        ..Config::default()
    })
    .unwrap()
}

/// What came of three records, asked one after the other.
fn run(simulator: &Simulator, is_stream: bool) -> (Ran, BTreeMap<String, String>) {
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .asking(simulator)
        .with("BATCHGEN_CONCURRENCY", "1");
    scene.configure(&format!("[provider.openai]\nstream = {is_stream}\n"));
    let ran = scene.run(&["--limit", "3"]);
    let content = if scene.path("content").exists() {
        scene.content()
    } else {
        BTreeMap::new()
    };
    (ran, content)
}

fn odd(odd: Odd, is_stream: bool) -> (Ran, BTreeMap<String, String>, u64) {
    let simulator = simulator(Some(FaultKind::Odd(odd)), When::Probability(1.0));
    let (ran, content) = run(&simulator, is_stream);
    (ran, content, simulator.ledger().requests)
}

#[test]
fn an_answer_counts_whatever_its_shape() {
    for is_stream in [true, false] {
        let (plain, expected) = run(&simulator(None, When::Request(1)), is_stream);
        plain.ended(0);
        assert_eq!(expected.len(), 3);
        for kind in WHOLE {
            let (ran, mut content, requests) = odd(kind, is_stream);
            let ran = ran.ended(0);
            if kind == Odd::HalfPair {
                for text in content.values_mut() {
                    assert!(text.contains('\u{fffd}'), "{text}");
                    *text = text.replace('\u{fffd}', "");
                }
            }
            assert_eq!(content, expected, "{kind:?}, streamed: {is_stream}");
            assert_eq!(requests, 3, "{kind:?}, streamed: {is_stream}");
            let summary = ran.summary();
            assert_eq!(summary.calls("failed_tries"), 0, "{kind:?}");
            for tokens in ["input_tokens", "output_tokens"] {
                let tokens = summary.calls(tokens);
                assert!((3..100_000).contains(&tokens), "{kind:?}: {tokens} tokens");
            }
        }
    }
}

#[test]
fn what_is_no_answer_is_told_by_its_cause_and_asked_for_a_few_times() {
    for (kind, cause, most) in [
        (Odd::UnknownReason, "the reason `pause_turn`", 5),
        (Odd::Elsewhere, "all of it is in `reasoning_content`", 4),
        (Odd::Tool, "called the tool `search`", 4),
        (Odd::Packed, "packed with gzip", 3),
    ] {
        for is_stream in [true, false] {
            let (ran, content, requests) = odd(kind, is_stream);
            let ran = ran.ended(3);
            assert_eq!(content, BTreeMap::new(), "{kind:?}");
            let told = format!("{}{}", ran.stdout, ran.stderr);
            assert!(told.contains(cause), "{kind:?}: {told}");
            assert!(requests <= most, "{kind:?}: {requests} requests");
        }
    }
}

#[test]
fn an_error_within_a_success_ends_the_run_as_its_status_would() {
    for is_stream in [true, false] {
        let (ran, _, requests) = odd(Odd::ErrorInside, is_stream);
        let ran = ran.ended(5);
        assert_eq!(requests, 1);
        assert!(
            ran.stdout.contains("Insufficient credits"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_hint_in_words_is_waited_for() {
    let hint = Duration::from_millis(700);
    let kind = FaultKind::HintInWords(700);
    let simulator = simulator(Some(kind), When::Request(1));
    let started = Instant::now();
    let (ran, _) = run(&simulator, true);
    let summary = ran.ended(0).summary();
    assert!(started.elapsed() >= hint, "{:?}", started.elapsed());
    assert_eq!((summary.complete(), summary.calls("failed_tries")), (3, 1));
    assert_eq!(simulator.ledger().requests, 4);
}
