//! One execution of a component on one thread, fresh instance included: to a suspension, and to its end.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use plugin::limits::Limits;
use plugin::load::Plugin;
use plugin::sandbox::{Answered, Execution, Input, Outcome, Prompt, Site, execute};
use plugin::{engine, load};
use types::key::{KeyContext, Parameters};
use types::request::{Answer, Completion, StopReason, Usage};

use super::report::{Goal, Row, median};
use crate::scene::root;

/// A plugin, what it is called in the table, how often it is run, and what an execution (µs) and a load (ms) may take.
const PLUGINS: [(&str, &str, usize, f64, f64); 4] = [
    ("example-plugins/summary", "Rust", 20_000, 60.0, 2.0),
    ("plugins/prompt", "`prompt`", 20_000, 60.0, 4.0),
    (
        "example-plugins/summary-javascript",
        "JavaScript",
        500,
        4_000.0,
        15.0,
    ),
    (
        "example-plugins/summary-python",
        "Python",
        500,
        6_000.0,
        15.0,
    ),
];
/// The one that has to be told what to ask.
const TOLD: &str = "prompt";
const TEMPLATE: &str = "Write a short text about {{ record.name }}, which is {{ record.subcategory | lower }} and belongs to \
                        {{ category.id }}.{% if record.industries %} Name {{ record.industries | first }} as an example.{% endif %}\n\
                        Write plain sentences without headings or lists.\n";
const OPTIONS: &str = r#"{"media-type": "text/markdown", "max-words": 120, "required-words": ["{{ record.name }}"],
    "numbers-from-facts": true, "whole-sentences": false}"#;
/// How often a plugin is loaded.
const LOADS: usize = 50;

/// Plugins that ask one question each.
pub fn fresh_instance() -> anyhow::Result<Vec<Row>> {
    let target = root().join("target");
    let engine = engine::engine(&target.join("wasm-cache"))?;
    let mut rows = Vec::new();
    for (name, language, rounds, execution, load) in PLUGINS {
        let file = target.join(format!("{name}.wasm"));
        if !file.exists() {
            // `cargo xtask bench` has said what is missing to build it.
            continue;
        }
        let plugin = load::load(&engine, &file)?;
        let mut loads = Vec::new();
        for _ in 0..LOADS {
            let start = Instant::now();
            load::load(&engine, &file)?;
            loads.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let [suspended, ended] = executions(&plugin, rounds)?;
        let row = |what: &str, measured, unit, goal| {
            Row::new(
                format!("{language}, {what}, median"),
                measured,
                unit,
                Goal::AtMost(goal),
            )
        };
        rows.extend([
            row("one execution to a suspension", suspended, "µs", execution),
            row("one execution to its end", ended, "µs", execution),
            row("load, compiled before", median(loads), "ms", load),
        ]);
    }
    Ok(rows)
}

fn executions(plugin: &Plugin, rounds: usize) -> anyhow::Result<[f64; 2]> {
    let question = match execute(plugin, execution(plugin, Vec::new())).outcome {
        Outcome::Suspended { questions } => questions.into_iter().next(),
        other => bail!("the example plugin did not ask: {other:?}"),
    };
    let answered = Answered {
        key: question.context("a question")?.key,
        answer: Answer::Completion(Completion {
            text: "Oak is a hard wood.".to_owned(),
            stop: StopReason::Stop,
            finish_reason: "stop".to_owned(),
            usage: Usage::default(),
            model: "bench".to_owned(),
        }),
        request: None,
    };
    let suspended = time(plugin, &[], rounds, |outcome| {
        matches!(outcome, Outcome::Suspended { .. })
    })?;
    let ended = time(plugin, &[answered], rounds, |outcome| {
        matches!(outcome, Outcome::Done { .. })
    })?;
    Ok([suspended, ended])
}

fn time(
    plugin: &Plugin,
    answers: &[Answered],
    rounds: usize,
    expected: fn(&Outcome) -> bool,
) -> anyhow::Result<f64> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let execution = execution(plugin, answers.to_vec());
        let start = Instant::now();
        let outcome = execute(plugin, execution).outcome;
        times.push(start.elapsed().as_secs_f64() * 1e6);
        if !expected(&outcome) {
            bail!("an execution ended otherwise: {outcome:?}");
        }
    }
    Ok(median(times))
}

fn execution(plugin: &Plugin, answers: Vec<Answered>) -> Execution {
    let package = &plugin.package;
    let is_told = package.manifest.plugin.name == TOLD;
    let mut prompts: Vec<Prompt> = package
        .prompts
        .iter()
        .map(|(name, text)| Prompt {
            name: name.clone(),
            text: text.clone(),
        })
        .collect();
    if is_told {
        prompts.push(Prompt {
            name: "write".to_owned(),
            text: TEMPLATE.to_owned(),
        });
    }
    Execution {
        input: Arc::new(Input {
            id: "oak".to_owned(),
            name: "Oak".to_owned(),
            category: "wood".to_owned(),
            fields: r#"{"subcategory": "hardwood", "industries": ["Furniture", "Restoration"]}"#
                .to_owned(),
            category_fields: "{}".to_owned(),
            site: Site {
                base_url: "https://example.org".to_owned(),
                name: "Example".to_owned(),
                locale: "en_US".to_owned(),
                output_path: "summary/oak.txt".to_owned(),
            },
            options: if is_told { OPTIONS } else { "{}" }.to_owned(),
            prompts,
            upstreams: Vec::new(),
            images: Vec::new(),
        }),
        pictures: Arc::default(),
        context: Some(Arc::new(KeyContext {
            parameters: Parameters {
                model: "bench".to_owned(),
                temperature: 0.6,
                max_output_tokens: 400,
                extra_body: None,
                reasoning: None,
            },
            generation: 0,
        })),
        answers,
        feedback: None,
        limits: Limits::new(&package.manifest.limits, &[]),
    }
}
