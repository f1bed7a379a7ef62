//! Versions of the contract: a plugin that was built against one of them loads for ever, and one of a version that is not
//! offered is refused with what to do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugin::limits::Limits;
use plugin::sandbox::{Answered, Execution, Input, Outcome, Prompt, Site, Upstream, execute};
use plugin::{engine, load};
use types::digest::Digest;
use types::image::{Image, ImageType, Pictures};
use types::key::{KeyContext, Parameters};
use types::request::{Answer, Completion, StopReason, Usage};

use crate::core_guest::append_section;
use crate::scene::{Scene, root};

/// Hash of the binary, which is never built again.
const FIRST: &str = "dd66639d18d3bd86a2abdcbdd1237f92cbffb0f145dcea4feae21b12c6c307f2";

/// Hash of that of version 0.2.0.
const SECOND: &str = "cf913f161aa1ad4fc8c46ec44c32449b88f63a4e87deaeed88203f81fb823adb";

fn second() -> PathBuf {
    root().join("tests/fixtures/contract-0.2.0/plugin.wasm")
}

fn first() -> PathBuf {
    root().join("tests/fixtures/contract-0.1.0/plugin.wasm")
}

fn input(id: &str) -> Input {
    let text = |text: &str| text.to_owned();
    Input {
        id: text(id),
        name: text("Oak"),
        category: text("wood"),
        fields: text(r#"{"formula": "C6H10O5"}"#),
        category_fields: text(r#"{"name": "Woods"}"#),
        site: Site {
            base_url: text("https://example.org"),
            name: text("Example"),
            locale: text("en_US"),
            output_path: text("contract/oak.txt"),
        },
        options: text(r#"{"type": "text/plain"}"#),
        prompts: vec![Prompt {
            name: text("write"),
            text: text("Write."),
        }],
        upstreams: vec![
            Upstream {
                component: text("hostile"),
                text: text("---\na: 1\n---\n"),
                json: Some(text(r#"{"a": 1}"#)),
            },
            Upstream {
                component: text("other"),
                text: text("plain"),
                json: None,
            },
        ],
        images: vec![text("photo"), text("label")],
    }
}

/// The record has a photo and two labels.
fn pictures() -> Pictures {
    let image = |source: &str| Image {
        source: source.to_owned(),
        digest: Digest::of(source.as_bytes()),
        media_type: ImageType::Jpeg,
        width: 800,
        height: 600,
        bytes: 1000,
    };
    BTreeMap::from([
        ("photo".to_owned(), Ok(vec![image("photos/oak.jpg")])),
        (
            "label".to_owned(),
            Ok(vec![image("labels/1.jpg"), image("labels/2.jpg")]),
        ),
    ])
}

/// The fourth answer to a question is an error, and so is the third.
fn answers() -> Vec<Answer> {
    let completion = |text: &str, stop, finish: &str| {
        Answer::Completion(Completion {
            text: text.to_owned(),
            stop,
            finish_reason: finish.to_owned(),
            usage: Usage::new(12, 34),
            model: "model-1".to_owned(),
        })
    };
    vec![
        completion("Whole.", StopReason::Stop, "stop"),
        completion("{\"cut\": ", StopReason::Length, "length"),
        Answer::ContentFiltered("filtered".to_owned()),
        Answer::ContextTooLong("too long".to_owned()),
    ]
}

/// Runs the first plugin to its end.
fn run(id: &str) -> String {
    run_plugin(&first(), id)
}

/// Runs a plugin to its end.
fn run_plugin(file: &Path, id: &str) -> String {
    let engine = engine::engine(&root().join("target/wasm-cache")).unwrap();
    let plugin = load::load(&engine, file).unwrap_or_else(|error| panic!("{error}"));
    let manifest = &plugin.package.manifest;
    let llm = manifest.llm.as_ref().unwrap();
    let context = Arc::new(KeyContext {
        parameters: Parameters {
            model: "model-1".to_owned(),
            temperature: 0.5,
            max_output_tokens: llm.max_output_tokens,
            extra_body: None,
            reasoning: None,
        },
        generation: 0,
    });
    let mut told: Vec<Answered> = Vec::new();
    let mut shown = String::new();
    loop {
        let executed = execute(
            &plugin,
            Execution {
                input: Arc::new(input(id)),
                pictures: Arc::new(pictures()),
                context: Some(Arc::clone(&context)),
                answers: told.clone(),
                feedback: None,
                limits: Limits::new(&manifest.limits, &[]),
            },
        );
        match executed.outcome {
            Outcome::Suspended { questions } => {
                for question in questions {
                    let request = serde_json::to_string_pretty(&*question.request).unwrap();
                    shown.push_str(&format!("{request}\n"));
                    let answer = answers().swap_remove(question.position as usize);
                    told.push(Answered {
                        key: question.key,
                        answer,
                        request: Some(question.request),
                    });
                }
            }
            Outcome::Done { text } => {
                let log = executed.log.iter();
                let log: Vec<String> = log
                    .map(|line| format!("{} {}", line.level, line.message))
                    .collect();
                return format!("{shown}{}\n{text}", log.join("\n"));
            }
            Outcome::Failed {
                class,
                cause,
                violations,
            } => return format!("{class}: {cause} {violations:?}"),
        }
    }
}

#[test]
fn a_plugin_of_the_first_version_is_told_and_tells_all_that_it_was_then() {
    assert_eq!(Digest::of(&fs::read(first()).unwrap()).to_string(), FIRST);
    insta::assert_snapshot!(run("oak"));
}

#[test]
fn a_plugin_of_the_second_version_is_told_and_tells_all_that_it_was_then() {
    assert_eq!(Digest::of(&fs::read(second()).unwrap()).to_string(), SECOND);
    insta::assert_snapshot!(run_plugin(&second(), "oak"));
}

#[test]
fn its_failures_mean_what_they_meant_then() {
    let failures = [
        "unsuitable-record",
        "invalid-answer",
        "refused",
        "component-fault",
    ]
    .map(run);
    insta::assert_snapshot!(failures.join("\n"), @r#"
    unsuitable-record: as asked ["one", "two"]
    invalid-output: as asked ["one", "two"]
    content-filter: as asked ["one", "two"]
    component-fault: as asked ["one", "two"]
    "#);
}

#[test]
fn its_manifest_is_read_as_it_was_then() {
    let scene = Scene::new();
    let file = first().display().to_string();
    let shown = scene.host(&["plugins", "inspect", &file]).ended(0).stdout;
    insta::assert_snapshot!(shown.split_once("exports").unwrap().1);
}

#[test]
fn it_runs_beside_plugins_of_today() {
    let scene = Scene::new();
    let plugins = scene.path("guests");
    fs::create_dir(&plugins).unwrap();
    fs::copy(first(), plugins.join("first.wasm")).unwrap();
    fs::copy(
        root().join("target/test-plugins/hostile.wasm"),
        plugins.join("hostile.wasm"),
    )
    .unwrap();
    scene.configure("[component.hostile.options]\nrecord = \"nobody\"\n");
    let scene = scene.with("BATCHGEN_PLUGINS", "guests");
    let summary = scene.run(&["--record", "oak"]).ended(0).summary();
    assert_eq!(summary.count("made"), 2);
}

#[test]
fn a_version_that_is_not_offered_is_named() {
    let mut newer =
        wat::parse_str(r#"(component (import "batchgen:component/types@0.9.0" (instance)))"#)
            .unwrap();
    let manifest = r#"{"manifest": {"plugin": {"name": "newer", "version": "1", "description": ""},
        "output": {"extension": "md", "media-type": "text/markdown"}}}"#;
    append_section(&mut newer, "batchgen:plugin", manifest.as_bytes());
    let scene = Scene::new();
    fs::write(scene.path("newer.wasm"), newer).unwrap();
    let ran = scene.host(&["plugins", "inspect", "newer.wasm"]).ended(2);
    insta::assert_snapshot!(ran.stderr);
}
