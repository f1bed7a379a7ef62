//! A record that is leased to a worker: what it needs of the coordinator's dataset, state and output directory, and what comes back.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::found::Found;
use super::ledger::{Note, Transcript, shared_text};
use super::meter::Report;
use super::pass::{End, Pass};
use super::sampled::Samples;
use dataset::{Fields, Record, Written};
use plan::decision::{FileState, Rules, TaskEnd};
use plan::verdict::Verdict;
use store::{Checkpoint, RecipeId, Seen};
use types::digest::Digest;
use types::request::Answer;

/// A record with all that its tasks are made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeasedRecord {
    pub(super) pass: Pass,
    /// Place of the record in the run.
    pub(super) place: u64,
    pub(super) seen: Seen,
    pub(super) record: WholeRecord,
    /// The facts of its category, as JSON.
    pub(super) category: Option<String>,
    pub(super) checkpoints: Vec<Checkpoint>,
    /// The output files of its tasks, by path, as far as they are there.
    pub(super) files: Vec<LeasedFile>,
    /// What its tasks were told before, by component.
    pub(super) transcripts: Vec<Transcript>,
    /// What was said about its artifacts.
    pub(super) verdicts: Vec<Verdict>,
}

/// A record, with its fields as JSON in their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WholeRecord {
    id: String,
    name: String,
    category: String,
    fields: String,
    written: [Option<String>; 2],
}

/// An output file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LeasedFile {
    pub path: String,
    pub found: Found,
    /// Its text, where a task may want it.
    #[serde(with = "shared_text")]
    pub text: Option<Arc<str>>,
}

/// What all tasks of a run go by, as a worker is told it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Terms {
    pub(super) dataset: i64,
    pub(super) rules: Rules,
    pub(super) recipes: Vec<RecipeId>,
    pub(super) samples: Samples,
}

/// What a worker did with a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Performed {
    /// How each component ended, in the order of the components.
    pub(super) ends: Vec<End>,
    pub(super) notes: Vec<Note>,
    pub(super) reports: Vec<Report>,
    /// Who did it, as the coordinator knows.
    #[serde(skip)]
    pub(super) worker: Option<String>,
}

impl Performed {
    /// The same, done by this worker.
    #[must_use]
    pub fn by(self, worker: &str) -> Performed {
        Performed {
            worker: Some(worker.to_owned()),
            ..self
        }
    }

    /// Components that made their file.
    pub fn made(&self) -> u64 {
        let made = |end: &&End| matches!(end, End::Made { .. });
        self.ends.iter().filter(made).count() as u64
    }

    /// Components that failed.
    pub fn failed(&self) -> u64 {
        let failed = |end: &&End| matches!(end, End::Final(TaskEnd::Failed) | End::Parked);
        self.ends.iter().filter(failed).count() as u64
    }

    /// Whether a task was begun or not, and neither ended nor failed.
    pub fn is_interrupted(&self) -> bool {
        self.ends.contains(&End::Interrupted)
    }

    /// Keys of the questions whose answers its tasks were told.
    pub fn told(&self) -> impl Iterator<Item = Digest> {
        self.notes.iter().flat_map(Note::told)
    }

    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        let texts = self.notes.iter().filter_map(Note::text);
        texts.map(|text| text.len()).sum()
    }
}

impl LeasedRecord {
    /// Id of the record.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        let texts = self.files.iter().filter_map(|file| file.text.as_ref());
        let answers = self.transcripts.iter().flat_map(|(_, _, told)| told);
        let answers = answers.map(|(_, answer)| match answer {
            Answer::Completion(completion) => completion.text.len(),
            Answer::ContentFiltered(words) | Answer::ContextTooLong(words) => words.len(),
        });
        self.record.fields.len()
            + self.category.as_ref().map_or(0, String::len)
            + texts.map(|text| text.len()).sum::<usize>()
            + answers.sum::<usize>()
    }
}

impl WholeRecord {
    pub fn of(record: &Record) -> WholeRecord {
        let written = [&record.written.id, &record.written.category];
        WholeRecord {
            id: record.id.clone(),
            name: record.name.clone(),
            category: record.category.clone(),
            fields: record.fields.to_json(),
            written: written.map(|text| text.as_deref().map(str::to_owned)),
        }
    }

    /// The record; `None` if its fields are no JSON object.
    pub fn record(self) -> Option<Record> {
        let [id, category] = self.written;
        Some(Record {
            fields: Fields::of_json(&self.fields)?,
            id: self.id,
            name: self.name,
            category: self.category,
            written: Written {
                id: id.map(Into::into),
                category: category.map(Into::into),
            },
        })
    }
}

/// The output files of a leased record.
pub(super) struct LeasedFiles(pub BTreeMap<String, LeasedFile>);

impl LeasedFiles {
    pub fn new(files: Vec<LeasedFile>) -> LeasedFiles {
        let files = files.into_iter().map(|file| (file.path.clone(), file));
        LeasedFiles(files.collect())
    }

    /// A file, as the coordinator found it.
    pub fn found(&self, path: &str) -> Found {
        let file = self.0.get(path);
        file.map_or_else(|| Found::missing(None), |file| file.found.clone())
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> io::Result<&Arc<str>> {
        let text = self.0.get(path).and_then(|file| file.text.as_ref());
        text.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it was not leased"))
    }
}

impl LeasedFile {
    /// Whether there is nothing at its path.
    pub fn is_missing(&self) -> bool {
        self.found.state == FileState::Missing && self.found.obstacle.is_none()
    }
}
