//! How much a model thinks, in one word: what is sent, what it takes of the output cap, and what is asked again.

use simulator::{Config, Dialect, Simulator, Thinks};

use crate::scene::{KEY, Ran, Scene};

fn simulator(dialect: Dialect, thinks: Thinks) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        dialect,
        thinks,
        ..Config::default()
    })
    .unwrap()
}

/// A scene that asks this model of the simulator for answers by schema, with these settings of the model.
fn scene(simulator: &Simulator, model: &str, settings: &str) -> Scene {
    let (provider, _) = model.split_once('/').unwrap();
    let scene = Scene::new()
        .with("BATCHGEN_MODEL", model)
        .with("BATCHGEN_TRUST", "1")
        .with("SIM_KEY", KEY);
    scene.configure(&format!(
        "[provider.{provider}]\nbase-url = \"{}\"\napi-key-env = \"SIM_KEY\"\n[models.\"{model}\"]\n{settings}\n",
        simulator.base_url()
    ));
    scene
}

/// Tags are asked for by a schema, in a few hundred tokens.
fn run(scene: &Scene) -> Ran {
    scene.run(&["--component", "tags", "--limit", "6"])
}

fn finishes(simulator: &Simulator, reason: &str) -> usize {
    let calls = simulator.ledger().calls;
    calls
        .iter()
        .filter(|call| call.finish_reason == reason)
        .count()
}

fn thought(simulator: &Simulator) -> Vec<u64> {
    let calls = simulator.ledger().calls;
    let mut thought: Vec<u64> = calls.iter().map(|call| call.reasoning_tokens).collect();
    thought.dedup();
    thought
}

#[test]
fn thoughts_have_room_beside_a_structured_answer() {
    // Said in the provider's own field, thoughts take the room of the answer.
    let plain = simulator(Dialect::OpenAi, Thinks::Told);
    let own = scene(
        &plain,
        "openai/sim",
        "extra-body = { reasoning_effort = \"medium\" }",
    );
    run(&own);
    assert!(finishes(&plain, "length") > 0);

    let told = simulator(Dialect::OpenAi, Thinks::Told);
    let scene = scene(&told, "openai/sim", "reasoning = \"medium\"");
    run(&scene).ended(0);
    assert_eq!(finishes(&told, "length"), 0);
    assert_eq!(thought(&told), [4_000]);
    // Another level is another question; the same one is not.
    let asked = told.totals().billed;
    assert_eq!(run(&scene).ended(0).summary().calls("calls"), 0);
    scene.replace("batchgen.toml", "\"medium\"", "\"low\"");
    run(&scene).ended(0);
    assert_eq!(told.totals().billed, 2 * asked);
    let why = scene.host(&["plan", "--component", "tags", "--limit", "6"]);
    assert!(why.ended(0).stdout.contains("up to date"));
}

#[test]
fn a_component_says_otherwise_than_its_model() {
    let simulator = simulator(Dialect::OpenAi, Thinks::Told);
    let scene = scene(
        &simulator,
        "openai/sim",
        "reasoning = \"high\"\n[component.tags]\nreasoning = \"low\"",
    );
    run(&scene).ended(0);
    assert_eq!(thought(&simulator), [800]);
}

#[test]
fn none_is_the_least_that_the_model_knows() {
    // It knows no `none`, which is learned from its refusal.
    let older = simulator(Dialect::OpenAi, Thinks::Told);
    let scene_of_older = scene(&older, "openai/sim", "reasoning = \"none\"");
    let ran = run(&scene_of_older).ended(0);
    assert_eq!(thought(&older).last(), Some(&800));
    assert!(
        ran.stdout.contains("told to think a little"),
        "{}",
        ran.stdout
    );
    // From then on it has room for that.
    let cut = finishes(&older, "length");
    let more = ["--component", "tags", "--limit", "20"];
    scene_of_older.run(&more).ended(0);
    assert_eq!(finishes(&older, "length"), cut);
    // Of this one the table says so.
    let known = simulator(Dialect::OpenAi, Thinks::Told);
    let scene_of_known = scene(&known, "openai/gpt-5-mini", "reasoning = \"none\"");
    let ran = run(&scene_of_known).ended(0);
    assert_eq!(thought(&known), [64]);
    assert_eq!(ran.summary().calls("failed_tries"), 0);
    let newer = simulator(Dialect::OpenAi, Thinks::Adaptively);
    run(&scene(&newer, "openai/gpt-5.1", "reasoning = \"none\"")).ended(0);
    assert_eq!(thought(&newer), [0]);
}

#[test]
fn a_model_that_cannot_be_told_is_asked_without() {
    let simulator = simulator(Dialect::OpenAi, Thinks::Never);
    let scene = scene(&simulator, "openai/gpt-4o-mini", "reasoning = \"low\"");
    let ran = run(&scene).ended(0);
    assert!(
        ran.stderr.contains("was not known to reason"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stdout.contains("refuses to be told how much to think"),
        "{}",
        ran.stdout
    );
    // What was learned is remembered, and a level that asks for nothing sends nothing.
    scene.replace("batchgen.toml", "\"low\"", "\"none\"");
    let again = run(&scene).ended(0);
    assert_eq!(again.summary().calls("failed_tries"), 0);
}

#[test]
fn claude_thinks_by_budget_or_by_effort() {
    for (thinks, model, level, expected) in [
        (Thinks::Told, "anthropic/claude-haiku-4-5", "low", 1_536),
        (Thinks::Told, "anthropic/claude-haiku-4-5", "none", 0),
        (
            Thinks::Adaptively,
            "anthropic/claude-sonnet-5",
            "medium",
            4_000,
        ),
        (Thinks::Adaptively, "anthropic/claude-sonnet-5", "none", 0),
        (Thinks::Adaptively, "anthropic/claude-opus-5-5", "none", 800),
        (Thinks::Adaptively, "anthropic/claude-next", "high", 12_000),
    ] {
        let simulator = simulator(Dialect::Anthropic, thinks);
        let scene = scene(&simulator, model, &format!("reasoning = \"{level}\""));
        run(&scene).ended(0);
        assert_eq!(thought(&simulator), [expected], "{model} {level}");
        assert_eq!(finishes(&simulator, "max_tokens"), 0, "{model} {level}");
    }
    // A family that is told in the older way by mistake is told in the newer one.
    let simulator = simulator(Dialect::Anthropic, Thinks::Adaptively);
    let scene = scene(
        &simulator,
        "anthropic/claude-haiku-4-5",
        "reasoning = \"low\"",
    );
    let ran = run(&scene).ended(0);
    assert_eq!(thought(&simulator), [800]);
    assert!(
        ran.stdout.contains("it takes no budget for thoughts"),
        "{}",
        ran.stdout
    );
}

#[test]
fn the_same_said_twice_is_an_error() {
    let simulator = simulator(Dialect::OpenAi, Thinks::Told);
    let twice = "reasoning = \"low\"\nextra-body = { reasoning_effort = \"high\" }";
    let scene = scene(&simulator, "openai/sim", twice);
    let said = run(&scene).ended(2).stderr;
    assert!(
        said.contains("`reasoning_effort` in the extra-body of `openai/sim` says the same"),
        "{said}"
    );
}
