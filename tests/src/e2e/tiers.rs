//! The flex tier: its price, its waits, and what its refusals teach.

use simulator::{Answers, Config, Dialect, Fault, FaultKind, Flex, Simulator, When};

use crate::scene::{KEY, Scene};

/// Dollars for a million tokens, so micro-dollars for one.
const MODEL: &str = "[models.\"openai/sim\"]\nservice-tier = \"flex\"\nprice = { input = 10.0, output = 20.0 }\n\
                     flex-price = { input = 5.0, output = 10.0 }\n";

fn scene(simulator: &Simulator) -> Scene {
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .asking(simulator);
    scene.configure(MODEL);
    scene
}

fn simulator(flex: Flex, faults: Vec<Fault>) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Echo,
        flex,
        faults,
        ..Config::default()
    })
    .unwrap()
}

/// What the simulator would have billed, in micro-dollars.
fn billed(simulator: &Simulator) -> u64 {
    let ledger = simulator.ledger();
    let cost = |flex: bool, input: u64, output: u64| {
        let (of_input, of_output) = if flex { (5, 10) } else { (10, 20) };
        input * of_input + output * of_output
    };
    ledger
        .calls
        .iter()
        .map(|call| cost(call.flex, call.input_tokens, call.output_tokens))
        .sum()
}

const COST: &str = "SELECT coalesce(sum(cost_micros), 0) FROM completion";

#[test]
fn calls_cost_what_the_tier_costs_that_served_them() {
    let all = simulator(Flex::default(), Vec::new());
    let scene = scene(&all);
    scene.run(&["--limit", "10"]).ended(0);
    assert!(all.ledger().calls.iter().all(|call| call.flex));
    assert_eq!(scene.query(COST), billed(&all));
    let some = simulator(
        Flex {
            at_default: 0.5,
            ..Flex::default()
        },
        Vec::new(),
    );
    let scene = self::scene(&some);
    scene.run(&["--limit", "20"]).ended(0);
    let calls = some.ledger().calls;
    let flex = calls.iter().filter(|call| call.flex).count();
    assert!((1..20).contains(&flex), "{flex}");
    assert_eq!(scene.query(COST), billed(&some));
}

#[test]
fn a_plan_names_the_price_of_the_tier() {
    let simulator = simulator(Flex::default(), Vec::new());
    let scene = scene(&simulator);
    scene.run(&["--limit", "10"]).ended(0);
    let cost = |scene: &Scene| {
        let plan = scene.host(&["plan", "--json", "--limit", "30"]).ended(0);
        let plan = plan.events();
        let found = plan
            .iter()
            .find_map(|event| event["components"][0]["forecast"]["cost_micros"].as_u64());
        found.unwrap_or_else(|| panic!("no cost in {plan:?}"))
    };
    let flex = cost(&scene);
    scene.replace("batchgen.toml", "service-tier = \"flex\"\n", "");
    let ordinary = cost(&scene);
    assert_eq!(ordinary, 2 * flex);
    // The tier is no part of a question: nothing is asked again at another one.
    let again = scene.run(&["--limit", "10"]).ended(0).summary();
    assert_eq!(again.calls("calls"), 0);
}

#[test]
fn no_room_is_waited_for_and_teaches_nothing() {
    let none = vec![Fault {
        kind: FaultKind::FlexCapacity,
        when: When::Request(3),
    }];
    let simulator = simulator(Flex::default(), none);
    let scene = scene(&simulator).without_limits();
    let ran = scene.run(&["--limit", "10"]).ended(0);
    assert_eq!(simulator.totals().statuses.get(&429), Some(&1));
    assert_eq!(ran.summary().calls("failed_tries"), 1);
    let plan = scene.host(&["plan", "--limit", "20"]).ended(0).stdout;
    assert!(!plan.contains("as an earlier run found out"), "{plan}");
}

#[test]
fn no_room_for_too_long_is_an_outage() {
    let none = vec![Fault {
        kind: FaultKind::FlexCapacity,
        when: When::Probability(1.0),
    }];
    let simulator = simulator(Flex::default(), none);
    let scene = scene(&simulator);
    scene.configure(&format!("[retry]\nmax-outage-seconds = 1\n{MODEL}"));
    let ran = scene.run(&["--limit", "2"]).ended(3);
    // Each is tried again at the end of the run, and told again then.
    let failures = ran.failures();
    assert!(!failures.is_empty());
    for failure in &failures {
        assert!(failure.ends_with(" no-capacity"), "{failure}");
    }
    // Later there is room, and a plain rerun goes on.
    simulator.set_faults(Vec::new());
    scene.run(&["--limit", "2"]).ended(0);
}

#[test]
fn gemini_sheds_in_its_own_words() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Echo,
        dialect: Dialect::Gemini,
        faults: vec![Fault {
            kind: FaultKind::FlexCapacity,
            when: When::Probability(1.0),
        }],
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .with("GEMINI_API_KEY", KEY)
        .with("BATCHGEN_MODEL", "gemini/gemini-2.5-flash")
        .with("BATCHGEN_TRUST", "1");
    scene.configure(&format!(
        "[provider.gemini]\nbase-url = \"{}\"\n\
         [models.\"gemini/gemini-2.5-flash\"]\nservice-tier = \"flex\"\n[retry]\nmax-outage-seconds = 1\n",
        simulator.base_url()
    ));
    let failures = scene.run(&["--limit", "1"]).ended(3).failures();
    assert!(failures[0].ends_with(" no-capacity"), "{failures:?}");
}

#[test]
fn a_tier_that_a_provider_has_not_is_told_at_once() {
    let scene = Scene::new().with_plugin("example-plugins/summary");
    scene.configure("[models.\"groq/m\"]\nservice-tier = \"flex\"\n");
    for command in [&["run"][..], &["plan"], &["doctor"]] {
        let said = scene.host(command);
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(all.contains("remove service-tier"), "{command:?}: {all}");
    }
}
