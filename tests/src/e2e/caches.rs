//! What questions begin with is written once into a provider's prompt cache, and read from then on.

use std::time::Duration;

use crate::scene::{KEY, Scene};
use simulator::{Config, Dialect, Latency, Simulator, Totals};

const RECORDS: u64 = 1000;
/// Tokens of the instructions, as the simulator counts them.
const SHARED: u64 = 2000;

fn provider(dialect: Dialect) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        dialect,
        latency: Latency {
            first_token: Duration::from_millis(50),
            answer: Duration::from_millis(20),
        },
        ..Config::default()
    })
    .unwrap()
}

/// Records for the plugin `prompt`, with instructions of so many tokens and `end` behind them.
fn asking(simulator: &Simulator, provider: &str, end: &str, more: &str) -> Scene {
    let scene = Scene::new()
        .with_plugin("plugins/prompt")
        .with("BATCHGEN_MODEL", &format!("{provider}/sim"))
        .with("BATCHGEN_CONCURRENCY", "32")
        .with("ANTHROPIC_API_KEY", KEY)
        .with("OPENAI_API_KEY", KEY);
    let rows: String = (0..RECORDS)
        .map(|number| {
            format!("{{\"id\": \"thing-{number}\", \"name\": \"Thing {number}\", \"category\": \"c\"}}\n")
        })
        .collect();
    scene.write("things.jsonl", &rows);
    let line = "Write plain sentences about the thing.\n";
    let long = line.repeat(usize::try_from(SHARED).unwrap() * 4 / line.len() + 1);
    scene.write("write.md", &format!("{long}{end}"));
    scene.write(
        "batchgen.toml",
        &format!(
            "[dataset]\npath = \"things.jsonl\"\n[component.note]\nplugin = \"prompt\"\ninput = {{ record = [\"name\"] }}\n\
             [component.note.prompts]\nwrite = \"write.md\"\n[provider.{provider}]\nbase-url = \"{}\"\n{more}",
            simulator.base_url()
        ),
    );
    scene
}

fn share(totals: &Totals) -> f64 {
    totals.tokens.cached as f64 / (SHARED * RECORDS) as f64
}

#[test]
fn anthropic_is_asked_to_keep_what_is_shared_and_it_is_written_once() {
    // The name of the record stands in the instructions, behind what is shared.
    for (end, time) in [("", "5m"), ("The thing is {{ record.name }}.\n", "1h")] {
        let simulator = provider(Dialect::Anthropic);
        let more = format!("[models.\"anthropic/sim\"]\nprompt-cache = \"{time}\"\n");
        let scene = asking(&simulator, "anthropic", end, &more);
        let ran = scene.run(&[]).ended(0);
        let summary = ran.summary();
        assert_eq!(summary.complete(), RECORDS);
        let totals = simulator.totals();
        assert!(share(&totals) >= 0.95, "{totals:?}");
        assert!(totals.tokens.cache_write < 2 * SHARED, "{totals:?}");
        assert_eq!(summary.calls("cached_tokens"), totals.tokens.cached);
        assert_eq!(
            summary.calls("cache_write_tokens"),
            totals.tokens.cache_write
        );
        // The state knows it too, and for how long it was written.
        let kept = scene.query("SELECT count(*) FROM completion");
        assert_eq!(kept, RECORDS);
    }
}

#[test]
fn a_cache_that_works_by_itself_is_read_as_well() {
    let simulator = provider(Dialect::OpenAi);
    let scene = asking(&simulator, "openai", "", "");
    let ran = scene.run(&[]).ended(0);
    assert_eq!(ran.summary().complete(), RECORDS);
    assert!(
        share(&simulator.totals()) >= 0.95,
        "{:?}",
        simulator.totals()
    );

    let said = scene.host(&["status"]).ended(0).stdout;
    assert!(said.contains("% from the prompt cache"), "{said}");
}

#[test]
fn a_plan_says_what_a_cache_is_likely_to_save() {
    let simulator = provider(Dialect::Anthropic);
    let price =
        "[models.\"anthropic/sim\"]\nprice = { input = 10.0, cached-input = 1.0, output = 10.0 }\n";
    let scene = asking(&simulator, "anthropic", "", price);
    let plan = scene.host(&["plan", "--json"]).ended(0).events();
    let outcome = &plan[0]["outcome"];
    let percent = outcome["cached_percent"].as_u64().unwrap();
    assert!((85..=100).contains(&percent), "{outcome}");
    // 2,000 tokens of 1,000 records, at nine tenths of ten dollars a million.
    let saving = outcome["cache_saving_micros"].as_u64().unwrap();
    assert!((16_000_000..=22_000_000).contains(&saving), "{outcome}");
    let said = scene.host(&["plan"]).ended(0).stdout;
    assert!(
        said.contains("may come from the prompt cache and save $"),
        "{said}"
    );
    assert_eq!(simulator.totals().requests, 0);
}

#[test]
fn what_no_two_questions_share_is_not_written() {
    let simulator = provider(Dialect::Anthropic);
    let scene = asking(&simulator, "anthropic", "", "");
    // What differs stands first.
    let text = scene.read("write.md");
    scene.write("write.md", &format!("On {{{{ record.name }}}}.\n{text}"));
    scene.run(&["--limit", "40"]).ended(0);
    let tokens = simulator.totals().tokens;
    assert_eq!((tokens.cached, tokens.cache_write), (0, 0));
}

#[test]
fn the_time_of_a_cache_is_for_anthropic() {
    let simulator = provider(Dialect::OpenAi);
    let more = "[models.\"openai/sim\"]\nprompt-cache = \"1h\"\n";
    let scene = asking(&simulator, "openai", "", more);
    let ran = scene.host(&["run"]).ended(2);
    assert!(ran.stderr.contains("remove prompt-cache"), "{}", ran.stderr);
}
