//! One execution of a component on one thread, fresh instance included: to a suspension, and to its end.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use host::core::key::{KeyContext, Parameters};
use host::llm::request::{Answer, Completion, StopReason, Usage};
use host::plugin::limits::Limits;
use host::plugin::load::Plugin;
use host::plugin::sandbox::{Answered, Execution, Input, Outcome, Prompt, Site, execute};
use host::plugin::{engine, load};

use super::report::{Goal, Row, median};
use crate::scene::root;

const ROUNDS: usize = 20_000;

/// The example plugin, which asks one question.
pub fn fresh_instance() -> anyhow::Result<Vec<Row>> {
    let target = root().join("target");
    let engine = engine::engine(&target.join("wasm-cache"))?;
    let plugin = load::load(&engine, &target.join("example-plugins/summary.wasm"))?;
    let question = match execute(&plugin, execution(&plugin, Vec::new())).0 {
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
    let suspended = time(&plugin, &[], |outcome| {
        matches!(outcome, Outcome::Suspended { .. })
    })?;
    let ended = time(&plugin, &[answered], |outcome| {
        matches!(outcome, Outcome::Done { .. })
    })?;
    Ok(vec![
        Row::new(
            "one execution to a suspension, median",
            suspended,
            "µs",
            Goal::AtMost(100.0),
        ),
        Row::new(
            "one execution to its end, median",
            ended,
            "µs",
            Goal::AtMost(100.0),
        ),
    ])
}

fn time(
    plugin: &Plugin,
    answers: &[Answered],
    expected: fn(&Outcome) -> bool,
) -> anyhow::Result<f64> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let execution = execution(plugin, answers.to_vec());
        let start = Instant::now();
        let (outcome, _) = execute(plugin, execution);
        times.push(start.elapsed().as_secs_f64() * 1e6);
        if !expected(&outcome) {
            bail!("an execution ended otherwise: {outcome:?}");
        }
    }
    Ok(median(times))
}

fn execution(plugin: &Plugin, answers: Vec<Answered>) -> Execution {
    let package = &plugin.package;
    let prompts = package.prompts.iter().map(|(name, text)| Prompt {
        name: name.clone(),
        text: text.clone(),
    });
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
            options: "{}".to_owned(),
            prompts: prompts.collect(),
            upstreams: Vec::new(),
        }),
        context: Some(Arc::new(KeyContext {
            parameters: Parameters {
                model: "bench".to_owned(),
                temperature: 0.6,
                max_output_tokens: 400,
                extra_body: None,
            },
            generation: 0,
        })),
        answers,
        limits: Limits::new(&package.manifest.limits),
    }
}
