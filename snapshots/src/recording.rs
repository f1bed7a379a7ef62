//! Recorded completions of one case: question by question, in order.

use std::fs;
use std::path::PathBuf;

use gateway::providers::offline::Offline;
use serde::{Deserialize, Serialize};
use types::digest::DigestBuilder;
use types::render::render;
use types::request::{Answer, Completion, CompletionRequest, StopReason, Usage};

/// One question, by the hash of what is asked, and its answer.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    question: String,
    model: String,
    usage: Usage,
    answer: String,
}

/// The file of one case.
pub struct Recording {
    file: PathBuf,
    before: Vec<Entry>,
    used: Vec<Entry>,
}

impl Recording {
    /// Reads the file, if there is one.
    pub fn open(file: PathBuf) -> Recording {
        let before = match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{} is not a recording: {error}", file.display())),
            Err(_) => Vec::new(),
        };
        Recording {
            file,
            before,
            used: Vec::new(),
        }
    }

    /// The recorded answer; a new one is recorded only where that was asked for. `given` is what the author of the plugin
    /// gives for the question, if anything.
    pub fn answer(
        &mut self,
        request: &CompletionRequest,
        given: Option<&str>,
    ) -> Result<Answer, String> {
        let question = hash(request);
        let found = self
            .before
            .iter()
            .find(|entry| {
                entry.question == question && given.is_none_or(|given| entry.answer == given)
            })
            .cloned();
        let entry = match found {
            Some(entry) => entry,
            None if std::env::var_os("SNAPSHOTS_RECORD").is_some() => {
                made(question, request, given)
            }
            None => {
                return Err(format!(
                    "{} has no answer to this question; the prompt or answers.toml changed, or is new\nrecord it with `cargo \
                     xtask snapshots`",
                    self.file.display()
                ));
            }
        };
        self.used.push(entry.clone());
        Ok(Answer::Completion(Completion {
            text: entry.answer,
            stop: StopReason::Stop,
            finish_reason: "stop".to_owned(),
            usage: entry.usage,
            model: entry.model,
        }))
    }

    /// Writes what was used, if it is not what the file holds.
    pub fn save(self) {
        let json = |entries: &[Entry]| serde_json::to_string_pretty(entries).expect("plain data");
        if self.used.is_empty() || json(&self.used) == json(&self.before) {
            return;
        }
        assert!(
            std::env::var_os("SNAPSHOTS_RECORD").is_some(),
            "{} holds answers that nobody asks for any more; record it again with `cargo xtask snapshots`",
            self.file.display()
        );
        fs::create_dir_all(self.file.parent().expect("in a folder")).expect("folder is writable");
        fs::write(&self.file, json(&self.used) + "\n").expect("recording is writable");
    }
}

fn hash(request: &CompletionRequest) -> String {
    let mut builder = DigestBuilder::new("snapshot question 1");
    builder.json(&serde_json::to_value(request).expect("plain data"));
    builder.finish().to_string()
}

fn made(question: String, request: &CompletionRequest, given: Option<&str>) -> Entry {
    let seed = DigestBuilder::new(&question).finish().seed();
    let answer = given.map_or_else(|| offline::write(request, seed), ToOwned::to_owned);
    let asked: usize = render(request)
        .iter()
        .map(|message| message.content.len())
        .sum();
    let usage = Offline::usage(asked, answer.len());
    Entry {
        question,
        model: gateway::providers::offline::NAME.to_owned(),
        usage,
        answer,
    }
}
