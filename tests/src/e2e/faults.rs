//! What goes wrong at the provider costs no more than it must.

use crate::scene::{KEY, Scene};
use simulator::{Config, Fault, FaultKind, Limits, Simulator, When};

fn failing(faults: Vec<Fault>) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        faults,
        ..Config::default()
    })
    .unwrap()
}

fn fault(kind: FaultKind, when: When) -> Vec<Fault> {
    vec![Fault { kind, when }]
}

/// The example plugin: any answer suits it, so only the provider can go wrong.
fn summaries(simulator: &Simulator) -> Scene {
    Scene::new()
        .with_plugin("example-plugins/summary")
        .asking(simulator)
}

#[test]
fn what_can_succeed_is_tried_again() {
    for kind in [
        FaultKind::Status(500),
        FaultKind::Status(503),
        FaultKind::Status(409),
        FaultKind::RateLimited(Some(10)),
        FaultKind::ResetBeforeBody,
        FaultKind::ResetInBody,
        FaultKind::TruncatedJson,
        FaultKind::WrongContentType,
        FaultKind::EmptyContent,
    ] {
        let simulator = failing(fault(kind, When::Request(2)));
        let summary = summaries(&simulator)
            .run(&["--limit", "4"])
            .ended(0)
            .summary();
        assert_eq!(summary.complete(), 4, "{kind:?}");
        assert_eq!(summary.calls("failed_tries"), 1, "{kind:?}");
        assert_eq!(simulator.ledger().requests, 5, "{kind:?}");
    }
}

#[test]
fn a_stream_that_falls_silent_is_given_up_and_tried_again() {
    for kind in [FaultKind::HangBeforeBody, FaultKind::HangInBody] {
        let simulator = failing(fault(kind, When::FirstAttempts(1)));
        let scene = summaries(&simulator);
        scene.configure("[retry]\nidle-timeout-seconds = 1\n");
        let summary = scene.run(&["--limit", "2"]).ended(0).summary();
        assert_eq!(
            (summary.complete(), summary.calls("failed_tries")),
            (2, 2),
            "{kind:?}"
        );
    }
}

#[test]
fn what_fails_for_longer_than_the_retries_is_swept_up() {
    let simulator = failing(fault(FaultKind::Status(500), When::FirstAttempts(3)));
    let ran = summaries(&simulator).run(&["--limit", "3"]).ended(0);
    assert_eq!(ran.summary().complete(), 3);
    assert_eq!(
        ran.failures().len(),
        3,
        "each is told, and tried again at the end"
    );
}

#[test]
fn a_storm_of_faults_costs_no_record() {
    let mut faults = fault(FaultKind::Status(500), When::Probability(0.05));
    faults.extend(fault(
        FaultKind::RateLimited(Some(5)),
        When::Probability(0.05),
    ));
    faults.extend(fault(FaultKind::ResetInBody, When::Probability(0.02)));
    let simulator = failing(faults);
    let summary = Scene::new().asking(&simulator).run(&[]).ended(0).summary();
    assert_eq!(summary.complete(), 109);
    assert_eq!(simulator.ledger().billed_again(), 0);
}

#[test]
fn one_record_that_always_fails_costs_only_itself() {
    let simulator = failing(fault(
        FaultKind::Status(500),
        When::Containing("\"Titanium\"".to_owned()),
    ));
    let scene = Scene::new().asking(&simulator);
    let arguments = [
        "--record", "titanium", "--record", "iron", "--record", "oak",
    ];
    let ran = scene.run(&arguments).ended(3);
    let summary = ran.summary();
    assert_eq!((summary.complete(), summary.records()), (2, 3));
    // Frontmatter and tags fail; metatags and text wait for the frontmatter; the table needs nobody.
    assert_eq!((summary.count("failed"), summary.count("blocked")), (2, 2));
    assert_eq!(summary.of("table", "made"), 3);
    simulator.set_faults(Vec::new());
    let summary = scene.run(&arguments).ended(0).summary();
    assert_eq!((summary.complete(), summary.count("made")), (3, 4));
}

