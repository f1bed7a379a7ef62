//! Every batch API against the simulator that speaks it.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use serde_json::{Value, json};
use simulator::{Advance, Config, Dialect, Simulator};

use super::*;
use crate::batch::protocol::{
    BatchStatus, Held, HeldBatch, Input, LineResult, Lines, RemoteBatch, Source,
};
use crate::providers::key::Key;
use crate::providers::presets::preset;
use crate::providers::testing::{call, endpoint, options, question};
use crate::settings::{ModelConfig, ProviderConfig};
use types::class::FailureClass;
use types::request::ResponseFormat;

const SPOKEN: [(&str, Dialect); 8] = [
    ("openai", Dialect::OpenAi),
    ("azure", Dialect::Azure),
    ("groq", Dialect::Groq),
    ("anthropic", Dialect::Anthropic),
    ("gemini", Dialect::Gemini),
    ("mistral", Dialect::Mistral),
    ("together", Dialect::Together),
    ("xai", Dialect::Xai),
];

/// A simulator that does to batches as the script says.
fn scripted(dialect: Dialect, script: &Value) -> Simulator {
    Simulator::start(Config {
        dialect,
        batch: serde_json::from_value(script.clone()).unwrap(),
        ..Config::default()
    })
    .unwrap()
}

fn to_end(simulator: &Simulator) {
    let advance = Advance {
        to_end: true,
        ..Advance::default()
    };
    simulator.advance_batches(&advance).unwrap();
}

fn spoken(name: &str, simulator: &Simulator, key: &str) -> Arc<dyn BatchProtocol> {
    let mut endpoint = endpoint(name, simulator.base_url(), &ProviderConfig::default());
    endpoint.key = Key::new(key);
    let batch = preset(name).unwrap().batch.unwrap();
    let options = options(name, &ModelConfig::default());
    connect_batches("m-1", batch, endpoint, options).unwrap()
}

/// The lines of so many questions: `k0` asks "Question 0.", ...
fn lines(protocol: &dyn BatchProtocol, count: usize, format: &ResponseFormat) -> String {
    let line = |at: usize| {
        let mut question = question(format.clone());
        question.messages[1].content = format!("Question {at}.");
        protocol.line(&format!("k{at}"), call(&question)) + "\n"
    };
    (0..count).map(line).collect()
}

async fn handed_in(
    protocol: &dyn BatchProtocol,
    name: &str,
    lines: &str,
) -> Result<RemoteBatch, BatchError> {
    let text = lines.to_owned();
    let open = move || -> Lines<'static> {
        // A piece ends with a whole line.
        let pieces: Vec<_> = text
            .split_inclusive('\n')
            .map(|line| Ok(line.to_owned().into()))
            .collect();
        Box::pin(futures_util::stream::iter(pieces))
    };
    let input = Input {
        bytes: lines.len() as u64,
        open: &open,
    };
    if protocol.uploads() {
        let file = protocol.upload(name, input).await.unwrap();
        protocol.create(name, Source::File(&file)).await
    } else {
        protocol.create(name, Source::Inline(input)).await
    }
}

/// What all result files say, by the names of the questions.
async fn results(
    protocol: &dyn BatchProtocol,
    batch: &RemoteBatch,
) -> BTreeMap<String, LineResult> {
    let mut said = BTreeMap::new();
    for file in &batch.files {
        let mut pieces = protocol.results(file).await.unwrap();
        let mut text = Vec::new();
        while let Some(piece) = pieces.next().await {
            text.extend_from_slice(&piece.unwrap());
        }
        for line in String::from_utf8(text).unwrap().lines() {
            let line = protocol.read(line).unwrap();
            said.insert(line.custom_id, line.result);
        }
    }
    said
}

/// In a word what became of a question.
fn word(result: &LineResult) -> String {
    match result {
        LineResult::Answered(answer) => format!("{:?}", answer.finish),
        LineResult::Failed(error) => format!("{:?}", error.class),
        LineResult::NotReached(_) => "not reached".to_owned(),
    }
}

