//! A component that asks otherwise than before is stopped, and what differs is shown.

use std::sync::Arc;

use plugin::limits::Limits;
use plugin::sandbox::{Answered, Execution, Input, Outcome, Prompt, Site, execute};
use plugin::{engine, load};
use types::digest::Digest;
use types::key::{KeyContext, Parameters};
use types::request::{Answer, Completion, CompletionRequest, StopReason, Usage};

use crate::scene::root;

/// How the example ends when what was asked before was `before`.
fn asked_before(before: impl FnOnce(&CompletionRequest) -> Option<CompletionRequest>) -> String {
    let target = root().join("target");
    let engine = engine::engine(&target.join("wasm-cache")).unwrap();
    let plugin = load::load(&engine, &target.join("example-plugins/summary.wasm")).unwrap();
    let package = &plugin.package;
    let prompts = package.prompts.iter().map(|(name, text)| Prompt {
        name: name.clone(),
        text: text.clone(),
    });
    let input = Arc::new(Input {
        id: "oak".to_owned(),
        name: "Oak".to_owned(),
        category: "wood".to_owned(),
        fields: r#"{"subcategory": "hardwood"}"#.to_owned(),
        category_fields: "{}".to_owned(),
        site: Site {
            base_url: String::new(),
            name: String::new(),
            locale: String::new(),
            output_path: String::new(),
        },
        options: "{}".to_owned(),
        prompts: prompts.collect(),
        upstreams: Vec::new(),
        images: Vec::new(),
    });
    let parameters = Parameters {
        model: "offline".to_owned(),
        temperature: 0.6,
        max_output_tokens: 400,
        extra_body: None,
        reasoning: None,
    };
    let context = Arc::new(KeyContext {
        parameters,
        generation: 0,
    });
    let execution = |answers| Execution {
        input: Arc::clone(&input),
        pictures: Arc::default(),
        context: Some(Arc::clone(&context)),
        answers,
        feedback: None,
        limits: Limits::new(&package.manifest.limits, &[]),
    };
    let question = match execute(&plugin, execution(Vec::new())).outcome {
        Outcome::Suspended { questions } => questions.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    };
    let answered = Answered {
        key: Digest::of(b"another question"),
        answer: Answer::Completion(Completion {
            text: "Oak is a hard wood.".to_owned(),
            stop: StopReason::Stop,
            finish_reason: "stop".to_owned(),
            usage: Usage::default(),
            model: "test".to_owned(),
        }),
        request: before(&question.request).map(Arc::new),
    };
    match execute(&plugin, execution(vec![answered])).outcome {
        Outcome::Failed { class, cause, .. } => format!("{class}: {cause}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_question_that_differs_is_named_and_shown() {
    let changed = asked_before(|now| {
        let mut before = now.clone();
        let mut facts = before.facts.value();
        facts["about"]["subcategory"] = "softwood".into();
        before.facts = facts.into();
        Some(before)
    });
    insta::assert_snapshot!(changed, @r#"
    determinism: it is not deterministic: its question 1 is not the one that was asked before
      before: … "category": "wood", "about": { "subcategory": "softwood" } }, "rules": { "min_words": null, …
      now:    … "category": "wood", "about": { "subcategory": "hardwood" } }, "rules": { "min_words": null, …
    "#);
    // Another run asked, of which the journal has the hash of the question.
    let unknown = asked_before(|_| None);
    assert!(
        unknown.contains(r#"now: { "messages": [ { "role": "system""#),
        "{unknown}"
    );
}