#[test]
fn a_wrong_key_ends_the_run_after_one_request_for_each_that_was_under_way() {
    let simulator = failing(Vec::new());
    let scene = summaries(&simulator)
        .with("OPENAI_API_KEY", "sk-wrong")
        .with("BATCHGEN_CONCURRENCY", "1");
    let ran = scene.host(&["run"]).ended(5);
    assert_eq!(
        simulator.ledger().requests,
        1,
        "nothing that cannot succeed is tried again"
    );
    assert!(ran.stdout.contains("stopped: auth"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("sk-wrong") && !ran.stdout.contains("sk-wrong"));
    let summary = scene
        .with("OPENAI_API_KEY", KEY)
        .run(&[])
        .ended(0)
        .summary();
    assert_eq!(summary.complete(), 109, "with the right key it goes on");
}

#[test]
fn an_exhausted_quota_and_an_unknown_model_end_the_run() {
    for (kind, class) in [
        (FaultKind::InsufficientQuota, "quota"),
        (FaultKind::ModelNotFound, "not-found"),
    ] {
        let simulator = failing(fault(kind, When::Probability(1.0)));
        let scene = summaries(&simulator).with("BATCHGEN_CONCURRENCY", "1");
        let ran = scene.host(&["run"]).ended(5);
        assert_eq!(simulator.ledger().requests, 1, "{kind:?}");
        assert!(
            ran.stdout.contains(&format!("stopped: {class}")),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_server_that_is_down_ends_the_run_and_a_rerun_goes_on() {
    let simulator = failing(Vec::new());
    let address = simulator.base_url().to_owned();
    simulator.shutdown();
    let scene = Scene::new()
        .with("OPENAI_API_KEY", KEY)
        .with("OPENAI_BASE_URL", &address)
        .with("BATCHGEN_MODEL", "openai/sim")
        .with("BATCHGEN_REQUESTS_PER_MINUTE", "1000000");
    scene.configure("[retry]\nmax-outage-seconds = 1\n");
    let ran = scene.run(&["--category", "glass"]).ended(3);
    let summary = ran.summary();
    assert_eq!(summary.complete(), 0);
    assert_eq!(
        summary.of("table", "made"),
        8,
        "what needs no model is made all the same"
    );
    assert!(ran.stdout.contains("cannot connect"), "{}", ran.stdout);
    let up = failing(Vec::new());
    let summary = scene
        .asking(&up)
        .run(&["--category", "glass"])
        .ended(0)
        .summary();
    assert_eq!(summary.complete(), 8);
}

#[test]
fn an_answer_that_is_cut_off_is_asked_for_with_twice_the_cap() {
    let simulator = failing(fault(FaultKind::Length, When::Request(1)));
    let summary = summaries(&simulator)
        .run(&["--limit", "1"])
        .ended(0)
        .summary();
    assert_eq!((summary.complete(), simulator.ledger().requests), (1, 2));
}

#[test]
fn what_is_always_cut_off_or_filtered_is_never_published() {
    for kind in [
        FaultKind::Length,
        FaultKind::ContentFilterError,
        FaultKind::ContentFilterFinish,
    ] {
        let simulator = failing(fault(kind, When::Probability(1.0)));
        let scene = summaries(&simulator);
        scene.run(&["--limit", "1"]).ended(3);
        assert_eq!(
            scene.query("SELECT count(*) FROM task WHERE outcome = 'done'"),
            0,
            "{kind:?}"
        );
        assert!(!scene.path("content").exists(), "{kind:?}");
    }
}

#[test]
fn told_the_limit_it_never_meets_it() {
    let limits = Limits {
        requests_per_minute: Some(40),
        ..Limits::default()
    };
    let config = Config {
        key: Some(KEY.to_owned()),
        limits,
        ..Config::default()
    };
    let simulator = Simulator::start(config).unwrap();
    let scene = summaries(&simulator).with("BATCHGEN_REQUESTS_PER_MINUTE", "40");
    let summary = scene.run(&["--limit", "40"]).ended(0).summary();
    assert_eq!(summary.complete(), 40);
    assert_eq!(simulator.ledger().status(429), 0);
}

#[test]
fn a_budget_ends_the_run_and_a_rerun_goes_on() {
    let simulator = failing(Vec::new());
    let scene = summaries(&simulator).with("BATCHGEN_CONCURRENCY", "4");
    let ran = scene
        .run(&["--limit", "40", "--max-tokens", "3000"])
        .ended(4);
    let spent = simulator.totals().tokens;
    let spent = spent.input + spent.output;
    assert!((1000..=3000).contains(&spent), "{spent}");
    let (made, calls) = (ran.summary().count("made"), ran.summary().calls("calls"));
    assert!(calls < 40, "{calls}");
    assert_eq!(made, calls, "what was paid for is made use of");
    let rest = scene.run(&["--limit", "40"]).ended(0).summary();
    assert_eq!((rest.complete(), rest.calls("calls")), (40, 40 - calls));
    // A price that nobody knows cannot be kept to.
    let ran = scene.host(&["run", "--max-cost", "1"]).ended(2);
    assert!(
        ran.stderr.contains("price of `openai/sim` is not known"),
        "{}",
        ran.stderr
    );
    scene.configure("[models.\"openai/sim\"]\nprice = { input = 1.0, output = 2.0 }\n");
    let ran = scene.host(&["run", "--max-cost", "0.001"]).ended(4);
    assert!(ran.stdout.contains("cost $0.00"), "{}", ran.stdout);
}

#[test]
fn another_model_answers_when_the_first_cannot() {
    for kind in [
        FaultKind::InsufficientQuota,
        FaultKind::ModelNotFound,
        FaultKind::ContextLengthExceeded,
        FaultKind::ContentFilterError,
    ] {
        let first = failing(fault(kind, When::Probability(1.0)));
        let second = failing(Vec::new());
        let scene = summaries(&first).with("SECOND_KEY", KEY);
        scene.configure(&format!(
            "[models.\"openai/sim\"]\nfallback = [\"second/sim\"]\n\
             [provider.second]\nbase-url = \"{}\"\napi-key-env = \"SECOND_KEY\"\n",
            second.base_url()
        ));
        let summary = scene.run(&["--limit", "3"]).ended(0).summary();
        assert_eq!(summary.complete(), 3, "{kind:?}");
        assert_eq!(
            scene.query("SELECT count(*) FROM completion WHERE lane = 'second/sim'"),
            3,
            "{kind:?}"
        );
    }
}

#[test]
fn the_key_is_in_nothing_that_a_run_leaves_behind() {
    let simulator = failing(fault(FaultKind::Status(500), When::Probability(0.3)));
    let scene = Scene::new()
        .asking(&simulator)
        .with("BATCHGEN_LOG", "trace");
    let ran = scene.run(&["--limit", "5"]);
    let mut texts = vec![ran.stdout.into_bytes(), ran.stderr.into_bytes()];
    for file in ["", "-wal", ".lock"] {
        texts.extend(std::fs::read(
            scene.path(&format!(".batchgen/state.db{file}")),
        ));
    }
    texts.extend(scene.content().into_values().map(String::into_bytes));
    assert!(texts.len() > 3);
    for text in texts {
        assert!(
            !text
                .windows(KEY.len())
                .any(|window| window == KEY.as_bytes())
        );
    }
}