#[tokio::test]
async fn a_batch_is_handed_in_found_and_collected() {
    let script = json!({
        "pace": {"running": null},
        "faults": [
            "line-rate-limited@containing:Question 1", "line-length@containing:Question 2",
            "line-500@containing:Question 3", "line-content-filter-finish@containing:Question 4"
        ]
    });
    for (name, dialect) in SPOKEN {
        let simulator = scripted(dialect, &script);
        let protocol = spoken(name, &simulator, "sk-1");
        let lines = lines(&*protocol, 6, &ResponseFormat::Text);
        let made = handed_in(&*protocol, "run-1", &lines).await.unwrap();
        assert_eq!(made.status, BatchStatus::Working, "{name}");
        let file = simulator.batches().batches[0].input_file.clone();
        let found = protocol.find("run-1", Some(&file), 0).await.unwrap();
        let nameless = protocol.nameless(0).await.unwrap();
        let found: Vec<String> = found.into_iter().chain(nameless).map(|it| it.id).collect();
        assert_eq!(found, std::slice::from_ref(&made.id), "{name}");
        to_end(&simulator);
        let batch = protocol.get(&made.id).await.unwrap();
        assert_eq!(
            (batch.status, batch.is_settled),
            (BatchStatus::Ended, true),
            "{name}"
        );
        if dialect != Dialect::Together {
            let counts = (batch.total, batch.answered, batch.failed);
            assert_eq!(counts, (Some(6), Some(4), Some(2)), "{name}");
        }
        let said = results(&*protocol, &batch).await;
        let words: Vec<String> = said.values().map(word).collect();
        // Gemini has a word for filters and none for what a filter left of an answer.
        assert_eq!(
            words,
            [
                "Stop",
                "RateLimit",
                "Length",
                "Transient",
                "ContentFilter",
                "Stop"
            ],
            "{name}"
        );
        let ledger = simulator.ledger();
        let counted: u64 = said
            .values()
            .filter_map(|result| match result {
                LineResult::Answered(answer) => Some(answer.usage.output_tokens),
                _ => None,
            })
            .sum();
        assert_eq!(counted, ledger.batch_tokens.output, "{name}");
    }
}

#[tokio::test]
async fn what_lies_there_is_listed_to_its_end_and_removed() {
    // More than any page of batches has.
    const COUNT: usize = 102;
    for (name, dialect) in SPOKEN {
        let simulator = scripted(dialect, &json!({"pace": {"running": null}}));
        let protocol = spoken(name, &simulator, "sk-1");
        let lines = lines(&*protocol, 1, &ResponseFormat::Text);
        for number in 0..COUNT {
            let own = format!("batchgen-{number}");
            handed_in(&*protocol, &own, &lines).await.unwrap();
        }
        handed_in(&*protocol, "stranger", &lines).await.unwrap();
        let held = protocol.held().await.unwrap();
        if !protocol.uploads() || name == "gemini" {
            assert_eq!(held, Held::default(), "{name}");
            continue;
        }
        assert_eq!(
            (held.files.len(), held.batches.len()),
            (COUNT, COUNT),
            "{name}"
        );
        let working = |batch: &HeldBatch| batch.remote.status == BatchStatus::Working;
        assert!(held.batches.iter().all(working), "{name}");
        let first = held
            .files
            .iter()
            .find(|file| file.name == "batchgen-0")
            .unwrap();
        assert_eq!(first.bytes, Some(lines.len() as u64), "{name}");
        protocol.remove(&first.id).await.unwrap();
        let held = protocol.held().await.unwrap();
        assert_eq!(held.files.len(), COUNT - 1, "{name}");
        protocol.remove("file-none").await.unwrap_err();
        // Another key sees none of it.
        let other = spoken(name, &simulator, "sk-2");
        assert_eq!(other.held().await.unwrap(), Held::default(), "{name}");
    }
}

#[tokio::test]
async fn an_answer_holds_the_schema() {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["title"],
        "properties": {"title": {"type": "string"}}});
    for (name, dialect) in SPOKEN {
        let simulator = scripted(dialect, &json!({}));
        let protocol = spoken(name, &simulator, "sk-1");
        let format = ResponseFormat::JsonSchema(schema.clone().into());
        let lines = lines(&*protocol, 1, &format);
        let made = handed_in(&*protocol, "run-1", &lines).await.unwrap();
        to_end(&simulator);
        let batch = protocol.get(&made.id).await.unwrap();
        let said = results(&*protocol, &batch).await;
        let LineResult::Answered(answer) = &said["k0"] else {
            panic!("{name}: {said:?}");
        };
        let text = protocol.unstrict(&schema, answer.text.clone());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value["title"].is_string(), "{name}: {text}");
    }
}

#[tokio::test]
async fn a_create_that_is_not_answered_is_in_doubt_and_was_done_once() {
    for (name, dialect) in SPOKEN {
        let simulator = scripted(dialect, &json!({"faults": ["create-lost@nth:1"]}));
        let protocol = spoken(name, &simulator, "sk-1");
        let lines = lines(&*protocol, 2, &ResponseFormat::Text);
        let lost = handed_in(&*protocol, "run-1", &lines).await.unwrap_err();
        assert!(lost.is_in_doubt, "{name}: {lost}");
        let file = simulator.batches().batches[0].input_file.clone();
        let found = protocol.find("run-1", Some(&file), 0).await.unwrap();
        let nameless = protocol.nameless(0).await.unwrap();
        assert_eq!(found.into_iter().chain(nameless).count(), 1, "{name}");
        let other = protocol.find("run-2", Some("other"), 0).await.unwrap();
        assert_eq!(other, None, "{name}");
        assert_eq!(simulator.batches().batches.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_is_cancelled_ends_with_what_was_answered() {
    let script = json!({"pace": {"running": null, "cancelling": null}});
    for (name, dialect) in SPOKEN {
        let simulator = scripted(dialect, &script);
        let protocol = spoken(name, &simulator, "sk-1");
        let lines = lines(&*protocol, 4, &ResponseFormat::Text);
        let made = handed_in(&*protocol, "run-1", &lines).await.unwrap();
        // Before its lines were read there is nothing that it could have answered.
        while simulator.batches().batches[0].stage != simulator::Stage::Running {
            tokio::task::yield_now().await;
        }
        let ending = protocol.cancel(&made.id).await.unwrap();
        assert_eq!(ending.status, BatchStatus::Working, "{name}");
        to_end(&simulator);
        let batch = protocol.get(&made.id).await.unwrap();
        assert_eq!(
            (batch.status, batch.is_settled),
            (BatchStatus::Ended, true),
            "{name}"
        );
        let said = results(&*protocol, &batch).await;
        let answered = said
            .values()
            .filter(|result| word(result) == "Stop")
            .count();
        assert_eq!((said.len(), answered), (4, 2), "{name}: {said:?}");
    }
}

#[tokio::test]
async fn a_batch_that_is_not_there_is_not_found() {
    for (name, dialect) in SPOKEN {
        let simulator = scripted(dialect, &json!({}));
        let protocol = spoken(name, &simulator, "sk-1");
        let lines = lines(&*protocol, 1, &ResponseFormat::Text);
        let made = handed_in(&*protocol, "run-1", &lines).await.unwrap();
        let other = spoken(name, &simulator, "sk-2");
        let error = other.get(&made.id).await.unwrap_err().error;
        assert_eq!(error.class, FailureClass::NotFound, "{name}: {error}");
    }
}

#[tokio::test]
async fn files_may_come_late_and_words_may_be_unknown() {
    let script = json!({"faults": ["files-late@first:1", "unknown-status@nth:2"]});
    // xAI has neither words nor files.
    for (name, dialect) in SPOKEN.into_iter().filter(|(name, _)| *name != "xai") {
        let simulator = scripted(dialect, &script);
        let protocol = spoken(name, &simulator, "sk-1");
        let lines = lines(&*protocol, 1, &ResponseFormat::Text);
        let made = handed_in(&*protocol, "run-1", &lines).await.unwrap();
        to_end(&simulator);
        let late = protocol.get(&made.id).await.unwrap();
        assert_eq!(
            (late.status, late.is_settled),
            (BatchStatus::Ended, false),
            "{name}"
        );
        let unknown = protocol.get(&made.id).await.unwrap();
        assert_eq!(
            unknown.status,
            BatchStatus::Unknown,
            "{name}: {}",
            unknown.word
        );
        let batch = protocol.get(&made.id).await.unwrap();
        assert_eq!(
            (batch.status, batch.is_settled),
            (BatchStatus::Ended, true),
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_expires_and_what_is_refused_is_told_apart() {
    let script = json!({"faults": ["expired@nth:1", "token-limit@nth:2"]});
    for (name, dialect) in SPOKEN {
        let simulator = scripted(dialect, &script);
        let protocol = spoken(name, &simulator, "sk-1");
        let lines = lines(&*protocol, 4, &ResponseFormat::Text);
        let expired = handed_in(&*protocol, "run-1", &lines).await.unwrap();
        to_end(&simulator);
        let expired = protocol.get(&expired.id).await.unwrap();
        assert_eq!(
            (expired.status, expired.is_settled),
            (BatchStatus::Ended, true),
            "{name}"
        );
        let said = results(&*protocol, &expired).await;
        let answered = said
            .values()
            .filter(|result| word(result) == "Stop")
            .count();
        // What Gemini had done until then it keeps for itself.
        let kept = if dialect == Dialect::Gemini { 0 } else { 2 };
        assert_eq!(answered, kept, "{name}: {said:?}");
        if dialect == Dialect::Anthropic {
            continue;
        }
        let refused = handed_in(&*protocol, "run-2", &lines).await.unwrap();
        to_end(&simulator);
        let refused = protocol.get(&refused.id).await.unwrap();
        assert_eq!(refused.status, BatchStatus::Refused, "{name}");
        assert!(
            refused.problems[0].is_full,
            "{name}: {:?}",
            refused.problems
        );
    }
}

#[tokio::test]
async fn a_list_says_how_batches_stand_as_each_of_them_does() {
    let script = json!({"pace": {"validating": null}, "faults": ["list-truncated@nth:2"]});
    for (name, dialect) in SPOKEN {
        let simulator = scripted(dialect, &script);
        let protocol = spoken(name, &simulator, "sk-1");
        let lines = lines(&*protocol, 2, &ResponseFormat::Text);
        let mut ids = Vec::new();
        for number in 0..5 {
            let made = handed_in(&*protocol, &format!("run-{number}"), &lines).await;
            ids.push(made.unwrap().id);
        }
        let (some, all) = (&ids[1..], protocol.list(&ids, 0).await.unwrap());
        let listed = protocol.list(some, 0).await.unwrap();
        if name == "xai" {
            assert!(all.is_empty() && listed.is_empty(), "{all:?}");
            continue;
        }
        assert_eq!((all.len(), listed.len()), (5, 3), "{name}: {listed:?}");
        for batch in all {
            let alone = protocol.get(&batch.id).await.unwrap();
            assert_eq!(batch, alone, "{name}");
        }
        // Behind Mistral's last page is an empty one.
        let pages = if name == "mistral" { 3 } else { 2 };
        let requests = simulator.batches().requests;
        let lists = requests.get(&simulator::Request::List);
        assert_eq!(lists, Some(&pages), "{name}");
    }
}

#[tokio::test]
async fn gemini_has_no_other_word_for_a_batch_that_does_not_fit_than_for_money_that_is_gone() {
    let script = json!({"limits": {"enqueued_tokens": 1}});
    let simulator = scripted(Dialect::Gemini, &script);
    let protocol = spoken("gemini", &simulator, "sk-1");
    let lines = lines(&*protocol, 2, &ResponseFormat::Text);
    let refused = handed_in(&*protocol, "run-1", &lines).await.unwrap_err();
    assert_eq!(refused.error.class, FailureClass::RateLimit, "{refused}");
    assert!(!refused.is_in_doubt);
}
